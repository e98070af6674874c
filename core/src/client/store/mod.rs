//! What the client machine asks of its store, and what its store gives it at the start.
//!
//! Operations are intentions, never SQL. Each takes effect durably and as a whole, or not at all.
//! Each is idempotent: repeating it after a crash or a lost answer changes nothing more. Operations
//! take effect in the order in which they were requested. One store serves one account on one
//! server.
//!
//! Showing history and contacts is a matter between the application and the store; the machine
//! never asks for either.
//!
//! | file | what |
//! |---|---|
//! | `op` | operations |
//! | `reply` | their answers, and what each answer proves to be durable |
//! | `snapshot` | the content of the store at the start: account, contacts, outbox |
//! | `message` | messages, both ways |
//! | `arrival` | how a message that arrived relates to the others of its sender |

mod arrival;
mod message;
mod op;
mod reply;
mod snapshot;

pub use arrival::{Arrival, Continuity};
pub use message::{
    Content, Draft, DraftId, Failure, InboxId, InboxItem, IncomingMessage, OutgoingMessage,
    QueuedMessage, ReceivedContent, Status, Token, TokenUse, Trust,
};
pub use op::ClientOp;
pub(in crate::client) use reply::Page;
pub use reply::{ClientOutcome, ClientReply, GivenUp, Placement};
pub use snapshot::{Account, Binding, Contact, Snapshot, Verification};
