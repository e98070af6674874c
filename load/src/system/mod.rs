//! Processes and threads: the server under load, its figures in `/proc`, and our own workers.

pub(crate) mod daemon;
mod interrupt;
pub(crate) mod parallel;
pub(crate) mod process;
