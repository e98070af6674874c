//! What the methods do, a file for each subject.

mod account;
mod people;
mod receiving;
mod sending;
