//! A session: packets come in, are verified and opened in any order, and take effect in the order
//! in which they arrived, for each party that sent them.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use super::awaits::{AwaitJob, opened, verified};
use super::link::{Link, Outgoing, Phase};
use super::notice::{Notice, OfflineReason, Suspicion};
use super::peers::{FromPeer, PeerMessage};
use super::receipts::Receipts;
use super::{Alarm, Client, Signing};
use crate::crypto::{Job, Outcome, Part};
use crate::frame::{InOrder, Slot};
use crate::ids::UserId;
use crate::keys::{Plaintext, SymmetricKey};
use crate::wire::{
    ErrorCode, ErrorForm, ErrorReply, FromServer, Malformed, NoMoreMessages, Op, Packet,
    PublicKeyAnswer, SEALED_ERROR_AT, StoredAck, Violation,
};

/// What lives as long as the session.
#[derive(Debug)]
pub(super) struct Session {
    key: SymmetricKey,
    /// The server's packets.
    server: InOrder<Said>,
    /// Each peer's.
    pub(super) peers: BTreeMap<UserId, InOrder<FromPeer>>,
    /// Packets in all of these.
    arriving: usize,
    /// Those of them that are being verified or opened.
    checking: usize,
    /// Messages whose sender's key is being asked for. Each has its place in `peers`.
    pub(super) parked: BTreeMap<UserId, Vec<PeerMessage>>,
    pub(super) receipts: Receipts,
    leaving: Leaving,
}

/// How far taking leave has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Leaving {
    /// It has not begun.
    No,
    /// What we owe the others goes out first.
    Flushing,
    /// Our 222 is made or sent: nothing goes out after it.
    Said,
}

/// Packets of the server's, by what is done to open them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerPacket {
    Stored,
    PublicKey,
    NoMoreMessages,
    Error,
    Goodbye,
}

/// What the server has said.
#[derive(Debug)]
enum Said {
    Stored(StoredAck),
    PublicKey(PublicKeyAnswer),
    NoMoreMessages(NoMoreMessages),
    Error(ErrorReply),
    Goodbye,
}

impl Session {
    pub(super) fn begin_leaving(&mut self) {
        if self.leaving == Leaving::No {
            self.leaving = Leaving::Flushing;
        }
    }

    /// What we owe the others goes out, and nothing else is begun.
    pub(super) fn is_flushing(&self) -> bool {
        self.leaving == Leaving::Flushing
    }

    /// How many packets are being verified or opened.
    pub(super) const fn checking(&self) -> usize {
        self.checking
    }

    /// How many packets wait for another one of their sender's, or for its key.
    pub(super) const fn waiting(&self) -> usize {
        self.arriving.saturating_sub(self.checking)
    }

    /// A packet is given to a job.
    pub(super) const fn begin_check(&mut self) {
        self.checking += 1;
    }

    /// A job has ended.
    pub(super) const fn end_check(&mut self) {
        self.checking = self.checking.saturating_sub(1);
    }

    /// Takes the next place in the order of a peer's packets.
    pub(super) fn push_from(&mut self, peer: UserId) -> Slot {
        self.arriving += 1;
        self.peers.entry(peer).or_insert_with(InOrder::new).push()
    }

    /// The next packet of a peer's whose turn it is.
    pub(super) fn pop_from(&mut self, peer: UserId) -> Option<FromPeer> {
        let lane = self.peers.get_mut(&peer)?;
        let popped = lane.pop_ready();
        if lane.len() == 0 {
            self.peers.remove(&peer);
        }
        self.arriving = self.arriving.saturating_sub(usize::from(popped.is_some()));
        popped
    }

    fn pop_said(&mut self) -> Option<Said> {
        let said = self.server.pop_ready()?;
        self.arriving = self.arriving.saturating_sub(1);
        Some(said)
    }
}

