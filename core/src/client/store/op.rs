//! Operations of the client's store.

use alloc::vec::Vec;

use super::message::{
    Draft, DraftId, Failure, InboxId, IncomingMessage, OutgoingMessage, QueuedMessage, Token,
};
use super::snapshot::Binding;
use crate::ids::{MessageId, Phone, ReceiptId, UserId};
use crate::keys::{Fingerprint, PublicKey, SymmetricKey};
use crate::time::Timestamp;
use crate::wire::InReplyTo;

/// One operation. The arrow names the [`ClientReply`](super::ClientReply) that answers it.
#[derive(Clone, Debug)]
pub enum ClientOp {
    /// Keep the server's key, whose fingerprint is the one in the address, unless one is kept.
    /// → `Done`
    PinServerKey(PublicKey),
    /// Keep a key of the server and its successor in place of those kept before. The key's
    /// fingerprint takes the place of the one in the address. → `Done`
    ChangeServerKey {
        /// The server's key.
        key: PublicKey,
        /// Fingerprint of the key to ask the server for; `None` to ask for none.
        successor: Option<Fingerprint>,
    },
    /// Keep the reply key of the registration under way: the one-time password belongs to it, and
    /// may be typed into another process. → `Done`
    KeepReplyKey(SymmetricKey),
    /// Keep our user id, which the server has named, in place of the one before. The reply key of
    /// the registration is forgotten. → `Done`
    SetUser(UserId),
    /// Record that a 106 with this timestamp is about to leave. Keeps the newest. → `Done`
    UseReconnectTime(Timestamp),
    /// Keep the difference between the server's clock and the host's wall clock. → `Done`
    SetClockOffset {
        /// Seconds to be added to the host's clock; negative if it is fast.
        secs: i64,
    },
    /// Reserve receipt numbers below this one: the next
    /// [`Snapshot::next_receipt`](super::Snapshot::next_receipt) must not be smaller. Keeps the
    /// largest. → `Done`
    ReserveReceipts {
        /// First number that is not reserved.
        below: ReceiptId,
    },

    /// Make a contact on first contact. If the phone number is a contact already, nothing changes.
    /// → `Done`
    PinContact {
        /// Phone number of the contact.
        phone: Phone,
        /// Id and key to pin, trusted on first use.
        binding: Binding,
    },
    /// Keep another id or key, which the server offers for a contact, beside the pinned one; it
    /// replaces one offered before. If only the user id changes, the one offered before is among
    /// [`Snapshot::former`](super::Snapshot::former) from now on. → `Done`
    OfferKey {
        /// Phone number of the contact.
        phone: Phone,
        /// Id and key, not trusted until the user accepts them.
        offered: Binding,
    },
    /// Pin this id and key, whether they were offered or not: the user trusts the key, or it is the
    /// pinned one, and its owner has another id. Nothing is offered any more. A contact is made if
    /// there is none. If the user id changes, `last_sent` is forgotten, and the old id and key are
    /// among [`Snapshot::former`](super::Snapshot::former) from now on. If the key is pinned
    /// already, the verification stays as it is. → `Done`
    AcceptKey {
        /// Phone number of the contact.
        phone: Phone,
        /// Id and key, trusted from now on.
        accepted: Binding,
    },
    /// Offer nothing any more for a contact: the server names the pinned id and key again. → `Done`
    WithdrawOffer {
        /// Phone number of the contact.
        phone: Phone,
    },
    /// Forget a contact, if there is one. The pinned id and key, and the offered ones, are among
    /// [`Snapshot::former`](super::Snapshot::former) from now on. → `Done`
    ForgetContact {
        /// Phone number of the contact.
        phone: Phone,
    },
    /// Mark the contact as verified, because the users compared safety numbers, if the pinned key
    /// is this one. Otherwise nothing changes. → `Done`
    MarkVerified {
        /// Phone number of the contact.
        phone: Phone,
        /// Fingerprint of the pinned key.
        fingerprint: Fingerprint,
    },

    /// Find what each of these tokens names, drafts and outbox taken together. → `Named`
    FindTokens(Vec<Token>),
    /// Keep messages that can't be sealed yet. One that is there already stays as it is, and one
    /// whose token names a draft or a message is not kept. → `Done`
    KeepDrafts(Vec<Draft>),
    /// Forget drafts that were refused. → `Done`
    DropDrafts(Vec<DraftId>),
    /// Append messages to the outbox, as queued, and forget the drafts that they were. They arrive
    /// in the order of their ids, which are larger than all before. The last one becomes
    /// [`Snapshot::last_message`](super::Snapshot::last_message); for each contact, the last one to
    /// it becomes its `last_sent`. A message that is there already stays as it is, and one
    /// whose token names another message is not appended. → `Done`
    Enqueue(Vec<OutgoingMessage>),
    /// Replace the packets and the recipients' ids of queued messages: the same messages, signed
    /// again for other ids. A message that is not queued stays as it is. → `Done`
    Readdress(Vec<QueuedMessage>),
    /// Mark messages that the server holds: queued → stored. Their packets are dropped. A message
    /// that is not queued, or has another recipient, stays as it is. → `Marked`
    MarkStored(Vec<(UserId, MessageId)>),
    /// Mark messages for which their recipient has signed a receipt: queued or stored → delivered.
    /// Their packets are dropped. A message that is neither, or has another recipient, stays as it
    /// is. → `Marked`
    MarkDelivered {
        /// Recipient who signed the receipt.
        recipient: UserId,
        /// Messages named in the receipt.
        messages: Vec<MessageId>,
    },
    /// Mark messages whose recipient has no account any more: queued or stored → failed, as
    /// [`Failure::UnknownUser`]. Their packets are dropped. They are named by the hashes of their
    /// packets, as the server's error names them; a hash that no such message has changes nothing.
    /// `last_sent` changes as after [`MarkFailed`](Self::MarkFailed). → `Failed`
    MarkUndeliverable(Vec<InReplyTo>),
    /// Mark messages that will not be sent again: queued → failed. Their packets are dropped. A
    /// message that is not queued stays as it is. If one was the `last_sent` of a contact, the last
    /// message enqueued for the pinned user id that has not failed takes its place. → `Failed`
    MarkFailed {
        /// The messages.
        messages: Vec<MessageId>,
        /// Reason of the failure.
        failure: Failure,
    },

    /// Append each message to the inbox, one after the other, unless the inbox holds it: a message
    /// of the same sender with the same id and packet hash, or one of the same phone number with
    /// the same id, date, previous message and content, which somebody has signed again for another
    /// id of theirs or ours. What the inbox holds of the phone number decides on
    /// [`Continuity`](super::Continuity): whether it holds the id in `previous` under the sender's
    /// user id, or under another one with the same key, as pinned, offered or former. What it holds of
    /// the sender's user id decides on [`Arrival`](super::Arrival): whether it holds the same id, or
    /// a larger one, or one after a gap that names this id as its previous. → `Received`
    Receive(Vec<IncomingMessage>),
    /// Read the inbox, oldest message first, without those that were shown. → `Unshown`
    Unshown {
        /// Place after which to read; [`InboxId::START`] for everything.
        after: InboxId,
        /// Largest count of messages to read.
        limit: u32,
    },
    /// Record that the application has shown, or has made durable on its side, everything up to and
    /// including this place. → `Done`
    MarkShown {
        /// Place of the last message.
        up_to: InboxId,
    },
}
