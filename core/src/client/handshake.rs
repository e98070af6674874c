//! From an open connection to a session: the server's key, and one request with its answer.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::awaits::{Answer, AwaitJob, AwaitStore, granted, opened, verified};
use super::link::Phase;
use super::notice::{Notice, OfflineReason, Suspicion};
use super::registration::Goal;
use super::store::ClientOp;
use super::{Alarm, Client};
use crate::crypto::{Draft, EmitError, Grant, Job, Outcome, Part, RequestKind};
use crate::frame::StoreError;
use crate::ids::{ConnId, UserId};
use crate::keys::{Plaintext, PublicKey, SymmetricKey};
use crate::time::Timestamp;
use crate::wire::{
    AccountRequest, ConfirmRequest, ErrorCode, ErrorForm, ErrorReply, FromServer, Header,
    InReplyTo, Malformed, Op, OtpIssued, Packet, RegistrationRejected, RequestHash,
    SEALED_ERROR_AT, SessionResumed, Violation,
};

/// A request before a session, and its answer.
#[derive(Debug)]
pub(super) struct Exchange {
    request: RequestKind,
    /// What the answer is sealed with, unless it is a grant.
    reply_key: SymmetricKey,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// The request is being made.
    AwaitRequest,
    /// It was sent.
    ExpectAnswer(RequestHash),
    /// The answer is being opened.
    AwaitAnswer(RequestHash),
}

impl Exchange {
    pub(super) const fn expects_answer(&self) -> bool {
        matches!(self.stage, Stage::ExpectAnswer(_))
    }
}

impl Client {
    /// A connection has opened: learns who is there, if that is not known, and goes on.
    pub(super) fn greet(&mut self) {
        if self.account.server_key.is_some() {
            return self.run_errand();
        }
        self.ask_server_key(None);
    }

    /// 105 before a session, dated now or as the server wants it.
    fn ask_server_key(&mut self, at: Option<Timestamp>) {
        self.set_phase(Phase::ExpectServerKey(None));
        self.expect_progress();
        let header = self.header_to_server(Op::RequestPublicKey, None, at);
        self.emit(header, Vec::new(), Signing::Unsigned, AwaitJob::ServerKeyRequest);
    }

    pub(super) fn on_server_key_request_made(&mut self, made: Result<Packet, EmitError>) {
        let Ok(packet) = made else { return self.lose(OfflineReason::Local) };
        self.set_phase(Phase::ExpectServerKey(Some(packet.request_hash().in_reply_to())));
        self.send(&packet);
    }

    /// 204 before a session. The key must be the one of the address, and sign for itself.
    pub(super) fn on_server_key(&mut self, packet: Packet) {
        match FromServer::parse(packet) {
            Ok(FromServer::ServerKey { packet, public_key }) => {
                let offered = *public_key.fingerprint();
                if offered != self.account.server {
                    self.notify(Notice::Suspicious(Suspicion::WrongServerKey { offered }));
                    return self.leave(OfflineReason::WrongServer);
                }
                self.set_phase(Phase::AwaitServerKey);
                let signer = public_key.clone();
                self.compute(Job::Verify { packet, signer }, AwaitJob::ServerKey(public_key));
            }
            Ok(FromServer::Error { packet, form: ErrorForm::Clear }) => {
                self.on_server_key_refused(&packet);
            }
            Ok(_) | Err(_) => self.fault(Suspicion::BadPacket(Violation::Malformed)),
        }
    }

    /// A 244 before the server's key is known, so that nobody can tell who says so. If it is our
    /// clock, the key is asked for once more, dated as the answer wants it; no other use is made
    /// of that time. The next request is answered by somebody who signs.
    fn on_server_key_refused(&mut self, packet: &Packet) {
        let Ok(reply) = ErrorReply::parse_clear(packet.payload()) else { return };
        let limit = self.config.limits.clock_corrections;
        let Some(connection) = self.connection() else { return };
        let Phase::ExpectServerKey(Some(asked)) = connection.phase else { return };
        connection.clock_corrections += 1;
        let is_clock = reply.code == ErrorCode::ClockSkew && reply.in_reply_to == asked;
        if !is_clock || connection.clock_corrections > limit {
            return self.lose(OfflineReason::Lost);
        }
        self.ask_server_key(Some(reply.server_time));
    }