impl Link {
    pub(super) fn session(&mut self) -> Option<&mut Session> {
        let Self::Up(connection) = self else { return None };
        match &mut connection.phase {
            Phase::Session(session) => Some(session),
            Phase::Fresh
            | Phase::ExpectServerKey(_)
            | Phase::AwaitServerKey
            | Phase::AwaitReconnectTime
            | Phase::Exchange(_) => None,
        }
    }

    /// The session, if packets can be sent in it, and taking leave has come no further than this.
    pub(super) fn open_session(&mut self, at_most: Leaving) -> Option<&mut Session> {
        let Self::Up(connection) = &self else { return None };
        if connection.outgoing != Outgoing::Flows {
            return None;
        }
        self.session().filter(|session| session.leaving <= at_most)
    }
}

impl Client {
    pub(super) fn begin_session(&mut self, key: SymmetricKey) {
        let session = Session {
            key,
            server: InOrder::new(),
            peers: BTreeMap::new(),
            arriving: 0,
            checking: 0,
            parked: BTreeMap::new(),
            receipts: Receipts::default(),
            leaving: Leaving::No,
        };
        self.set_phase(Phase::Session(session));
        let at = self.now.mono + self.config.limits.stable_after;
        self.timers.arm(Alarm::Stable, at);
    }

    pub(super) fn session(&mut self) -> Option<&mut Session> {
        self.link.session()
    }

    /// A packet in a session: has it verified and opened.
    pub(super) fn on_session_packet(&mut self, packet: Packet) {
        let user = self.account.user;
        match FromServer::parse(packet) {
            Ok(from_server) if from_server.packet().header().recipient != user => {
                self.fault(Suspicion::BadPacket(Violation::Malformed));
            }
            Ok(FromServer::Message { packet, sender, message_id, .. }) => {
                self.on_peer_message(packet, sender, message_id);
            }
            Ok(FromServer::Receipt { packet, recipient: reader, receipt }) => {
                self.on_peer_receipt(packet, reader, receipt);
            }
            Ok(FromServer::Stored(packet)) => self.open_said(packet, ServerPacket::Stored, 0),
            Ok(FromServer::PublicKey(packet)) => self.open_said(packet, ServerPacket::PublicKey, 0),
            Ok(FromServer::NoMoreMessages(packet)) => {
                self.open_said(packet, ServerPacket::NoMoreMessages, 0);
            }
            Ok(FromServer::Error { packet, form: ErrorForm::SessionKey }) => {
                self.open_said(packet, ServerPacket::Error, SEALED_ERROR_AT);
            }
            Ok(FromServer::Disconnect(packet)) => self.verify_goodbye(packet),
            Ok(
                FromServer::Error { form: ErrorForm::Clear | ErrorForm::ReplyKey, .. }
                | FromServer::ServerKey { .. }
                | FromServer::OtpIssued(_)
                | FromServer::RegistrationRejected(_)
                | FromServer::SessionIssued { .. }
                | FromServer::SessionResumed { .. },
            )
            | Err(_) => self.fault(Suspicion::BadPacket(Violation::Malformed)),
        }
    }

    fn open_said(&mut self, packet: Packet, kind: ServerPacket, at: usize) {
        let Some(signer) = self.account.server_key.clone() else { return };
        let Some(session) = self.session() else { return };
        session.arriving += 1;
        session.begin_check();
        let (slot, key) = (session.server.push(), session.key.clone());
        let job = Job::OpenSealed { packet, signer, key, at };
        self.compute(job, AwaitJob::FromServer(slot, kind));
    }

    fn verify_goodbye(&mut self, packet: Packet) {
        let Some(signer) = self.account.server_key.clone() else { return };
        let Some(session) = self.session() else { return };
        session.arriving += 1;
        session.begin_check();
        let slot = session.server.push();
        let job = Job::Verify { packet, signer };
        self.compute(job, AwaitJob::FromServer(slot, ServerPacket::Goodbye));
    }

