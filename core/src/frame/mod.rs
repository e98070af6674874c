//! The frame under both machines: the contract between a machine and its host, and what a machine
//! is built from.
//!
//! | file | what |
//! |---|---|
//! | `machine` | the contract: inputs, actions, deadlines |
//! | `host` | the other side of it, and `pump`, the one `match` over actions |
//! | `out` | the queue of actions, and continuations by ticket |
//! | `proofs` | what has been verified, and what is durable |
//! | `order` | results that come in any order, taken in the order of their beginnings |
//! | `alarms` | named alarms |
//! | `slab` | values under numbers that are never used twice |
//! | `store_error`, `misuse`, `limits` | the environment's, the host's and the embedder's faults |

mod alarms;
mod host;
mod limits;
mod machine;
mod misuse;
mod order;
mod out;
mod proofs;
mod slab;
mod store_error;

pub use host::{Host, pump};
pub use limits::InvalidLimits;
pub use machine::{Action, Actions, Deadline, Event, Flow, Input, Machine};
pub use misuse::Misuse;
pub use proofs::{
    Answer, Completed, Durable, Judged, Pending, Signed, Unverified, Verified, WrongOutcome,
};
pub use slab::Slab;
pub use store_error::StoreError;

pub(crate) use alarms::{Alarm, Alarms};
pub(crate) use order::{InOrder, Slot};
pub(crate) use out::Out;
