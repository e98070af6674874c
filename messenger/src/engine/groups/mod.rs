//! Groups: whatever arrives for one and whatever the user does in one goes through one machine,
//! [`Groups`](sealpost_core::groups::Groups). Each turn of it becomes one transaction of the store,
//! together with the message that was its input; only after that do copies, states and requests go to
//! the client machine.
//!
//! | file | content |
//! |---|---|
//! | `desk` | the machine, the key that signs states, and how both are used |
//! | `inputs` | messages as inputs of the machine |
//! | `plan` | actions of the machine as one turn of the store |
//! | `news` | what a conversation says of its group, in words |
//! | `members` | who is in which group, beside the machine |
//! | `causes` | names of what notices tell of |

pub(super) mod causes;
mod desk;
mod inputs;
mod members;
mod news;
mod plan;

pub(super) use desk::{Cause, Desk, Own, Turned};
pub(super) use inputs::{Concern, concern};
pub(super) use members::Members;
