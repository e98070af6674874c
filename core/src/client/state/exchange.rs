//! One request before a session, and its answer.

use super::account::ReconnectDate;
use crate::client::notice::Suspicion;
use crate::crypto::{Grant, RequestKind};
use crate::frame::{Durable, Signed, Verified};
use crate::ids::UserId;
use crate::keys::{Fingerprint, SymmetricKey};
use crate::wire::{
    InReplyTo, Invitation, Malformed, Otp, Packet, RequestHash, SessionResumed, Violation,
};

/// A request, with the values that it is made from.
#[derive(Debug)]
pub(in crate::client) enum Request {
    /// A 100.
    Register(Option<Invitation>),
    /// A 101.
    Confirm(Otp),
    /// A 106. Its date is durable before it leaves, or it might be used again after a crash, and
    /// would be refused as a replay.
    Reconnect(Durable<ReconnectDate>),
}

/// A request under way.
#[derive(Debug)]
pub(in crate::client) struct Exchange {
    kind: RequestKind,
    /// Key that the answer is sealed with, unless it is a grant.
    reply_key: SymmetricKey,
    /// Our user id, if the request names it.
    named: Option<UserId>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// The request is being made.
    AwaitRequest,
    /// The request was sent.
    ExpectAnswer(RequestHash),
    /// The answer is being verified and opened.
    AwaitAnswer(RequestHash),
}

/// A 201 or 206.
#[derive(Debug)]
pub(in crate::client) struct GrantPacket {
    pub(in crate::client) packet: Packet,
    /// User to whom the session is granted.
    pub(in crate::client) user: UserId,
}

/// The right to a session: granted by the server, in answer to our own last request. Only
/// [`Exchange::accept`] makes one.
#[derive(Debug)]
pub(in crate::client) struct Granted {
    user: UserId,
    session_key: SymmetricKey,
    pending: Option<u32>,
    successor: Option<Fingerprint>,
}

impl Request {
    pub(in crate::client) const fn kind(&self) -> RequestKind {
        match self {
            Self::Register(_) => RequestKind::Register,
            Self::Confirm(_) => RequestKind::Confirm,
            Self::Reconnect(_) => RequestKind::Reconnect,
        }
    }
}

impl Exchange {
    pub(in crate::client) const fn new(
        kind: RequestKind,
        reply_key: SymmetricKey,
        named: Option<UserId>,
    ) -> Self {
        Self { kind, reply_key, named, stage: Stage::AwaitRequest }
    }

    pub(in crate::client) const fn kind(&self) -> RequestKind {
        self.kind
    }

    pub(in crate::client) const fn reply_key(&self) -> &SymmetricKey {
        &self.reply_key
    }

    /// The request was sent.
    pub(in crate::client) const fn sent(&mut self, request: RequestHash) {
        self.stage = Stage::ExpectAnswer(request);
    }

    pub(in crate::client) const fn expects_answer(&self) -> bool {
        matches!(self.stage, Stage::ExpectAnswer(_))
    }

    /// An answer has arrived, and is to be verified and opened. No other is taken meanwhile.
    pub(in crate::client) const fn answer_arrived(&mut self) {
        if let Stage::ExpectAnswer(request) = self.stage {
            self.stage = Stage::AwaitAnswer(request);
        }
    }

    /// The request whose answer is being opened.
    pub(in crate::client) fn awaits_answer(&self) -> Option<InReplyTo> {
        match self.stage {
            Stage::AwaitAnswer(request) => Some(request.in_reply_to()),
            Stage::AwaitRequest | Stage::ExpectAnswer(_) => None,
        }
    }

    /// Accepts a grant if it names the whole request that was sent, and the user that the request
    /// names, if it names one. The server's signature alone
    /// does not prove this: somebody on the path could replay an old grant whose key they have
    /// learnt.
    pub(in crate::client) fn accept(
        &self,
        packet: Verified<GrantPacket>,
        grant: Grant,
    ) -> Result<Granted, Suspicion> {
        let Stage::AwaitAnswer(request) = self.stage else { return Err(Suspicion::UnaskedAnswer) };
        if grant.request_hash != request.0 {
            return Err(Suspicion::UnaskedAnswer);
        }
        let bad_packet = |_: Malformed| Suspicion::BadPacket(Violation::Malformed);
        let resumed = grant.sealed.as_ref().map(|sealed| SessionResumed::parse(sealed.expose()));
        let pending = resumed.transpose().map_err(bad_packet)?.map(|resumed| resumed.pending);
        let GrantPacket { user, .. } = packet.into_inner();
        if self.named.is_some_and(|named| named != user) {
            return Err(Suspicion::UnaskedAnswer);
        }
        let Grant { session_key, successor, .. } = grant;
        Ok(Granted { user, session_key, pending, successor })
    }
}

impl Granted {
    pub(in crate::client) const fn user(&self) -> UserId {
        self.user
    }

    /// Count of items that the server holds; `None` for a new account.
    pub(in crate::client) const fn pending(&self) -> Option<u32> {
        self.pending
    }

    /// Fingerprint of the successor of the server's key, while there is one.
    pub(in crate::client) const fn successor(&self) -> Option<Fingerprint> {
        self.successor
    }

    pub(in crate::client) fn into_session_key(self) -> SymmetricKey {
        self.session_key
    }
}

impl Signed for GrantPacket {
    fn packet(&self) -> &Packet {
        &self.packet
    }

    fn into_packet(self) -> Packet {
        self.packet
    }
}
