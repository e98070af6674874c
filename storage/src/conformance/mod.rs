//! What the conformance suites of both stores share: fixtures, and the shape of a case.
//!
//! The suites themselves are [`server::conformance`](crate::server::conformance) and
//! [`client::conformance`](crate::client::conformance).
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "fixtures of tests, compiled for the tests of other crates too"
)]

mod fixtures;

pub(crate) use fixtures::without_id;
pub use fixtures::{at, message, phone, public_key, receipt, wrapped_key};

/// Whether a case closes the store and opens it again after every commit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reopening {
    Never,
    AfterEachCommit,
}

/// Lists the cases of a module, each named after its function.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        pub(super) fn cases<S: Subject>() -> Vec<Case<S>> {
            vec![$((stringify!($case), $case)),+]
        }
    };
}
pub(crate) use cases;
