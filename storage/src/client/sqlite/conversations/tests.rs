//! Each method as a short trace.

mod bed;
mod changes;
mod copies;
mod expiry;
mod migration;
mod plans;
mod reading;
mod repeats;
mod searching;
