//! Test beds for the machines of `sealpost-core`.
//!
//! - [`stage`]: the server machine without sockets, its store and crypto under the test's hand.
//! - [`actor`]: a client whose every packet the test writes itself.
//! - [`correspondence`]: two such clients that write to each other.
//! - [`client_stage`]: the client machine without sockets, in the same way.
//! - [`clerk`]: a server, and peers beyond it, whose every packet the test writes itself.
//! - [`acquaintance`]: such a client that is online and knows a peer.
//! - [`arb`]: choices read from bytes, which drive whole runs.
//! - [`fuzz`]: bodies of the fuzz targets.
//! - [`scenarios`]: scripts that run the same on the simulator and on real hosts.
//! - [`sim`]: the simulator: both machines, and everything that can go wrong between them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::missing_panics_doc,
    reason = "a test bed fails its test by panicking"
)]

pub mod acquaintance;
pub mod actor;
pub mod arb;
pub mod clerk;
pub mod client_stage;
pub mod correspondence;
pub mod fuzz;
pub mod scenarios;
pub mod sim;
pub mod stage;
