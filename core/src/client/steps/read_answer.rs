//! Reading the answer to a request before a session.

use crate::client::Client;
use crate::client::awaits::{AwaitJob, SealedAnswer};
use crate::client::notice::{Notice, OfflineReason, Suspicion};
use crate::client::state::exchange::GrantPacket;
use crate::client::state::link::ClockCorrection;
use crate::client::state::server_clock::ClockTrust;
use crate::crypto::RequestKind;
use crate::frame::{Judged, Unverified};
use crate::keys::Plaintext;
use crate::wire::{
    ErrorCode, ErrorForm, ErrorReply, FromServer, InReplyTo, Malformed, OtpIssued, Packet,
    RegistrationRejected, SEALED_ERROR_AT, Violation,
};

impl Client {
    /// The answer has arrived: it is verified and opened before it counts.
    pub(in crate::client) fn on_answer_packet(&mut self, packet: Packet) {
        let Some(signer) = self.account.server_key().cloned() else { return };
        let Some(exchange) = self.link.exchange_mut() else { return };
        if !exchange.expects_answer() {
            return;
        }
        exchange.answer_arrived();
        let (kind, key) = (exchange.kind(), exchange.reply_key().clone());
        let (job, then) = match (FromServer::parse(packet), kind) {
            (Ok(FromServer::OtpIssued(packet)), RequestKind::Register) => {
                let (job, packet) = Unverified::open_sealed(packet, signer, key, 0);
                (job, AwaitJob::Answer(packet, SealedAnswer::OtpIssued))
            }
            (
                Ok(FromServer::RegistrationRejected(packet)),
                RequestKind::Register | RequestKind::Confirm,
            ) => {
                let (job, packet) = Unverified::open_sealed(packet, signer, key, 0);
                (job, AwaitJob::Answer(packet, SealedAnswer::RegistrationRejected))
            }
            (Ok(FromServer::SessionIssued { packet, user }), RequestKind::Confirm)
            | (Ok(FromServer::SessionResumed { packet, user }), RequestKind::Reconnect) => {
                let (job, packet) = Unverified::open_grant(GrantPacket { packet, user }, signer);
                (job, AwaitJob::Grant(packet))
            }
            (Ok(FromServer::Error { packet, form: ErrorForm::Clear }), _) => {
                let (job, packet) = Unverified::verify(packet, signer);
                (job, AwaitJob::ClearError(packet))
            }
            (Ok(FromServer::Error { packet, form: ErrorForm::ReplyKey }), _) => {
                let (job, packet) = Unverified::open_sealed(packet, signer, key, SEALED_ERROR_AT);
                (job, AwaitJob::Answer(packet, SealedAnswer::Error))
            }
            (Ok(_) | Err(_), _) => return self.fault(Suspicion::BadPacket(Violation::Malformed)),
        };
        self.out.compute(job, then);
    }

    pub(in crate::client) fn on_answer_opened(
        &mut self,
        answer: SealedAnswer,
        judged: Judged<Packet, Plaintext>,
    ) {
        let Some((request, kind)) = self.answered_request() else { return };
        let Ok((_, opened)) = judged else { return self.fault(Suspicion::BadServerSignature) };
        let taken = match answer {
            SealedAnswer::OtpIssued => self.take_otp_issued(request, &opened),
            SealedAnswer::RegistrationRejected => self.take_rejection(request, &opened),
            SealedAnswer::Error => ErrorReply::parse(opened.expose())
                .map_err(bad_packet)
                .and_then(|reply| self.take_error(kind, request, &reply)),
        };
        if let Err(suspicion) = taken {
            self.fault(suspicion);
        }
    }

