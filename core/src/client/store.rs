//! What the client machine asks of its store, and what it must be given at its start.
//!
//! Operations are intentions, never SQL. Each is durable as a whole or without any effect, and
//! idempotent: repeated after a crash or a lost answer, it changes nothing more. Operations take
//! effect in the order in which they were asked for. One store serves one account on one server.
//!
//! Reading history and contacts for display is the application's business with the store itself;
//! the machine never asks for it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::replay::Continuity;
use crate::frame::StoreError;
use crate::ids::{MessageId, Phone, ReceiptId, UserId};
use crate::keys::{Fingerprint, PublicKey};
use crate::time::Timestamp;
use crate::wire::Packet;

/// One operation.
#[derive(Clone, Debug)]
pub enum ClientOp {
    /// Keep the server's key, whose fingerprint is the address's. → [`ClientReply::Done`]
    PinServerKey(PublicKey),
    /// The server has named our user id. → [`ClientReply::Done`]
    SetUser(UserId),
    /// A 106 with this timestamp is about to leave. Keeps the newest. → [`ClientReply::Done`]
    UseReconnectTime(Timestamp),
    /// Add this to the host's wall clock, in seconds, to get the server's. → [`ClientReply::Done`]
    SetClockOffset {
        /// Negative if the host's clock is fast.
        secs: i64,
    },
    /// Receipts with numbers below this one may leave: the next [`Snapshot::next_receipt`] must not
    /// be smaller. Keeps the largest. → [`ClientReply::Done`]
    ReserveReceipts {
        /// The first number that is still free.
        below: ReceiptId,
    },

    /// Make a contact on first contact. If the phone number is a contact already, nothing changes.
    /// → [`ClientReply::Done`]
    PinContact {
        /// Whose.
        phone: Phone,
        /// Trusted on first use.
        binding: Binding,
    },
    /// The server offers another id or key for a contact: keep it beside the pinned one, in place
    /// of one offered before. → [`ClientReply::Done`]
    OfferKey {
        /// Whose.
        phone: Phone,
        /// Not trusted until accepted.
        offered: Binding,
    },
    /// Somebody trusts this id and key, which may have been offered or not: they become the pinned
    /// ones, not verified, of a contact that is made if there is none. `last_sent` is forgotten if
    /// the user id is another one; then what was pinned is among [`Snapshot::former`] from now on.
    /// If they are pinned already, that stays as it is. Nothing is offered any more.
    /// → [`ClientReply::Done`]
    AcceptKey {
        /// Whose.
        phone: Phone,
        /// Trusted from now on.
        accepted: Binding,
    },
    /// The server names the pinned id and key again: nothing is offered any more.
    /// → [`ClientReply::Done`]
    WithdrawOffer {
        /// Whose.
        phone: Phone,
    },
    /// The people compared safety numbers: mark the contact as verified, if the pinned key is this
    /// one. Otherwise nothing changes. → [`ClientReply::Done`]
    MarkVerified {
        /// Whose.
        phone: Phone,
        /// Of the pinned key.
        fingerprint: Fingerprint,
    },

    /// Append messages to the outbox, as queued. They come in the order of their ids, which are
    /// larger than all before: the last one becomes [`Snapshot::last_message`], and for each
    /// contact the last one to it becomes its `last_sent`. One that is there already is left as it
    /// is. → [`ClientReply::Done`]
    Enqueue(Vec<OutgoingMessage>),
    /// The server holds these: queued → stored; their packets are dropped. What is not queued, or
    /// is for another recipient, stays as it is. → [`ClientReply::Marked`]
    MarkStored(Vec<(UserId, MessageId)>),
    /// A reader has signed for these: queued or stored → delivered; their packets are dropped. What
    /// is neither, or is for another recipient, stays as it is. → [`ClientReply::Marked`]
    MarkDelivered {
        /// The recipient, who signed.
        reader: UserId,
        /// What was signed for.
        messages: Vec<MessageId>,
    },
    /// These will not be sent again: queued → failed; their packets are dropped. What is not queued
    /// stays as it is. → [`ClientReply::Marked`]
    MarkFailed {
        /// Which.
        messages: Vec<MessageId>,
        /// Why.
        failure: Failure,
    },

    /// One after the other, admit each message to its sender's replay window
    /// ([`ReplayWindow::admit`](super::ReplayWindow::admit) with its id and `previous`), and append
    /// it to the inbox if it is new. A sender without a window yet has an empty one.
    /// → [`ClientReply::Received`]
    Receive(Vec<IncomingMessage>),
    /// Read the inbox, oldest first, leaving out what was shown. → [`ClientReply::Unshown`]
    Unshown {
        /// Only what stands behind this place; [`InboxId::START`] for everything.
        after: InboxId,
        /// Messages at most.
        limit: u32,
    },
    /// The application has shown, or has made durable on its side, everything up to and including
    /// this place. → [`ClientReply::Done`]
    MarkShown {
        /// The last one.
        up_to: InboxId,
    },
}

/// The outcome of one operation.
pub type ClientOutcome = Result<ClientReply, StoreError>;

/// What an operation that succeeded answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientReply {
    /// It is durable.
    Done,
    /// To [`ClientOp::MarkStored`], [`ClientOp::MarkDelivered`] and [`ClientOp::MarkFailed`]: those
    /// whose status changed now, in the order in which they were named.
    Marked(Vec<MessageId>),
    /// To [`ClientOp::Receive`]: what came of each, in the order in which they were given.
    Received(Vec<Arrival>),
    /// To [`ClientOp::Unshown`].
    Unshown {
        /// In order.
        items: Vec<InboxItem>,
        /// More stands behind the last item.
        more: bool,
    },
}

