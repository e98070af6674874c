//! Files of up to 64 MiB between two users, in pieces (PROTOCOL 5.4). The server knows nothing of them.
//!
//! [`Files`] decides which piece is read, sent and written next. It does no I/O, reads no clock and
//! draws nothing at random.
//!
//! What a host promises:
//!
//! - It gives only what the client machine has verified, with the fingerprint of the sender's pinned
//!   key, and in the order in which each sender has sent it.
//! - It carries out the actions of one input in their order, each durable before the next: a record
//!   in the store, an event in the outbox, a piece in its file. If it can't, it drops the machine, and
//!   makes another from the store. An event that came from a peer counts as taken over only once the
//!   actions that follow from it were carried out; until then it is given again after a start.
//! - Sending a piece or an offer under the same [`EventName`] again changes nothing. Of a piece that was
//!   sent before, it reports the fate that it has. It should remember names until the transfer has
//!   ended; if it forgets one, a piece is sent twice, which costs time and nothing else.
//! - After a start it first gives everything that had arrived, then calls [`Files::start`].
//!
//! How much is on its way: at most [`limits::QUEUED`] pieces wait for the server, those of all
//! transfers together, so that a text waits behind less than 1 MiB; and at most [`limits::WINDOW`]
//! pieces of a transfer are not yet confirmed by its recipient, which is far less than half of any
//! sensible mailbox.
//!
//! What the recipient has stored is the truth about a transfer. Its *progress* lets the sender go on;
//! its *accepted* makes the sender go back. So whatever either side forgets or receives twice, a
//! transfer resumes where its recipient is.
//!
//! | file | content |
//! |---|---|
//! | `machine` | [`Files`]: dispatches inputs to transfers, and shares the queue among them |
//! | `contract` | inputs, commands, actions, news |
//! | `admission` | which offers are taken, and which are accepted without asking |
//! | `transfer` | one transfer, and what both directions have in common |
//! | `sending`, `receiving` | what the two sides of a transfer do |
//! | `record` | what is kept of a transfer |
//! | `limits` | bounds |

mod admission;
mod contract;
pub mod limits;
mod machine;
mod receiving;
mod record;
mod sending;
mod transfer;

pub use contract::{
    Action, Command, CommandRefusal, Consent, EventName, Fate, Finished, Input, Outgoing, Pause,
    PieceName, Read, Told, Written,
};
pub use machine::Files;
pub use record::{Direction, End, Failure, Place, Received, Record, State, TransferId};
