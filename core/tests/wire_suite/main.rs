//! The wire module from outside: streams, the shapes of packets, payloads, and independent vectors.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod arb;
mod deframer;
mod packets;
mod payloads;
mod round_trips;
mod vectors;