    pub(super) fn on_said(&mut self, slot: Slot, kind: ServerPacket, outcome: Outcome) {
        let Some(session) = self.session() else { return };
        session.end_check();
        match read(kind, outcome) {
            Ok(said) => session.server.complete(slot, said),
            Err(suspicion) => return self.fault(suspicion),
        }
        while let Some(said) = self.session().and_then(Session::pop_said) {
            self.take_in(said);
        }
    }

    fn take_in(&mut self, said: Said) {
        match said {
            Said::Stored(ack) => self.on_stored(ack),
            Said::PublicKey(answer) => self.on_key_answer(answer),
            Said::NoMoreMessages(NoMoreMessages { drained }) => {
                self.notify(Notice::CaughtUp { drained });
            }
            Said::Error(reply) => self.on_session_error(&reply),
            Said::Goodbye => {
                let wished = !self.goal.needs_link();
                self.lose(if wished { OfflineReason::Wished } else { OfflineReason::Lost });
            }
        }
    }

    fn on_session_error(&mut self, reply: &ErrorReply) {
        if reply.code == ErrorCode::ClockSkew {
            self.learn_clock(reply.server_time);
        }
        if self.lookups.who(reply.in_reply_to).is_some() {
            self.on_lookup_refused(reply);
        } else if let Some((id, _)) = self.outbox.in_flight(reply.in_reply_to) {
            self.on_message_refused(id, reply);
        } else if reply.code == ErrorCode::ClockSkew {
            // It answers a receipt, and what that was for the server asks for again in a new session.
            return self.lose(OfflineReason::Refused(reply.code));
        }
        if reply.code == ErrorCode::Displaced {
            self.leave(OfflineReason::Displaced);
        } else if reply.code.closes() {
            self.lose(OfflineReason::Refused(reply.code));
        }
    }

    /// A part sealed with the session's key, in a packet to the server.
    pub(super) fn emit_sealed(&mut self, op: Op, plaintext: Plaintext, awaits: AwaitJob) {
        let Some(key) = self.session().map(|session| session.key.clone()) else { return };
        let header = self.header_to_server(op, self.account.user, None);
        self.emit(header, vec![Part::Sealed { key, plaintext }], Signing::Signed, awaits);
    }

    /// Takes leave once everything that is under way has been dealt with.
    pub(super) fn say_goodbye(&mut self) {
        let Some(session) = self.link.open_session(Leaving::Flushing) else { return };
        let idle = session.arriving == 0 && session.receipts.is_idle();
        if !session.is_flushing() || !idle || self.inbox.storing() > 0 || self.marks_delivered() {
            return;
        }
        if let Some(session) = self.session() {
            session.leaving = Leaving::Said;
        }
        let header = self.header_to_server(Op::Disconnect, self.account.user, None);
        self.emit(header, Vec::new(), Signing::Signed, AwaitJob::Goodbye);
    }
}

/// What a packet of the server's says, once it is opened.
fn read(kind: ServerPacket, outcome: Outcome) -> Result<Said, Suspicion> {
    let bad_packet = |_: Malformed| Suspicion::BadPacket(Violation::Malformed);
    if kind == ServerPacket::Goodbye {
        return match verified(&outcome) {
            Ok(()) => Ok(Said::Goodbye),
            Err(_) => Err(Suspicion::BadServerSignature),
        };
    }
    let open = opened(outcome).map_err(|_| Suspicion::BadServerSignature)?;
    let bytes = open.expose();
    match kind {
        ServerPacket::Stored => StoredAck::parse(bytes).map(Said::Stored),
        ServerPacket::PublicKey => PublicKeyAnswer::parse(bytes).map(Said::PublicKey),
        ServerPacket::NoMoreMessages => NoMoreMessages::parse(bytes).map(Said::NoMoreMessages),
        ServerPacket::Error => ErrorReply::parse(bytes).map(Said::Error),
        ServerPacket::Goodbye => Ok(Said::Goodbye),
    }
    .map_err(bad_packet)
}
