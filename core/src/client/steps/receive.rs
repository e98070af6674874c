//! Receiving: from bytes to packets, and what the server says in a session.

use core::time::Duration;

use crate::client::Client;
use crate::client::awaits::AwaitJob;
use crate::client::notice::{Notice, OfflineReason, Suspicion};
use crate::client::state::link::Phase;
use crate::client::state::server_clock::ClockTrust;
use crate::client::state::server_packet::{Said, SealedKind, SealedPacket};
use crate::client::state::session::Session;
use crate::frame::{Judged, Slot, Unverified};
use crate::ids::ConnId;
use crate::keys::Plaintext;
use crate::wire::{
    ErrorCode, ErrorForm, ErrorReply, FromServer, NoMoreMessages, Packet, SEALED_ERROR_AT,
    Violation,
};

impl Client {
    pub(in crate::client) fn on_bytes(&mut self, conn: ConnId, data: &[u8]) {
        let Some(connection) = self.link.connection_mut() else { return };
        if connection.id() != conn {
            return;
        }
        if let Err(violation) = connection.read(self.now.mono, data) {
            self.fault(Suspicion::BadPacket(violation));
        }
    }

    /// Handles packets as far as the phase takes them, gives up a connection that has ended once
    /// nothing that arrived on it is under way, and tells the host whether to read on.
    pub(in crate::client) fn work_off(&mut self) {
        let (limit, waiting_limit) = (self.config.limits.arriving, self.config.limits.waiting);
        // The connection is looked up for each packet: any of them may end it.
        loop {
            let storing = self.storing();
            let Some(connection) = self.link.connection_mut() else { break };
            let Some(packet) = connection.next_packet(limit, storing) else { break };
            self.on_packet(packet);
        }
        if self.link.session().is_some_and(|session| session.waiting() > waiting_limit) {
            return self.lose(OfflineReason::Local);
        }
        let storing = self.storing();
        let Some(connection) = self.link.connection_mut() else { return };
        if connection.sends_to().is_none() {
            if !self.out.jobs().any(AwaitJob::is_inbound) {
                self.down(OfflineReason::Lost, Duration::ZERO);
            }
            return;
        }
        let conn = connection.id();
        if let Some(flow) = connection.flow_change(limit, storing) {
            self.out.flow(conn, flow);
        }
    }

    /// Count of what has arrived and waits for the store.
    fn storing(&self) -> usize {
        self.inbox.undurable() + self.unrecorded.refusals()
    }

    fn on_packet(&mut self, packet: Packet) {
        let Some(connection) = self.link.connection() else { return };
        match connection.phase() {
            Phase::ExpectServerKey(..) => self.on_server_key_packet(packet),
            Phase::Exchange(_) => self.on_answer_packet(packet),
            Phase::Session(_) => self.on_session_packet(packet),
            // In these phases no packet is taken.
            Phase::Fresh
            | Phase::AwaitServerKeyRequest
            | Phase::AwaitServerKey
            | Phase::AwaitReconnectDate => {}
        }
    }

