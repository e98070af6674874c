//! File transfers: what is kept of each, and what of them waits to be taken over or to be sent.
//!
//! The machine of transfers ([`sealpost_core::files`]) decides; an application carries out each of its
//! steps here, in one transaction. An event of a transfer that arrived waits in a queue of its own
//! until its step is durable, so that no text waits for the disk behind a piece.

use std::path::PathBuf;

use sealpost_core::client::store::{Content, InboxId, Status, Token};
use sealpost_core::files::{EventName, Record, TransferId};
use sealpost_core::ids::MessageId;

use super::conversations::EntryId;

/// A transfer, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Its name.
    pub id: TransferId,
    /// What the machine knows of it.
    pub record: Record,
    /// Entry that offers the file; `None` if there is none.
    pub entry: Option<EntryId>,
    /// Where the file is read from, for one that is sent.
    pub origin: Option<Origin>,
    /// Where the file is, for one that was received whole.
    pub saved: Option<PathBuf>,
}

/// Where a file that is sent is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Path of the file.
    pub path: PathBuf,
    /// What tells whether the file has changed, in the application's own format.
    pub stamp: Vec<u8>,
}

/// A transfer that begins with an entry of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTransfer {
    /// Its name.
    pub id: TransferId,
    /// What the machine knows of it.
    pub record: Record,
    /// Where the file is read from.
    pub origin: Origin,
}

/// What one step of the machine changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransferStep {
    /// Arrival that the step takes over.
    pub arrival: Option<TakenOver>,
    /// Records to be kept, or forgotten if `None`.
    pub records: Vec<(TransferId, Option<Record>)>,
    /// Received files that are whole.
    pub saved: Vec<(TransferId, PathBuf)>,
    /// Messages to be sent.
    pub sends: Vec<NewSend>,
    /// Messages that the server holds: their content is not needed any more.
    pub settled: Vec<Token>,
    /// Messages that will not be sent.
    pub dropped: Vec<Token>,
}

/// An arrival whose step is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// Its place in the inbox.
    pub place: InboxId,
    /// Transfer that it offers, whose entry is the one that the arrival made. The content of any other
    /// arrival is overwritten: what it said is in a file by now, or nowhere.
    pub offers: Option<TransferId>,
}

/// A message of a transfer that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSend {
    /// Name under which the machine of the client is to send it.
    pub token: Token,
    /// The transfer.
    pub id: TransferId,
    /// The machine's name for the event; `None` for an answer.
    pub name: Option<EventName>,
    /// Content that must not be lost before the client's machine has it. A piece can be read again.
    pub content: Option<Content>,
}

/// A message of a transfer that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptSend {
    /// Name under which the machine of the client sends it.
    pub token: Token,
    /// The transfer.
    pub id: TransferId,
    /// The machine's name for the event; `None` for an answer.
    pub name: Option<EventName>,
    /// How far it has come.
    pub place: SendPlace,
}

/// How far a message of a transfer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendPlace {
    /// The machine of the client does not have it.
    Unsent,
    /// It can't be sealed yet.
    Draft,
    /// It is in the outbox.
    Outbox(MessageId, Status),
}