/// All that a machine needs at its start: what the store holds at that moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Ours.
    pub account: Account,
    /// Every contact.
    pub contacts: Vec<Contact>,
    /// Whom contacts were before somebody accepted another id, in the order of ids: what they have
    /// signed for before may still come.
    pub former: Vec<Binding>,
    /// What is queued, in the order of ids. Not what is stored, delivered or failed.
    pub outbox: Vec<QueuedMessage>,
    /// The largest message id ever enqueued, kept even if that message is deleted from the history.
    pub last_message: Option<MessageId>,
    /// Of [`ClientOp::ReserveReceipts`]; 1 at first.
    pub next_receipt: ReceiptId,
}

impl Snapshot {
    /// Of a store that was just made.
    pub const fn new(phone: Phone, server: Fingerprint) -> Self {
        Self {
            account: Account {
                phone,
                server,
                server_key: None,
                user: None,
                last_reconnect: None,
                clock_offset_secs: 0,
            },
            contacts: Vec::new(),
            former: Vec::new(),
            outbox: Vec::new(),
            last_message: None,
            next_receipt: ReceiptId(1),
        }
    }
}

/// Who we are, and on which server. `phone` and `server` are given when the store is made and
/// never change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Our phone number.
    pub phone: Phone,
    /// The fingerprint of the server's address.
    pub server: Fingerprint,
    /// [`ClientOp::PinServerKey`].
    pub server_key: Option<PublicKey>,
    /// [`ClientOp::SetUser`]; `None` before registration.
    pub user: Option<UserId>,
    /// [`ClientOp::UseReconnectTime`].
    pub last_reconnect: Option<Timestamp>,
    /// [`ClientOp::SetClockOffset`]; 0 at first.
    pub clock_offset_secs: i64,
}

/// A person, known by phone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// One contact for each.
    pub phone: Phone,
    /// What we send under.
    pub pinned: Binding,
    /// Whether the people compared safety numbers.
    pub verification: Verification,
    /// Another id or key that the server named since, and that nobody has accepted.
    pub offered: Option<Binding>,
    /// The last message enqueued for the pinned user id: the next one's `previous_id`.
    pub last_sent: Option<MessageId>,
}

/// Whom a phone number stands for: what the server says, and we pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Never given to anyone else, but a person who registers again gets a new one.
    pub user: UserId,
    /// The user's.
    pub public_key: PublicKey,
}

/// Whether two people compared safety numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verification {
    /// Trusted on first use.
    FirstUse,
    /// Compared, and the same.
    Verified,
}

/// A message of ours, sealed and signed, before it is queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// Larger than that of every message before.
    pub id: MessageId,
    /// To whom.
    pub recipient: UserId,
    /// The recipient's.
    pub phone: Phone,
    /// For the history.
    pub content: Content,
    /// What goes over the wire, byte for byte, until it is acknowledged.
    pub packet: Packet,
}

/// A message of ours that is not acknowledged yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedMessage {
    /// Unique among our messages.
    pub id: MessageId,
    /// To whom.
    pub recipient: UserId,
    /// As it goes over the wire.
    pub packet: Packet,
}

/// Why a message of ours will not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Failure {
    /// The recipient is not registered any more.
    #[error("the recipient is not registered")]
    UnknownUser,
    /// The server refused it as malformed or badly signed.
    #[error("the server refused the message")]
    Refused,
    /// Nothing acknowledged it within the retention time.
    #[error("not acknowledged within 30 days")]
    Expired,
    /// It is sealed for a key that was replaced before it left.
    #[error("sealed for a key that was replaced")]
    KeyReplaced,
}

/// Where a message stands on its way. What the store keeps for each message in the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Durable here, not acknowledged by anyone.
    Queued,
    /// Durable at the server.
    Stored,
    /// The reader's signature says so.
    Delivered,
    /// It will not be sent.
    Failed(Failure),
}

/// What people write.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// UTF-8.
    Text(String),
    /// The application's own.
    Bytes(Vec<u8>),
}

impl Content {
    /// As it stands in a message.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Content {
    /// The length only: contents are nobody's business but the people's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
        }
    }
}

/// A message from a peer whose signature has held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingMessage {
    /// From whom.
    pub sender: UserId,
    /// The sender's.
    pub phone: Phone,
    /// Unique among the sender's messages.
    pub id: MessageId,
    /// The sender's message before it to us, if it opened and names one.
    pub previous: Option<MessageId>,
    /// When the sender says it was written.
    pub sent_at: Timestamp,
    /// When it arrived, by our clock.
    pub received_at: Timestamp,
    /// What was inside.
    pub content: ReceivedContent,
    /// How far the key that signed it was trusted when it arrived.
    pub trust: Trust,
}

/// What was inside a message from a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceivedContent {
    /// It opened.
    Opened(Content),
    /// Its sender signed it, and it does not open, or is of a suite or kind that is not known here.
    Undecryptable,
}

/// How far the key that signed a message was trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// The pinned key, trusted on first use.
    FirstUse,
    /// The pinned key, and the people have compared safety numbers.
    Verified,
    /// Another key than the pinned one, offered by the server and not accepted.
    Changed,
}

/// A place in the inbox. Grows with every message appended; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InboxId(pub u64);

impl InboxId {
    /// Before everything.
    pub const START: Self = Self(0);
}

/// What came of a message that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is new, and stands in the inbox.
    Appended {
        /// Where.
        place: InboxId,
        /// As the replay window said.
        continuity: Continuity,
    },
    /// It was admitted before, or is too old to tell. Nothing was appended.
    Repeat,
}

/// A message in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxItem {
    /// Its place.
    pub place: InboxId,
    /// The message.
    pub message: IncomingMessage,
    /// As the replay window said when it arrived.
    pub continuity: Continuity,
}
