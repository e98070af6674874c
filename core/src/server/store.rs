//! Store operations and their outcomes.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::frame::StoreError;
use crate::ids::{Phone, UserId, UserRef};
use crate::keys::{PublicKey, WrappedKey};
use crate::time::Timestamp;
use crate::wire::{ItemId, Packet};

/// One operation, durable as a whole or without any effect.
#[derive(Clone, Debug)]
pub enum StoreOp {
    /// Make an account. Ids start at 1, grow, and are never given twice, not even after a user is
    /// deleted. → [`StoreReply::Created`]
    CreateUser {
        /// Must not be registered yet.
        phone: Phone,
        /// The user's only key.
        public_key: PublicKey,
        /// The first session's key, wrapped.
        aes_key: WrappedKey,
        /// When.
        at: Timestamp,
        /// The largest id that the deployment's profile carries.
        max_id: u64,
    },
    /// Look a user up. → [`StoreReply::Found`]
    FindUser(UserRef),
    /// Accept a reconnect: `at` must be strictly newer than that of the user's last one, if there
    /// was one. → [`StoreReply::ReconnectRecorded`]
    RecordReconnect {
        /// Who reconnects.
        user: UserId,
        /// The timestamp of the 106.
        at: Timestamp,
        /// The new session's key, wrapped.
        aes_key: WrappedKey,
    },
    /// How many items a mailbox holds. → [`StoreReply::Counted`]
    Count(UserId),
    /// Append packets to one mailbox, in order. → [`StoreReply::Appended`], one for each packet.
    ///
    /// Once a message is refused with [`Appended::MailboxFull`], later ones of the same sender in
    /// this operation are refused as well, so that none overtakes another.
    Append {
        /// Whose mailbox.
        recipient: UserId,
        /// Messages (102) and receipts (203), all addressed to `recipient`.
        packets: Vec<Packet>,
        /// When, for the retention time.
        at: Timestamp,
    },
    /// Read a mailbox, oldest first. → [`StoreReply::Page`]
    Page {
        /// Whose mailbox.
        recipient: UserId,
        /// Only what stands behind this place; [`Seq::START`] for everything.
        after: Seq,
        /// How much at most.
        limit: PageLimit,
    },
    /// A reader acknowledged stored messages: delete them, and append the receipt that says so to
    /// their sender's mailbox, in one transaction. → [`StoreReply::Settled`]
    Settle(Settlement),
    /// A user has taken receipts: delete them. → [`StoreReply::ReceiptsDropped`]
    DropReceipts {
        /// Whose mailbox.
        recipient: UserId,
        /// Items of kind [`ItemKind::Receipt`].
        receipts: Vec<ItemId>,
    },
    /// Delete what was appended before `before`, at most `limit` items. → [`StoreReply::Expired`]
    Expire {
        /// Retention reaches back to here.
        before: Timestamp,
        /// So that one operation stays short.
        limit: u32,
    },
}

/// What a reader's acknowledgement does to the store.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The reader, whose mailbox holds the messages.
    pub recipient: UserId,
    /// Items of kind [`ItemKind::Message`], all of one sender. Those already gone are no error.
    pub delivered: Vec<ItemId>,
    /// The reader's packet, for the sender's mailbox. A receipt is stored whatever the quota says,
    /// and once: a repeat of the same (reader, `receipt_id`) is ignored. A sender who is no longer
    /// registered gets none.
    pub receipt: Packet,
    /// When.
    pub at: Timestamp,
}

/// The outcome of one operation.
pub type StoreOutcome = Result<StoreReply, StoreError>;

/// What an operation that succeeded answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreReply {
    /// To [`StoreOp::CreateUser`].
    Created(CreateOutcome),
    /// To [`StoreOp::FindUser`]: `None` if nobody is registered there.
    Found(Option<Box<User>>),
    /// To [`StoreOp::RecordReconnect`].
    ReconnectRecorded(ReconnectOutcome),
    /// To [`StoreOp::Count`].
    Counted(u32),
    /// To [`StoreOp::Append`]: one for each packet, in order.
    Appended(Vec<Appended>),
    /// To [`StoreOp::Page`].
    Page(Page),
    /// To [`StoreOp::Settle`].
    Settled,
    /// To [`StoreOp::DropReceipts`].
    ReceiptsDropped,
    /// To [`StoreOp::Expire`]: how many items went.
    Expired(u32),
}

/// The outcome of [`StoreOp::CreateUser`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The account exists, with this id.
    Created(UserId),
    /// Somebody has this phone number.
    PhoneTaken,
    /// Every id up to the largest was given.
    NoIdLeft,
}

/// The outcome of [`StoreOp::RecordReconnect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconnectOutcome {
    /// Recorded.
    Recorded,
    /// Not newer than the last accepted one.
    NotNewer,
    /// The user was deleted meanwhile.
    UnknownUser,
}

/// The outcome for one packet of [`StoreOp::Append`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is stored.
    Stored,
    /// A message with this sender and id, or a receipt with this reader and id, was stored before;
    /// the first one stands.
    Duplicate,
    /// The mailbox's quota is used up. Never said of a receipt.
    MailboxFull,
    /// Nobody has this id.
    UnknownUser,
}

/// A registered user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Never given to anyone else.
    pub id: UserId,
    /// Unique.
    pub phone: Phone,
    /// The only key.
    pub public_key: PublicKey,
    /// The timestamp of the last accepted 106, or of the account.
    pub last_seen: Timestamp,
}

/// A place in the order of one mailbox. Grows with every append; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seq(pub u64);

impl Seq {
    /// Before everything.
    pub const START: Self = Self(0);
}

/// How much a page may hold. At least one item comes, however large, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit {
    /// Items at most.
    pub items: u32,
    /// Bytes of packets at most.
    pub bytes: u32,
}

/// A stretch of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In order.
    pub items: Vec<StoredItem>,
    /// More stands behind the last item.
    pub more: bool,
}

/// One item of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredItem {
    /// Its place.
    pub seq: Seq,
    /// The packet, byte for byte as it arrived.
    pub packet: Packet,
}