    pub(super) fn on_server_key_checked(&mut self, key: PublicKey, outcome: &Outcome) {
        if verified(outcome).is_err() {
            return self.fault(Suspicion::BadServerSignature);
        }
        self.account.server_key = Some(key.clone());
        self.pin(ClientOp::PinServerKey(key));
        self.run_errand();
    }

    /// Makes the request that the goal needs.
    pub(super) fn run_errand(&mut self) {
        self.expect_progress();
        match &self.goal {
            Goal::Offline | Goal::AwaitOtp => self.lose(OfflineReason::Wished),
            Goal::Register => self.request(RequestKind::Register),
            Goal::Confirm(_) => self.request(RequestKind::Confirm),
            Goal::Online | Goal::Recheck(_) => self.record_reconnect_time(),
        }
    }

    /// A 106 is dated strictly after the last one, and that date is durable before it leaves, so
    /// that it stays so after a crash.
    fn record_reconnect_time(&mut self) {
        let at = self.account.next_reconnect(self.now, self.config.limits.reconnect_ahead_secs);
        let Some(connection) = self.connection() else { return };
        connection.phase = Phase::AwaitReconnectTime;
        let conn = connection.id;
        self.store(ClientOp::UseReconnectTime(at), AwaitStore::ReconnectTime(conn, at));
    }

    pub(super) fn on_reconnect_time(
        &mut self,
        conn: ConnId,
        at: Timestamp,
        recorded: Result<(), StoreError>,
    ) {
        self.account.last_reconnect = self.account.last_reconnect.max(Some(at));
        let awaits = self.connection().is_some_and(|connection| {
            connection.id == conn && matches!(connection.phase, Phase::AwaitReconnectTime)
        });
        match recorded {
            Ok(()) if awaits => self.request_at(RequestKind::Reconnect, at),
            Err(_) if awaits => self.lose(OfflineReason::Local),
            Ok(()) | Err(_) => {}
        }
    }

    fn request(&mut self, request: RequestKind) {
        let at = self.account.server_time(self.now);
        self.request_at(request, at);
    }

    fn request_at(&mut self, request: RequestKind, timestamp: Timestamp) {
        let Some(server_key) = self.account.server_key.clone() else { return };
        let reply_key = self.entropy.symmetric_key();
        let Some((op, plaintext)) = self.request_body(request, reply_key.clone()) else {
            return self.run_errand();
        };
        let mut parts = vec![Part::Oaep { to: server_key, label: request.label(), plaintext }];
        let (sender, signing) = match request {
            RequestKind::Register => (None, Signing::Unsigned),
            RequestKind::Confirm => {
                let der = self.config.public_key.der();
                parts.push(Part::Clear(Bytes::copy_from_slice(der)));
                (None, Signing::Signed)
            }
            RequestKind::Reconnect => (self.account.user, Signing::Signed),
        };
        let header = self.header_to_server(op, sender, Some(timestamp));
        let stage = Stage::AwaitRequest;
        self.set_phase(Phase::Exchange(Exchange { request, reply_key, stage }));
        self.emit(header, parts, signing, AwaitJob::Request);
    }

    /// `None` if the goal has changed meanwhile, so that there is no password to send.
    fn request_body(&self, kind: RequestKind, key: SymmetricKey) -> Option<(Op, Plaintext)> {
        let (reply_key, phone) = (key, self.account.phone);
        Some(match (kind, &self.goal) {
            (RequestKind::Register, _) => {
                (Op::Register, AccountRequest { reply_key, phone }.emit())
            }
            (RequestKind::Confirm, Goal::Confirm(otp)) => {
                let fingerprint = *self.config.public_key.fingerprint();
                let otp = otp.clone();
                let request = ConfirmRequest { reply_key, otp, fingerprint, phone };
                (Op::Confirm, request.emit())
            }
            (RequestKind::Confirm, _) => return None,
            (RequestKind::Reconnect, _) => {
                (Op::Reconnect, AccountRequest { reply_key, phone }.emit())
            }
        })
    }

    pub(super) fn on_request_made(&mut self, made: Result<Packet, EmitError>) {
        let Ok(packet) = made else { return self.lose(OfflineReason::Local) };
        let Some(exchange) = self.exchange() else { return };
        exchange.stage = Stage::ExpectAnswer(packet.request_hash());
        if exchange.request == RequestKind::Confirm {
            self.confirm_sent();
        }
        self.expect_progress();
        self.send(&packet);
    }

