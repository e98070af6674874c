//! Events from outside: what is encoded is read again, and what is not an event is refused.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod arb;
mod bounds;
mod malformed;
mod round_trips;
mod signers;
