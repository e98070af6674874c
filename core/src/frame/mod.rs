//! The frame under both machines: the contract between a machine and its host, and the parts that
//! both machines are built from.
//!
//! | file | what |
//! |---|---|
//! | `machine` | the contract: inputs, actions, deadlines |
//! | `host` | the other side of it, and `pump`, the one `match` over actions |
//! | `out` | the queue of actions, and the continuations by ticket |
//! | `proofs` | proofs that a packet is verified and that a value is durable |
//! | `order` | results that finish in any order and leave in the order in which work began |
//! | `alarms` | named alarms |
//! | `slab` | values under numbers that are never used twice |
//! | `store_error`, `misuse`, `limits` | faults of the environment, the host and the embedder |

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

pub use host::{Host, Seen, pump};
pub use limits::InvalidLimits;
pub use machine::{Action, Actions, Deadline, Event, Flow, Input, Machine};
pub use misuse::Misuse;
pub use proofs::{
    Answer, Completed, Durable, Judged, Kept, Pending, Signed, Unverified, Verified, WrongOutcome,
};
pub use slab::Slab;
pub use store_error::StoreError;

pub(crate) use alarms::{Alarm, Alarms};
pub(crate) use order::{InOrder, Slot};
pub(crate) use out::Out;