    /// The answer to a request: verified and opened before it counts.
    pub(super) fn on_answer(&mut self, packet: Packet) {
        let Some(signer) = self.account.server_key.clone() else { return };
        let Some(exchange) = self.exchange() else { return };
        let Stage::ExpectAnswer(hash) = exchange.stage else { return };
        let (request, key) = (exchange.request, exchange.reply_key.clone());
        exchange.stage = Stage::AwaitAnswer(hash);
        match (FromServer::parse(packet), request) {
            (Ok(FromServer::OtpIssued(packet)), RequestKind::Register) => {
                let job = Job::OpenSealed { packet, signer, key, at: 0 };
                self.compute(job, AwaitJob::Answer(Answer::OtpIssued));
            }
            (
                Ok(FromServer::RegistrationRejected(packet)),
                RequestKind::Register | RequestKind::Confirm,
            ) => {
                let job = Job::OpenSealed { packet, signer, key, at: 0 };
                self.compute(job, AwaitJob::Answer(Answer::Rejected));
            }
            (Ok(FromServer::SessionIssued { packet, user }), RequestKind::Confirm)
            | (Ok(FromServer::SessionResumed { packet, user }), RequestKind::Reconnect) => {
                let job = Job::OpenGrant { packet, signer };
                self.compute(job, AwaitJob::Answer(Answer::Granted(user)));
            }
            (Ok(FromServer::Error { packet, form: ErrorForm::Clear }), _) => {
                let job = Job::Verify { packet: packet.clone(), signer };
                self.compute(job, AwaitJob::Answer(Answer::ClearError(packet)));
            }
            (Ok(FromServer::Error { packet, form: ErrorForm::ReplyKey }), _) => {
                let job = Job::OpenSealed { packet, signer, key, at: SEALED_ERROR_AT };
                self.compute(job, AwaitJob::Answer(Answer::Error));
            }
            (Ok(_) | Err(_), _) => self.fault(Suspicion::BadPacket(Violation::Malformed)),
        }
    }

    pub(super) fn on_answer_opened(&mut self, answer: Answer, outcome: Outcome) {
        let Some(exchange) = self.exchange() else { return };
        let Stage::AwaitAnswer(hash) = exchange.stage else { return };
        let request = exchange.request;
        if let Err(suspicion) = self.take_answer(answer, outcome, request, hash) {
            self.fault(suspicion);
        }
    }

    fn take_answer(
        &mut self,
        answer: Answer,
        outcome: Outcome,
        request: RequestKind,
        hash: RequestHash,
    ) -> Result<(), Suspicion> {
        let expect = |in_reply_to: InReplyTo| {
            if in_reply_to == hash.in_reply_to() { Ok(()) } else { Err(Suspicion::UnaskedAnswer) }
        };
        match answer {
            Answer::OtpIssued => {
                let issued = OtpIssued::parse(open(outcome)?.expose()).map_err(bad_packet)?;
                expect(issued.in_reply_to)?;
                self.on_otp_issued(issued);
            }
            Answer::Rejected => {
                let open = open(outcome)?;
                let rejected = RegistrationRejected::parse(open.expose()).map_err(bad_packet)?;
                expect(rejected.in_reply_to)?;
                self.on_phone_registered();
            }
            Answer::Granted(user) => {
                let grant = granted(outcome).map_err(|_| Suspicion::BadServerSignature)?;
                if grant.request_hash != hash.0 {
                    return Err(Suspicion::UnaskedAnswer);
                }
                self.on_granted(user, grant)?;
            }
            Answer::Error => {
                let reply = ErrorReply::parse(open(outcome)?.expose()).map_err(bad_packet)?;
                self.on_refused(request, hash.in_reply_to(), &reply)?;
            }
            Answer::ClearError(packet) => {
                verified(&outcome).map_err(|_| Suspicion::BadServerSignature)?;
                let reply = ErrorReply::parse_clear(packet.payload()).map_err(bad_packet)?;
                self.on_refused(request, hash.in_reply_to(), &reply)?;
            }
        }
        Ok(())
    }

    fn on_granted(&mut self, user: UserId, grant: Grant) -> Result<(), Suspicion> {
        let Grant { session_key, sealed, .. } = grant;
        if self.account.user.is_some_and(|known| known != user) {
            return Err(Suspicion::UnaskedAnswer);
        }
        let pending = match sealed {
            Some(sealed) => {
                Some(SessionResumed::parse(sealed.expose()).map_err(bad_packet)?.pending)
            }
            None => None,
        };
        if self.account.user.is_none() {
            self.account.user = Some(user);
            self.pin(ClientOp::SetUser(user));
            self.notify(Notice::Registered { user });
        }
        if self.goal.needs_link() {
            self.goal = Goal::Online;
        }
        self.timers.cancel(Alarm::Progress);
        self.begin_session(session_key);
        self.notify(Notice::Online { pending });
        Ok(())
    }

