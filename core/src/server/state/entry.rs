//! The right to a session: what a 201 or 206 is granted for.

use alloc::boxed::Box;

use super::otps::IssuedOtp;
use super::sharing::NewSession;
use crate::crypto::FreshSession;
use crate::frame::{Durable, Signed, Verified};
use crate::ids::{ConnId, Phone, UserId};
use crate::keys::{PublicKey, SymmetricKey};
use crate::server::store::{User, Waiting};
use crate::wire::Packet;

/// A request before a session, as it arrived.
#[derive(Clone, Debug)]
pub(in crate::server) struct Request {
    pub(in crate::server) conn: ConnId,
    pub(in crate::server) packet: Packet,
}

/// A 101, with the key that must have signed it.
#[derive(Debug)]
pub(in crate::server) struct Confirming {
    pub(in crate::server) request: Request,
    pub(in crate::server) public_key: PublicKey,
}

/// A 101 with the right one-time password, whose account is being created.
#[derive(Debug)]
pub(in crate::server) struct Registering {
    pub(in crate::server) confirming: Verified<Confirming>,
    pub(in crate::server) reply_key: SymmetricKey,
    pub(in crate::server) phone: Phone,
    pub(in crate::server) session: FreshSession,
    /// The password that was right. It becomes valid again if the store fails.
    pub(in crate::server) otp: IssuedOtp,
}

/// A 106 that its user has signed, whose date is being recorded.
#[derive(Debug)]
pub(in crate::server) struct Reconnecting {
    pub(in crate::server) request: Verified<Request>,
    pub(in crate::server) reply_key: SymmetricKey,
    pub(in crate::server) user: Box<User>,
    pub(in crate::server) session: FreshSession,
}

/// The right to a session. Only two proofs together make one: the request is signed with the user's
/// key, and the account, or the date of the 106, is durable. If the date were not durable, a
/// recorded 106 could be replayed after a crash (PROTOCOL 4.3).
#[derive(Debug)]
pub(in crate::server) enum Entry {
    /// The account is new: a 201 grants the session.
    Registered { registering: Durable<Registering>, user: UserId },
    /// A 206 grants the session, and says how many stored items are pending.
    Reconnected { reconnecting: Durable<Reconnecting>, session: NewSession, waiting: Waiting },
}

impl Request {
    pub(in crate::server) const fn new(conn: ConnId, packet: Packet) -> Self {
        Self { conn, packet }
    }
}

impl Signed for Request {
    fn packet(&self) -> &Packet {
        &self.packet
    }

    fn into_packet(self) -> Packet {
        self.packet
    }
}

impl Signed for Confirming {
    fn packet(&self) -> &Packet {
        &self.request.packet
    }

    fn into_packet(self) -> Packet {
        self.request.packet
    }
}

impl Entry {
    /// The 101 or 106 that is granted.
    pub(in crate::server) const fn request(&self) -> &Request {
        match self {
            Self::Registered { registering, .. } => &registering.get().confirming.get().request,
            Self::Reconnected { reconnecting, .. } => reconnecting.get().request.get(),
        }
    }

    pub(in crate::server) fn user(&self) -> UserId {
        match self {
            Self::Registered { user, .. } => *user,
            Self::Reconnected { reconnecting, .. } => reconnecting.get().user.id,
        }
    }

    /// What is stored for the user; nothing for a new one.
    pub(in crate::server) fn waiting(&self) -> Waiting {
        match self {
            Self::Registered { .. } => Waiting::default(),
            Self::Reconnected { waiting, .. } => *waiting,
        }
    }

    /// The session that is granted. The first one of an account is before all others.
    pub(in crate::server) fn session(&self) -> NewSession {
        match self {
            Self::Registered { .. } => NewSession::default(),
            Self::Reconnected { session, .. } => *session,
        }
    }

    pub(in crate::server) fn public_key(&self) -> &PublicKey {
        match self {
            Self::Registered { registering, .. } => &registering.get().confirming.get().public_key,
            Self::Reconnected { reconnecting, .. } => &reconnecting.get().user.public_key,
        }
    }

    pub(in crate::server) const fn session_key(&self) -> &SymmetricKey {
        match self {
            Self::Registered { registering, .. } => &registering.get().session.key,
            Self::Reconnected { reconnecting, .. } => &reconnecting.get().session.key,
        }
    }
}
