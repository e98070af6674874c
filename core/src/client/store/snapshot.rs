//! What the store holds when the machine starts.

use alloc::vec::Vec;

use super::message::{Draft, QueuedMessage};
use crate::ids::{MessageId, Phone, ReceiptId, UserId};
use crate::keys::{Fingerprint, PublicKey, SymmetricKey};
use crate::time::Timestamp;

/// All that a machine needs at its start: the content of the store at that moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The user's account.
    pub account: Account,
    /// Every contact.
    pub contacts: Vec<Contact>,
    /// Ids and keys that were pinned until another id took their place, or offered until another id
    /// with the same key did, in the order of ids. What their owners have signed may still arrive,
    /// and counts as what the key has signed.
    pub former: Vec<Binding>,
    /// Messages that can't be sealed yet, in the order of ids.
    pub drafts: Vec<Draft>,
    /// Queued messages, in the order of ids; not those stored, delivered or failed.
    pub outbox: Vec<QueuedMessage>,
    /// Largest message id ever enqueued, kept even if the message is deleted from the history.
    pub last_message: Option<MessageId>,
    /// First receipt number that was never reserved
    /// ([`ClientOp::ReserveReceipts`](super::ClientOp::ReserveReceipts)); 1 at first.
    pub next_receipt: ReceiptId,
}

impl Snapshot {
    /// The content of a new store.
    pub const fn new(phone: Phone, server: Fingerprint) -> Self {
        Self {
            account: Account {
                phone,
                server,
                server_key: None,
                successor: None,
                reply_key: None,
                user: None,
                last_reconnect: None,
                clock_offset_secs: 0,
            },
            contacts: Vec::new(),
            former: Vec::new(),
            drafts: Vec::new(),
            outbox: Vec::new(),
            last_message: None,
            next_receipt: ReceiptId(1),
        }
    }
}

/// The user's account, and the server it is on. `phone` is given when the store is made and never
/// changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user's phone number.
    pub phone: Phone,
    /// Fingerprint of the server's key: from the server's address, until the server changes its key.
    pub server: Fingerprint,
    /// The server's key ([`ClientOp::PinServerKey`](super::ClientOp::PinServerKey)).
    pub server_key: Option<PublicKey>,
    /// Fingerprint of the key to ask the server for, while it changes its key
    /// ([`ClientOp::ChangeServerKey`](super::ClientOp::ChangeServerKey)). It may be `server`, if the
    /// address that the user has is already the new one.
    pub successor: Option<Fingerprint>,
    /// Reply key of the registration under way
    /// ([`ClientOp::KeepReplyKey`](super::ClientOp::KeepReplyKey)); `None` before and after it.
    pub reply_key: Option<SymmetricKey>,
    /// Our user id ([`ClientOp::SetUser`](super::ClientOp::SetUser)); `None` before registration.
    pub user: Option<UserId>,
    /// Newest date of a 106 ([`ClientOp::UseReconnectTime`](super::ClientOp::UseReconnectTime)).
    pub last_reconnect: Option<Timestamp>,
    /// Seconds to be added to the host's clock
    /// ([`ClientOp::SetClockOffset`](super::ClientOp::SetClockOffset)); 0 at first.
    pub clock_offset_secs: i64,
}

/// A person, known by phone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Phone number, unique among contacts.
    pub phone: Phone,
    /// Id and key that messages are sealed for.
    pub pinned: Binding,
    /// Whether the users compared safety numbers.
    pub verification: Verification,
    /// Another key that the server has named since, and that the user has not accepted.
    pub offered: Option<Binding>,
    /// Last message enqueued for the pinned user id that has not failed: the next one's
    /// `previous_id`.
    pub last_sent: Option<MessageId>,
    /// Date of the oldest message to the pinned user id that the server holds, and for which no
    /// receipt has come.
    pub unanswered_since: Option<Timestamp>,
}

/// The id and key behind a phone number: named by the server, pinned by us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// User id. A person who registers again gets another one.
    pub user: UserId,
    /// Public key of the user.
    pub public_key: PublicKey,
}

/// Whether two users compared safety numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verification {
    /// They did not; the key is trusted on first use.
    FirstUse,
    /// They did, and the numbers were equal.
    Verified,
}
