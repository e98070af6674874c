//! The client machine: one user on one server, over one connection at a time.

pub mod replay;
pub mod store;

pub use replay::{Admission, Continuity, ReplayWindow};
