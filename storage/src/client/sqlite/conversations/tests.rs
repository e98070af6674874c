//! Each method as a short trace.
#![expect(
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "a test that gets something else fails; figures are to be read"
)]

mod bed;
mod changes;
mod copies;
mod expiry;
mod groups;
mod migration;
mod plans;
mod reading;
mod removal;
mod repeats;
mod searching;
