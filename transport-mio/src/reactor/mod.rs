//! The reactor: one thread that drives a machine, its sockets and its timers.

mod event_loop;
mod executor;
mod handle;
mod signals;

pub(crate) use event_loop::Reactor;
pub use handle::Handle;
