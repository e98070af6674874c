//! Events from outside: what is encoded is read again, and what is not an event is refused.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod arb;
mod bounds;
mod malformed;
mod round_trips;
mod signers;
