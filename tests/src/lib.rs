//! Test beds for the machines of `sealpost-core`.
//!
//! - [`beds`]: either machine without sockets, with store, jobs and clocks under the test's control.
//! - [`scripted_client`], [`scripted_server`], [`scripted_peer`]: parties whose every packet the test
//!   writes itself.
//! - [`server_fixture`], [`client_fixture`]: starting points for tests of messages.
//! - [`registration_fixture`]: the steps of a registration.
//! - [`sim`]: the simulator: both machines, and everything that can go wrong between them.
//! - [`group_sim`]: the simulator of groups.
//! - [`scenarios`]: tests that run unchanged in the simulator and on real hosts.
//! - [`fuzz`]: bodies of the fuzz targets.
//! - [`content`]: texts as contents of messages.
//! - [`recorded`]: servers that are recorded, and replays of their recordings.
//! - [`arb`]: choices read from bytes, which drive simulations and fuzz targets.
//! - [`test_keys`]: RSA keys shared by all tests of a process.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::missing_panics_doc,
    reason = "a test bed fails its test by panicking"
)]

pub mod arb;
pub mod beds;
pub mod client_fixture;
pub mod content;
pub mod fuzz;
pub mod group_sim;
pub mod recorded;
pub mod registration_fixture;
pub mod scenarios;
pub mod scripted_client;
mod scripted_packet;
pub mod scripted_peer;
pub mod scripted_server;
pub mod server_fixture;
pub mod sim;
pub mod test_keys;
