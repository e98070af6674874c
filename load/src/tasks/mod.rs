//! What can be measured: one file for each subcommand, and the table of `compare`.

pub(crate) mod ceiling;
pub(crate) mod compare;
mod comparison;
mod group_commits;
pub(crate) mod idle;
pub(crate) mod mosquitto;
pub(crate) mod offline;
pub(crate) mod online;
pub(crate) mod reconnect;
pub(crate) mod siege;
pub(crate) mod storm;
