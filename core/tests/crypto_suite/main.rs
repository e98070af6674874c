//! One suite for every provider: what holds for one holds for the other, and what one seals the
//! other opens.

#![cfg(any(feature = "rust-crypto", feature = "aws-lc"))]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking; clippy knows it of the functions marked #[test] only"
)]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the cases that it is about")]

mod jobs;
mod keys;
mod pem;
mod primitives;
mod support;
mod vectors;
mod wycheproof;
