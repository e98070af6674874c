//! A test bed for either machine: no sockets, a memory store, and clocks that the test moves.
//!
//! Store operations and jobs are carried out at once, unless the test holds them back
//! ([`Bed::hold_store`], [`Bed::hold_jobs`]) and releases them later, jobs in any order.

mod bed;
mod client;
mod machine;
mod recorder;
mod server;

pub use bed::Bed;
pub use client::{ClientBed, offline};
pub use machine::TestedMachine;
pub use server::ServerBed;
