//! What the machine waits for, one struct each, holding exactly what it goes on with.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::mailbox::Start;
use super::registration::LiveOtp;
use super::session::Standing;
use crate::crypto::FreshSession;
use crate::frame::Slot;
use crate::frame::legacy::Pending;
use crate::ids::{ConnId, Phone, UserId};
use crate::keys::{PublicKey, SymmetricKey};
use crate::server::store::{Settlement, User};
use crate::wire::{FromClient, InReplyTo, ItemId, Packet, ReconnectRequest};

/// Everything that can be under way. The names say what is awaited.
#[derive(Debug)]
pub(super) enum Await {
    // Before a session.
    ServerKey,
    RegisterOpened(AwaitRegisterOpened),
    RegistrantFound(AwaitRegistrantFound),
    ConfirmOpened(AwaitConfirmOpened),
    UserCreated(Box<AwaitUserCreated>),
    ReconnectorFound(AwaitReconnectorFound),
    ReconnectOpened(AwaitReconnectOpened),
    ReconnectorFoundByPhone(Box<AwaitReconnectorFoundByPhone>),
    ReconnectVerified(Box<Reconnecting>),
    Resumed(Box<Pending<Reconnecting>>),
    Counted(Box<Reconnecting>),
    Granted(Box<AwaitGranted>),
    // In a session.
    Checked(AwaitChecked),
    LookedUp(AwaitLookedUp),
    // Mailboxes.
    Append(AwaitAppend),
    Page(AwaitPage),
    Settled(AwaitSettled),
    ReceiptsDropped(AwaitReceiptsDropped),
    Expired,
    // Packets being made.
    Reply(AwaitReply),
    AckSealed { conn: ConnId },
    NoMoreMessages { conn: ConnId, user: UserId },
}

/// A request before a session, as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) conn: ConnId,
    pub(super) packet: Packet,
}

#[derive(Debug)]
pub(super) struct AwaitRegisterOpened {
    pub(super) request: Request,
}

#[derive(Debug)]
pub(super) struct AwaitRegistrantFound {
    pub(super) request: Request,
    pub(super) reply_key: SymmetricKey,
    pub(super) phone: Phone,
}

#[derive(Debug)]
pub(super) struct AwaitConfirmOpened {
    pub(super) request: Request,
    pub(super) public_key: PublicKey,
}

#[derive(Debug)]
pub(super) struct AwaitUserCreated {
    pub(super) request: Request,
    pub(super) reply_key: SymmetricKey,
    pub(super) phone: Phone,
    pub(super) public_key: PublicKey,
    pub(super) session: FreshSession,
    /// The password that was right; it is good again if the store fails.
    pub(super) otp: LiveOtp,
}

#[derive(Debug)]
pub(super) struct AwaitReconnectorFound {
    pub(super) request: Request,
}

#[derive(Debug)]
pub(super) struct AwaitReconnectOpened {
    pub(super) request: Request,
    /// Whose signature was checked with the opening; `None` if the request names no id.
    pub(super) user: Option<Box<User>>,
}

#[derive(Debug)]
pub(super) struct AwaitReconnectorFoundByPhone {
    pub(super) request: Request,
    pub(super) opened: ReconnectRequest,
    pub(super) session: FreshSession,
}

/// A 106 whose sender is known.
#[derive(Debug)]
pub(super) struct Reconnecting {
    pub(super) request: Request,
    pub(super) reply_key: SymmetricKey,
    pub(super) user: Box<User>,
    pub(super) session: FreshSession,
}

#[derive(Debug)]
pub(super) struct AwaitGranted {
    pub(super) conn: ConnId,
    pub(super) user: UserId,
    pub(super) public_key: PublicKey,
    pub(super) session_key: SymmetricKey,
    pub(super) start: Start,
}

#[derive(Debug)]
pub(super) struct AwaitChecked {
    pub(super) conn: ConnId,
    pub(super) slot: Slot,
    pub(super) inbound: FromClient,
    pub(super) standing: Standing,
}

#[derive(Debug)]
pub(super) struct AwaitLookedUp {
    pub(super) conn: ConnId,
    pub(super) in_reply_to: InReplyTo,
}

#[derive(Debug)]
pub(super) struct AwaitAppend {
    pub(super) recipient: UserId,
    pub(super) packets: Pending<Vec<Packet>>,
}

#[derive(Debug)]
pub(super) struct AwaitPage {
    pub(super) owner: UserId,
    pub(super) conn: ConnId,
}

#[derive(Debug)]
pub(super) struct AwaitSettled {
    pub(super) settlement: Settlement,
    /// Whose messages they were, who gets the receipt.
    pub(super) sender: UserId,
}

#[derive(Debug)]
pub(super) struct AwaitReceiptsDropped {
    pub(super) recipient: UserId,
    pub(super) keys: Vec<ItemId>,
}

#[derive(Debug)]
pub(super) struct AwaitReply {
    pub(super) conn: ConnId,
    pub(super) then: AfterReply,
}

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterReply {
    /// Go on.
    Stay,
    /// The next request before a session may come.
    NextRequest,
    /// Close the connection.
    Close,
}
