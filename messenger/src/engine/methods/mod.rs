//! What the methods do, a file for each subject.

mod account;
mod changing;
mod history;
mod people;
mod receiving;
mod sending;
