//! The frame under both machines: the contract between machine and host, and what a machine is
//! built from.

mod alarms;
mod host;
mod machine;
mod order;
mod pending;
mod slab;
mod store_error;

pub use host::{Host, pump};
pub use machine::{Action, Actions, Deadline, Event, Flow, Input, Machine};
pub use pending::{Durable, Pending};
pub use store_error::StoreError;

pub(crate) use alarms::{Reason, Timers};
pub(crate) use order::{InOrder, Slot};
pub(crate) use pending::{AppendRefusal, Fate};
pub(crate) use slab::Awaiting;
