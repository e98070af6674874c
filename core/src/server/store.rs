//! What the server asks of its store, and what the store answers.
//!
//! Operations are intentions, never SQL. Each is idempotent unless it says otherwise: repeated after
//! a crash or a lost answer, it changes nothing more. The trait that carries them out is in `sealpost-storage`.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use crate::frame::StoreError;
use crate::ids::{Phone, UserId, UserRef};
use crate::keys::{PublicKey, WrappedKey};
use crate::server::limits::packet_memory;
use crate::time::Timestamp;
use crate::wire::{InReplyTo, InvitationHash, ItemId, Packet, SIGNATURE_LEN};

/// One operation. It is durable as a whole, or has no effect. In a store that several servers share, a
/// crash may leave part of it, which does no harm and is completed when the operation is repeated.
#[derive(Clone, Debug)]
pub enum StoreOp {
    /// Creates an account. Ids start at 1, grow, and are never given twice, not even after a user
    /// is deleted. Uses up an invitation, if one is named, together with that.
    /// → [`StoreReply::Created`]
    CreateUser {
        /// The phone number, which must not be registered yet.
        phone: Phone,
        /// The user's only key.
        public_key: PublicKey,
        /// The first session's key, wrapped.
        aes_key: WrappedKey,
        /// The time of the registration.
        at: Timestamp,
        /// The largest id that the deployment's profile carries.
        max_id: u64,
        /// The invitation that vouches for the phone number, of which one use is taken.
        invitation: Option<PresentedInvitation>,
    },
    /// Looks whether an invitation is good for a phone number, and changes nothing.
    /// → [`StoreReply::InvitationChecked`]
    CheckInvitation {
        /// The invitation.
        invitation: PresentedInvitation,
        /// The phone number to be registered.
        phone: Phone,
    },
    /// Looks a user up. → [`StoreReply::Found`]
    FindUser(UserRef),
    /// Looks a user up by phone for another user, and charges that to the asker's budget of the
    /// day, whether anybody is found or not. Another day, earlier or later, has a new budget. An
    /// asker who is no longer registered finds nobody. → [`StoreReply::LookedUp`]
    ///
    /// Not idempotent: repeated, it is charged again.
    LookUp {
        /// The user who asks.
        asker: UserId,
        /// The phone number asked for.
        phone: Phone,
        /// The day, in days since 1970.
        day: i64,
        /// Look-ups that the asker may make on that day.
        budget: u32,
    },
    /// Looks a user up of whom a message is stored for another one. → [`StoreReply::Found`], `None`
    /// if none is stored. A receipt does not count: anybody could have one sent, by a message.
    FindSender {
        /// The user looked for.
        sender: UserId,
        /// The owner of the mailbox.
        recipient: UserId,
    },
    /// Records the date of a 106, which must be strictly newer than those of the user's earlier
    /// ones up to `horizon`. Dates beyond `horizon` were recorded under a clock that ran ahead: they
    /// don't bind until their time comes, but none of them is ever recorded again.
    /// → [`StoreReply::ReconnectRecorded`]
    RecordReconnect {
        /// The user who reconnects.
        user: UserId,
        /// The timestamp of the 106.
        at: Timestamp,
        /// The latest date that the server's clock accepts now.
        horizon: Timestamp,
        /// The new session's key, wrapped.
        aes_key: WrappedKey,
    },
    /// Counts what waits for a user, whose session is about to begin. → [`StoreReply::SessionBegun`]
    ///
    /// A store that several servers share records that the user is at this one from now on, unless a
    /// later session is on record. It answers when the server that had the user before has been told, or
    /// can't be reached.
    BeginSession {
        /// The user.
        user: UserId,
        /// The place of the session, as in [`ReconnectOutcome::Recorded`].
        place: Seq,
    },
    /// Records that a user has written to others, so that room is kept for them in the user's
    /// mailbox. → [`StoreReply::AnswersRecorded`]
    RecordAnswers {
        /// The user, who owns the mailbox.
        owner: UserId,
        /// Those to whom the user has written.
        peers: Vec<UserId>,
    },
    /// Reads which of a sender's stored messages went with their recipient's account, oldest first.
    /// → [`StoreReply::Undeliverable`]
    Undeliverable {
        /// The sender of the messages.
        sender: UserId,
        /// The most messages.
        limit: u32,
    },
    /// Forgets such messages, of which their sender has been told.
    /// → [`StoreReply::UndeliverableForgotten`]
    ForgetUndeliverable {
        /// The sender of the messages.
        sender: UserId,
        /// Hashes of their packets, cut as in a 244.
        messages: Vec<InReplyTo>,
    },
    /// Appends packets to one mailbox, in order. → [`StoreReply::Appended`], one for each packet.
    ///
    /// Once a message is refused with [`Appended::MailboxFull`] or [`Appended::StoreFull`], later
    /// ones of the same sender in this operation are refused as well, so that none overtakes
    /// another.
    Append {
        /// The owner of the mailbox.
        recipient: UserId,
        /// Messages (102) and receipts (203), all addressed to `recipient`.
        packets: Vec<Packet>,
        /// The time of arrival, from which retention counts.
        at: Timestamp,
    },
    /// Reads a mailbox, oldest item first. → [`StoreReply::Page`]
    Page {
        /// The owner of the mailbox.
        recipient: UserId,
        /// Only items behind this place are read; [`Seq::START`] reads everything.
        after: Seq,
        /// The size of the page.
        limit: PageLimit,
    },
    /// Deletes stored messages that their recipient acknowledged, and appends the receipt to their
    /// sender's mailbox, in one transaction. → [`StoreReply::Settled`]
    Settle(Settlement),
    /// Deletes receipts that their owner has taken. → [`StoreReply::ReceiptsDropped`]
    DropReceipts {
        /// The owner of the mailbox.
        recipient: UserId,
        /// Items of kind [`ItemKind::Receipt`](crate::wire::ItemKind::Receipt).
        receipts: Vec<ItemId>,
    },
    /// Records the server's clock as the newest time on record, unless it is behind that or more
    /// than `max_step` ahead of it. → [`StoreReply::ClockRecorded`]
    RecordClock {
        /// Time on the server's clock.
        clock: Timestamp,
        /// The longest step that is plausible without the operator's word.
        max_step: Duration,
    },
    /// Deletes items that were appended before `before`, and invitations that expired before it; at
    /// most `limit` of both together.
    /// → [`StoreReply::Expired`]
    Expire {
        /// The start of the retention time.
        before: Timestamp,
        /// The most items that are deleted, so that one operation stays short.
        limit: u32,
    },
}

