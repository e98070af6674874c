//! Processes and threads: the server under load, a broker to compare it with, their figures in
//! `/proc`, and our own workers.

pub(crate) mod broker;
pub(crate) mod daemon;
mod interrupt;
mod own_server;
pub(crate) mod parallel;
pub(crate) mod process;
