//! What the methods do, a file for each subject.

mod account;
mod blocking;
mod changing;
mod files;
mod group_changes;
mod groups;
mod history;
mod journey;
mod outbox;
mod people;
mod receiving;
mod saying;
pub(super) mod sending;
mod trust;
