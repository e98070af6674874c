//! Registering: 100, 200, 101, 201, and what to do when one of them is lost (PROTOCOL 4.2).

use crate::client::Client;
use crate::client::notice::{Notice, OfflineReason, OtpSource, RegistrationFailure};
use crate::client::state::goal::{Doubt, Goal};
use crate::crypto::RequestKind;
use crate::wire::{ErrorCode, ErrorReply, Invitation, Otp, OtpIssued};

impl Client {
    /// [`Command::Register`](crate::client::Command::Register).
    pub(in crate::client) fn register(&mut self, invitation: Option<Invitation>) {
        if self.link.session().is_some() {
            return self.pursue(Goal::Online);
        }
        // Only the server knows whether an account that was registered once still exists.
        let registered = self.account.user().is_some();
        self.pursue(if registered { Goal::Renew(invitation) } else { Goal::Register(invitation) });
    }

    /// [`Command::Confirm`](crate::client::Command::Confirm).
    pub(in crate::client) fn confirm(&mut self, otp: Otp) {
        if self.account.user().is_none() || self.account.reply_key().is_some() {
            self.pursue(Goal::Confirm(otp));
        }
    }

    /// 200.
    pub(in crate::client) fn on_otp_issued(&mut self, issued: OtpIssued) {
        let OtpIssued { ttl_secs, attempts, otp, .. } = issued;
        let source = if otp.is_some() { OtpSource::InBand } else { OtpSource::OutOfBand };
        self.out.notify(Notice::OtpRequested { source, ttl_secs, attempts });
        if let Some(otp) = otp {
            self.goal = Goal::Confirm(otp);
            return self.pursue_goal();
        }
        if matches!(self.goal, Goal::Confirm(_)) {
            // The user had the password before the answer arrived.
            return self.pursue_goal();
        }
        // People need longer than the server keeps a connection without a session.
        self.goal = Goal::AwaitOtp;
        self.lose(OfflineReason::AwaitingOtp);
    }

    /// 150: the phone is registered. It was us if the answer to an earlier 101 was lost.
    pub(in crate::client) fn on_phone_registered(&mut self) {
        self.recheck(RegistrationFailure::PhoneTaken);
    }

    /// Asks whether the account exists. If not, registration has failed.
    fn recheck(&mut self, failure: RegistrationFailure) {
        self.goal = Goal::Recheck(Doubt::Refused(failure));
        self.pursue_goal();
    }

    /// The server does not know the account that our 106 named.
    pub(in crate::client) fn on_not_registered(&mut self) {
        match &self.goal {
            // The 101 was lost rather than its answer, so the password is still good.
            Goal::Recheck(Doubt::Unanswered(otp)) => {
                self.goal = Goal::Confirm(otp.clone());
                self.lose(OfflineReason::Refused(ErrorCode::UnknownUser));
            }
            Goal::Recheck(Doubt::Refused(failure)) => self.fail_registration(*failure),
            // The account is lost, and with it nothing of ours: key, contacts and messages are here.
            Goal::Renew(invitation) => {
                self.goal = Goal::Register(invitation.clone());
                self.lose(OfflineReason::NotRegistered);
            }
            Goal::Offline | Goal::Online => self.leave(OfflineReason::NotRegistered),
            Goal::Register(_) | Goal::AwaitOtp | Goal::Confirm(_) => {
                self.lose(OfflineReason::Refused(ErrorCode::UnknownUser));
            }
        }
    }

    /// The server refused a 100 or 101.
    pub(in crate::client) fn on_registration_refused(
        &mut self,
        request: RequestKind,
        reply: &ErrorReply,
    ) {
        let retry_after_secs = reply.retry_after_secs;
        match reply.code {
            ErrorCode::OtpRejected => {
                self.goal = Goal::AwaitOtp;
                self.out.notify(Notice::OtpRejected { text: reply.text.clone() });
                self.lose(OfflineReason::AwaitingOtp);
            }
            ErrorCode::OtpExpired => self.fail_registration(RegistrationFailure::OtpExpired),
            ErrorCode::ServerFull => self.fail_registration(RegistrationFailure::ServerFull),
            ErrorCode::KeyRejected => self.fail_registration(RegistrationFailure::KeyRejected),
            // It may be used up because the answer to an earlier 101 was lost.
            ErrorCode::InvitationRejected if request == RequestKind::Register => {
                self.recheck(RegistrationFailure::InvitationRejected);
            }
            ErrorCode::InvitationRejected => {
                self.fail_registration(RegistrationFailure::InvitationRejected);
            }
            // A refusal for a reason that only a later version knows. `Notice::UnknownError` has
            // told what it says.
            ErrorCode::Unknown(code) => {
                self.fail_registration(RegistrationFailure::Refused { code });
            }
            // A client that asked for passwords again on its own would send texts to somebody's
            // phone. A 101 is tried again: its password is there already.
            ErrorCode::RateLimited if request == RequestKind::Register => {
                self.fail_registration(RegistrationFailure::RateLimited { retry_after_secs });
            }
            code @ (ErrorCode::RateLimited
            | ErrorCode::Malformed
            | ErrorCode::BadSignature
            | ErrorCode::NotAuthenticated
            | ErrorCode::UnknownUser
            | ErrorCode::MailboxFull
            | ErrorCode::Displaced
            | ErrorCode::ClockSkew
            | ErrorCode::Unavailable
            | ErrorCode::ShuttingDown
            | ErrorCode::Suspended) => {
                let pause = self.named_pause(retry_after_secs.into());
                self.lose_for(OfflineReason::Refused(code), pause);
            }
        }
    }

    fn fail_registration(&mut self, failure: RegistrationFailure) {
        self.out.notify(Notice::RegistrationFailed { failure });
        self.leave(OfflineReason::RegistrationFailed);
    }
}
