//! Groups of up to fifty people, by pairwise copies (PROTOCOL 5.5). The server knows nothing of them.
//!
//! A group is a chain of numbered, signed *states*: who is a member, who may write the next one.
//! [`Groups`] decides what a client does with them, and with texts, requests and the commands of
//! its user. It does no I/O, reads no clock and draws nothing at random.
//!
//! What a host promises:
//!
//! - It gives only what the client machine has verified, with the fingerprint of the sender's pinned
//!   key, and in the order in which each sender has sent it.
//! - It carries out the actions of one input in their order. A [`Action::Store`] is durable before
//!   the next action; all of them in one transaction is as good. If storing fails, it drops the
//!   machine, and makes another from the store.
//! - After a start it calls [`Groups::start`] once, before any input.
//!
//! States come with the key of their writer, so [`States::verify`] needs nothing but a way to verify
//! a signature. [`Input::States`] takes only what it has verified.
//!
//! Two owners may write at once: one whose device was restored from a backup, or a successor who
//! takes over. Chains are ordered: at the first state in which two differ, the one whose writer has
//! the smaller rank in the state before wins, and between equal ranks the one with the smaller
//! hash; a chain that only goes on is greater than its beginning. Each member keeps the greatest
//! chain that it has seen, so all who have seen the same agree, in whatever order they saw it.
//!
//! | file | content |
//! |---|---|
//! | `machine` | [`Groups`]: dispatches inputs to groups |
//! | `contract` | inputs, commands, actions, news |
//! | `group` | one group; writing and sending states |
//! | `steps/` | what a group does with each kind of input |
//! | `record`, `kept` | what is kept of a group, and its bytes in the store |
//! | `chain` | the newest states, and where others part from them |
//! | `change` | changes, and the state that they lead to |
//! | `signed` | signed states, and the proof that they were verified |
//! | `state`, `member` | what a state says, and its rules |
//! | `codec` | bytes of states |
//! | `ids`, `limits` | names of things, bounds |

mod chain;
mod change;
mod codec;
mod contract;
mod group;
mod ids;
mod kept;
pub mod limits;
mod machine;
mod member;
mod record;
mod signed;
mod state;
mod steps;
#[cfg(test)]
mod tests;

pub use crate::event::{GroupId, GroupRequest, GroupTag, StateHash};
pub use change::Change;
pub use contract::{Action, Command, CommandRefusal, GroupCommand, Input, Refusal, Shown, Told};
pub use ids::{ItemId, Me};
pub use machine::Groups;
pub use member::{Member, Rank, Role, Standing};
pub use record::{Mine, Record};
pub use signed::{DOMAIN, SignedState, States};
pub use state::{GroupName, InvalidState, Members, Parts, State};