    fn on_refused(
        &mut self,
        request: RequestKind,
        asked: InReplyTo,
        reply: &ErrorReply,
    ) -> Result<(), Suspicion> {
        if reply.in_reply_to == InReplyTo::default() {
            // Not an answer: the server is closing. A clear one may be an old one, sent again by
            // somebody on the path, so nothing is believed of it.
            self.lose(OfflineReason::Lost);
            return Ok(());
        }
        if reply.in_reply_to != asked {
            return Err(Suspicion::UnaskedAnswer);
        }
        if request == RequestKind::Confirm {
            self.confirm_refused();
        }
        if reply.code == ErrorCode::ClockSkew {
            self.correct_clock(reply);
            return Ok(());
        }
        match request {
            RequestKind::Register | RequestKind::Confirm => {
                self.on_registration_refused(request, reply);
            }
            RequestKind::Reconnect => self.on_reconnect_refused(reply),
        }
        Ok(())
    }

    fn on_reconnect_refused(&mut self, reply: &ErrorReply) {
        match reply.code {
            ErrorCode::UnknownUser | ErrorCode::BadSignature => self.on_not_registered(),
            code @ (ErrorCode::Malformed
            | ErrorCode::NotAuthenticated
            | ErrorCode::OtpRejected
            | ErrorCode::OtpExpired
            | ErrorCode::RateLimited
            | ErrorCode::MailboxFull
            | ErrorCode::ServerFull
            | ErrorCode::Displaced
            | ErrorCode::ClockSkew
            | ErrorCode::Unavailable
            | ErrorCode::ShuttingDown
            | ErrorCode::KeyRejected) => {
                let pause = self.named_pause(reply.retry_after_secs.into());
                self.lose_for(OfflineReason::Refused(code), pause);
            }
        }
    }

    /// Our clock is wrong: takes the server's, and asks again.
    fn correct_clock(&mut self, reply: &ErrorReply) {
        self.learn_clock(reply.server_time);
        let limit = self.config.limits.clock_corrections;
        let Some(connection) = self.connection() else { return };
        connection.clock_corrections += 1;
        if connection.clock_corrections > limit {
            return self.lose(OfflineReason::Refused(ErrorCode::ClockSkew));
        }
        self.run_errand();
    }

    /// Takes the server's clock over, for every timestamp from here on.
    pub(super) fn learn_clock(&mut self, server_time: Timestamp) {
        if let Some(secs) = self.account.learn_clock(self.now, server_time) {
            self.store(ClientOp::SetClockOffset { secs }, AwaitStore::Kept);
            self.notify(Notice::ClockOffset { secs });
        }
    }

    /// A header for the server; dated now if nothing else is said.
    pub(super) fn header_to_server(
        &self,
        op: Op,
        sender: Option<UserId>,
        at: Option<Timestamp>,
    ) -> Header {
        let timestamp = at.unwrap_or_else(|| self.account.server_time(self.now));
        Header { sender, recipient: None, timestamp, op }
    }

    /// Has a packet made.
    pub(super) fn emit(
        &mut self,
        header: Header,
        parts: Vec<Part>,
        signing: Signing,
        awaits: AwaitJob,
    ) {
        let signed = matches!(signing, Signing::Signed);
        let draft = Draft { profile: self.config.profile, header, parts, signed };
        self.compute(Job::Emit(Box::new(draft)), awaits);
    }

    fn exchange(&mut self) -> Option<&mut Exchange> {
        match &mut self.connection()?.phase {
            Phase::Exchange(exchange) => Some(exchange),
            Phase::Fresh
            | Phase::ExpectServerKey(_)
            | Phase::AwaitServerKey
            | Phase::AwaitReconnectTime
            | Phase::Session(_) => None,
        }
    }
}

/// Whether a packet carries our signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signing {
    Signed,
    /// A 100, and a 105 before a session.
    Unsigned,
}

fn open(outcome: Outcome) -> Result<Plaintext, Suspicion> {
    opened(outcome).map_err(|_| Suspicion::BadServerSignature)
}

fn bad_packet(_: Malformed) -> Suspicion {
    Suspicion::BadPacket(Violation::Malformed)
}
