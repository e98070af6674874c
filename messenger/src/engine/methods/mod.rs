//! What the methods do, a file for each subject.

mod account;
mod changing;
mod files;
mod history;
mod people;
mod receiving;
pub(super) mod sending;