    pub(in crate::client) fn on_clear_error_verified(&mut self, judged: Judged<Packet, ()>) {
        let Some((request, kind)) = self.answered_request() else { return };
        let Ok((packet, ())) = judged else { return self.fault(Suspicion::BadServerSignature) };
        let taken = ErrorReply::parse_clear(packet.get().payload())
            .map_err(bad_packet)
            .and_then(|reply| self.take_error(kind, request, &reply));
        if let Err(suspicion) = taken {
            self.fault(suspicion);
        }
    }

    /// The request whose answer has been opened.
    fn answered_request(&mut self) -> Option<(InReplyTo, RequestKind)> {
        let exchange = self.link.exchange_mut()?;
        Some((exchange.awaits_answer()?, exchange.kind()))
    }

    /// 200.
    fn take_otp_issued(&mut self, request: InReplyTo, opened: &Plaintext) -> Result<(), Suspicion> {
        let issued = OtpIssued::parse(opened.expose()).map_err(bad_packet)?;
        expect_answer_to(request, issued.in_reply_to)?;
        self.on_otp_issued(issued);
        Ok(())
    }

    /// 150.
    fn take_rejection(&mut self, request: InReplyTo, opened: &Plaintext) -> Result<(), Suspicion> {
        let rejected = RegistrationRejected::parse(opened.expose()).map_err(bad_packet)?;
        expect_answer_to(request, rejected.in_reply_to)?;
        self.on_phone_registered();
        Ok(())
    }

    /// 244.
    fn take_error(
        &mut self,
        kind: RequestKind,
        request: InReplyTo,
        reply: &ErrorReply,
    ) -> Result<(), Suspicion> {
        if reply.in_reply_to == InReplyTo::default() {
            // Not an answer: the server is closing. A clear one may be an old one that somebody on
            // the path has sent again, so nothing that it says is believed.
            self.lose(OfflineReason::Lost);
            return Ok(());
        }
        expect_answer_to(request, reply.in_reply_to)?;
        if kind == RequestKind::Confirm {
            self.goal.confirm_refused();
        }
        self.tell_unknown_error(reply);
        if reply.code == ErrorCode::ClockSkew {
            self.correct_clock(reply);
            return Ok(());
        }
        match kind {
            RequestKind::Register | RequestKind::Confirm => {
                self.on_registration_refused(kind, reply);
            }
            RequestKind::Reconnect => self.on_reconnect_refused(reply),
        }
        Ok(())
    }

    /// An error of a later version: its number and text are all that there is to tell.
    pub(in crate::client) fn tell_unknown_error(&mut self, reply: &ErrorReply) {
        if let ErrorCode::Unknown(code) = reply.code {
            self.out.notify(Notice::UnknownError { code, text: reply.text.clone() });
        }
    }

    fn on_reconnect_refused(&mut self, reply: &ErrorReply) {
        if matches!(reply.code, ErrorCode::UnknownUser | ErrorCode::BadSignature) {
            return self.on_not_registered();
        }
        let pause = self.named_pause(reply.retry_after_secs.into());
        self.lose_for(OfflineReason::of_error(reply.code), pause);
    }

    /// Our clock is wrong: adopts the server's, and asks again.
    fn correct_clock(&mut self, reply: &ErrorReply) {
        if self.adopt_clock(reply.server_time) == ClockTrust::Refused {
            return;
        }
        let limit = self.config.limits.clock_corrections;
        let Some(connection) = self.link.connection_mut() else { return };
        match connection.correct_clock(limit) {
            ClockCorrection::Granted => self.pursue_goal(),
            ClockCorrection::OneTooMany => {
                self.lose(OfflineReason::Refused(ErrorCode::ClockSkew));
            }
        }
    }
}

/// A signature shows that the server said it, not when: an answer counts only if it names the
/// request that was made last.
fn expect_answer_to(request: InReplyTo, named: InReplyTo) -> Result<(), Suspicion> {
    if named == request { Ok(()) } else { Err(Suspicion::UnaskedAnswer) }
}

fn bad_packet(_: Malformed) -> Suspicion {
    Suspicion::BadPacket(Violation::Malformed)
}