impl StoreOp {
    /// Users whose accounts or mailboxes the operation reads or changes; `None` if it does not name
    /// them all.
    pub fn users(&self) -> Option<Vec<UserId>> {
        match self {
            Self::FindUser(UserRef::Id(user))
            | Self::RecordReconnect { user, .. }
            | Self::BeginSession { user, .. }
            | Self::RecordAnswers { owner: user, .. }
            | Self::Undeliverable { sender: user, .. }
            | Self::ForgetUndeliverable { sender: user, .. }
            | Self::Append { recipient: user, .. }
            | Self::Page { recipient: user, .. }
            | Self::DropReceipts { recipient: user, .. } => Some(vec![*user]),
            Self::FindSender { sender, recipient } => Some(vec![*sender, *recipient]),
            Self::Settle(settlement) => {
                let sender = settlement.receipt.header().recipient;
                Some([Some(settlement.recipient), sender].into_iter().flatten().collect())
            }
            Self::CreateUser { .. }
            | Self::CheckInvitation { .. }
            | Self::FindUser(UserRef::Phone(_))
            | Self::LookUp { .. }
            | Self::RecordClock { .. }
            | Self::Expire { .. } => None,
        }
    }
}

/// What a recipient's acknowledgement does to the store.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The recipient, whose mailbox holds the messages.
    pub recipient: UserId,
    /// Items of kind [`ItemKind::Message`](crate::wire::ItemKind::Message), all of one sender.
    /// Items that are already gone are not an error.
    pub delivered: Vec<ItemId>,
    /// The recipient's packet, for the sender's mailbox. A receipt is stored regardless of the
    /// quota, and only once: a repeat of the same (recipient, `receipt_id`) is ignored. A sender
    /// who is no longer registered gets none.
    pub receipt: Packet,
    /// The time of the settlement, from which the retention of the receipt counts.
    pub at: Timestamp,
}

/// The outcome of one operation.
pub type StoreOutcome = Result<StoreReply, StoreError>;

/// The answer to an operation that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreReply {
    /// Answers [`StoreOp::CreateUser`].
    Created(CreateOutcome),
    /// Answers [`StoreOp::CheckInvitation`].
    InvitationChecked(InvitationOutcome),
    /// Answers [`StoreOp::FindUser`] and [`StoreOp::FindSender`]: `None` if there is no such user.
    Found(Option<Box<User>>),
    /// Answers [`StoreOp::LookUp`].
    LookedUp(LookupOutcome),
    /// Answers [`StoreOp::RecordReconnect`].
    ReconnectRecorded(ReconnectOutcome),
    /// Answers [`StoreOp::BeginSession`].
    SessionBegun(SessionOutcome),
    /// Answers [`StoreOp::RecordAnswers`].
    AnswersRecorded,
    /// Answers [`StoreOp::Undeliverable`]: hashes of the messages' packets, cut as in a 244.
    Undeliverable(Vec<InReplyTo>),
    /// Answers [`StoreOp::ForgetUndeliverable`].
    UndeliverableForgotten,
    /// Answers [`StoreOp::Append`]: the outcome for each packet, in order.
    Appended(Vec<Appended>),
    /// Answers [`StoreOp::Page`].
    Page(Page),
    /// Answers [`StoreOp::Settle`].
    Settled,
    /// Answers [`StoreOp::DropReceipts`].
    ReceiptsDropped,
    /// Answers [`StoreOp::RecordClock`]: the newest time on record, which is the clock's own if it
    /// was plausible.
    ClockRecorded(Timestamp),
    /// Answers [`StoreOp::Expire`]: the count of items and invitations deleted.
    Expired(u32),
}