    /// A packet in a session: has it verified and opened.
    fn on_session_packet(&mut self, packet: Packet) {
        let user = self.account.user();
        match FromServer::parse(packet) {
            Ok(from_server) if from_server.packet().header().recipient != user => {
                self.fault(Suspicion::BadPacket(Violation::Malformed));
            }
            Ok(FromServer::Message { packet, sender, message_id, .. }) => {
                self.on_peer_message(packet, sender, message_id);
            }
            Ok(FromServer::Receipt { packet, recipient, receipt }) => {
                self.on_peer_receipt(packet, recipient, receipt);
            }
            Ok(FromServer::Stored(packet)) => self.open_sealed(packet, SealedKind::Stored, 0),
            Ok(FromServer::PublicKey(packet)) => self.open_sealed(packet, SealedKind::PublicKey, 0),
            Ok(FromServer::NoMoreMessages(packet)) => {
                self.open_sealed(packet, SealedKind::NoMoreMessages, 0);
            }
            Ok(FromServer::Error { packet, form: ErrorForm::SessionKey }) => {
                self.open_sealed(packet, SealedKind::Error, SEALED_ERROR_AT);
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

    fn open_sealed(&mut self, packet: Packet, kind: SealedKind, at: usize) {
        let Some(signer) = self.account.server_key().cloned() else { return };
        let Some(session) = self.link.session_mut() else { return };
        let (slot, key) = (session.begin_server_packet(), session.key().clone());
        let (job, packet) = Unverified::open_sealed(SealedPacket { packet, kind }, signer, key, at);
        self.out.compute(job, AwaitJob::ServerPacket(slot, packet));
    }

    fn verify_goodbye(&mut self, packet: Packet) {
        let Some(signer) = self.account.server_key().cloned() else { return };
        let Some(session) = self.link.session_mut() else { return };
        let slot = session.begin_server_packet();
        let (job, packet) = Unverified::verify(packet, signer);
        self.out.compute(job, AwaitJob::ServerGoodbye(slot, packet));
    }

    pub(in crate::client) fn on_server_packet_opened(
        &mut self,
        slot: Slot,
        judged: Judged<SealedPacket, Plaintext>,
    ) {
        let said = match judged {
            Ok((packet, opened)) => Said::read(&packet, &opened),
            Err(_) => Err(Suspicion::BadServerSignature),
        };
        self.on_said(slot, said);
    }

    pub(in crate::client) fn on_server_goodbye_verified(
        &mut self,
        slot: Slot,
        judged: Judged<Packet, ()>,
    ) {
        let said = judged.map(|_| Said::Goodbye).map_err(|_| Suspicion::BadServerSignature);
        self.on_said(slot, said);
    }

    /// A packet of the server was verified. It takes effect after every packet that arrived before
    /// it.
    fn on_said(&mut self, slot: Slot, said: Result<Said, Suspicion>) {
        let Some(session) = self.link.session_mut() else { return };
        match said {
            Ok(said) => session.server_packet_verified(slot, said),
            Err(suspicion) => return self.fault(suspicion),
        }
        // The session is looked up for each: any of them may end it.
        while let Some(said) = self.link.session_mut().and_then(Session::next_said) {
            self.take_in(said);
        }
    }

    fn take_in(&mut self, said: Said) {
        match said {
            Said::Stored(ack) => self.on_stored_ack(ack),
            Said::PublicKey(answer) => self.on_key_answer(answer),
            Said::NoMoreMessages(NoMoreMessages { drained }) => {
                self.out.notify(Notice::CaughtUp { drained });
            }
            Said::Error(reply) => self.on_session_error(&reply),
            Said::Goodbye => {
                let requested = !self.goal.needs_link();
                let reason = if requested { OfflineReason::Requested } else { OfflineReason::Lost };
                self.lose(reason);
            }
        }
    }

    fn on_session_error(&mut self, reply: &ErrorReply) {
        self.tell_unknown_error(reply);
        // Before anything else: what is asked again is dated by the corrected clock.
        if reply.code == ErrorCode::ClockSkew
            && self.adopt_clock(reply.server_time) == ClockTrust::Refused
        {
            return;
        }
        if self.lookups.who(reply.in_reply_to).is_some() {
            self.on_lookup_refused(reply);
        } else if let Some((id, _)) = self.outbox.in_flight(reply.in_reply_to) {
            self.on_message_refused(id, reply);
        } else if reply.code == ErrorCode::UnknownUser {
            self.on_stored_message_refused(reply.in_reply_to);
        } else if reply.code == ErrorCode::ClockSkew {
            // It refuses a receipt, or a *taken* acknowledgement, of which we keep no copy. In a
            // new session the server asks for both again.
            return self.lose(OfflineReason::Refused(reply.code));
        }
        if reply.code == ErrorCode::Displaced {
            self.leave(OfflineReason::Displaced);
        } else if reply.code.closes() {
            let pause = self.named_pause(reply.retry_after_secs.into());
            self.lose_for(OfflineReason::of_error(reply.code), pause);
        }
    }
}