/// The outcome of [`StoreOp::CreateUser`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The account exists, with this id.
    Created(UserId),
    /// Another user has this phone number.
    PhoneTaken,
    /// The invitation is no longer good for this phone number.
    InvitationRejected,
    /// Every id up to the largest has been given.
    NoIdLeft,
    /// The store's disk is nearly full.
    StoreFull,
}

/// The outcome of [`StoreOp::CheckInvitation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitationOutcome {
    /// The invitation is good for the phone number.
    Good,
    /// It is unknown, used up, expired, revoked or for another number.
    Rejected,
}

/// An invitation that somebody has presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresentedInvitation {
    /// Hash of its code.
    pub hash: InvitationHash,
    /// Time on the server's clock, from which on an invitation that expires then is rejected.
    pub at: Timestamp,
}

/// The outcome of [`StoreOp::LookUp`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupOutcome {
    /// This user has the phone number.
    Found(Box<User>),
    /// Nobody is registered under that phone number.
    NotFound,
    /// The asker's budget of the day is used up. Nobody was looked for.
    OverBudget,
}

/// The outcome of [`StoreOp::RecordReconnect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconnectOutcome {
    /// The date is recorded. This is the place of the 106 among those of the user: a later one has a
    /// higher place, and so has its session, whichever servers they reach. A store of one server says
    /// [`Seq::START`] each time.
    Recorded(Seq),
    /// The date is not newer than the last one that binds, or was recorded before.
    NotNewer,
    /// The user was deleted meanwhile.
    UnknownUser,
    /// The account is suspended. The date is recorded, so that the 106 can't be replayed once the
    /// account is resumed; the session key is not.
    Suspended,
}

/// The outcome for one packet of [`StoreOp::Append`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The packet is stored.
    Stored,
    /// A message of this sender, or a receipt of this recipient, is stored under the same id; the
    /// first one is kept. A store that several servers share looks in this mailbox only.
    Duplicate,
    /// The mailbox is full, or the sender's share of it. Never the answer for a receipt.
    MailboxFull,
    /// The whole store is full, or its disk. Never the answer for a receipt.
    StoreFull,
    /// No user has the id of the mailbox; or the packet is a message of a sender whose account is
    /// gone, which nobody could verify.
    UnknownUser,
}

/// The outcome of [`StoreOp::BeginSession`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionOutcome {
    /// The session may begin. This waits for the user.
    Begun(Waiting),
    /// A later session of the user has begun on another server.
    Overtaken,
}

/// What waits for a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Items in the user's mailbox.
    pub items: u32,
    /// Bytes of the receipts among them.
    pub receipt_bytes: u64,
    /// Messages of the user's that went with their recipient's account.
    pub undeliverable: u32,
}

/// A registered user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The id, never given to anyone else.
    pub id: UserId,
    /// The phone number, unique among users.
    pub phone: Phone,
    /// The user's only key.
    pub public_key: PublicKey,
    /// The date of the last 106 recorded, or of the registration.
    pub last_seen: Timestamp,
}

/// A place in the order of a mailbox. It grows with every append and is never used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seq(pub u64);

impl Seq {
    /// The place before every item.
    pub const START: Self = Self(0);
}

/// The size of a page. A page holds at least one item, however large, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit {
    /// The most items.
    pub items: u32,
    /// The most bytes of packets.
    pub bytes: u32,
}

impl PageLimit {
    /// The part of it that takes no more than this much memory, beside an item that exceeds it
    /// alone. Half of the memory is for what packets take beside their bytes.
    pub(super) fn within(self, memory: usize) -> Self {
        let saturated = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let items = self.items.min(saturated(memory / (2 * packet_memory(0)))).max(1);
        let beside = (items as usize).saturating_mul(packet_memory(0));
        let bytes = self.bytes.min(saturated(memory.saturating_sub(beside))).max(1);
        Self { items, bytes }
    }

    /// The most memory that a page takes, beside an item that exceeds it alone.
    pub(super) const fn memory(self) -> usize {
        let bytes = self.bytes as usize;
        let shortest = bytes / SIGNATURE_LEN + 1;
        let items = if shortest < self.items as usize { shortest } else { self.items as usize };
        bytes + items * packet_memory(0)
    }
}

/// A part of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Items in the order of the mailbox.
    pub items: Vec<StoredItem>,
    /// Whether there are items behind the last one.
    pub more: bool,
}

/// One item of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredItem {
    /// The place in the mailbox.
    pub seq: Seq,
    /// The packet, byte for byte as it arrived.
    pub packet: Packet,
}
