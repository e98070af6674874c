//! Registration: 100, 200, 101, 201, and what to do when one of them is lost (PROTOCOL 4.2).

use super::Client;
use super::link::Link;
use super::notice::{Notice, OfflineReason, OtpChannel, RegistrationFailure};
use crate::crypto::RequestKind;
use crate::wire::{ErrorCode, ErrorReply, Otp, OtpIssued};

/// What the client is after.
#[derive(Clone, Debug)]
pub(super) enum Goal {
    /// To be left alone.
    Offline,
    /// A session.
    Online,
    /// A one-time password (100).
    Register,
    /// Nothing, until the user has the password.
    AwaitOtp,
    /// An account (101).
    Confirm(Otp),
    /// To find out whether the account exists (106): our 101 was sent and its answer lost, or a 150
    /// says that the phone is registered, perhaps by us. With the password that we used last, if
    /// it may be of use again.
    Recheck(Option<Otp>),
}

impl Goal {
    /// Whether a connection is needed for it.
    pub(super) const fn needs_link(&self) -> bool {
        match self {
            Self::Offline | Self::AwaitOtp => false,
            Self::Online | Self::Register | Self::Confirm(_) | Self::Recheck(_) => true,
        }
    }

    /// Whether it is on the way to an account.
    const fn registers(&self) -> bool {
        match self {
            Self::Register | Self::AwaitOtp | Self::Confirm(_) | Self::Recheck(_) => true,
            Self::Offline | Self::Online => false,
        }
    }
}

impl Client {
    /// [`Command::Connect`](super::Command::Connect). A registration that is under way ends online
    /// anyway.
    pub(super) fn connect(&mut self) {
        if !self.goal.registers() {
            self.pursue(Goal::Online);
        }
    }

    /// [`Command::Register`](super::Command::Register).
    pub(super) fn register(&mut self) {
        let registered = self.account.user.is_some();
        self.pursue(if registered { Goal::Online } else { Goal::Register });
    }

    /// [`Command::Confirm`](super::Command::Confirm).
    pub(super) fn confirm(&mut self, otp: Otp) {
        if self.account.user.is_none() {
            self.pursue(Goal::Confirm(otp));
        }
    }

    /// Sets a goal that needs a connection. One that is busy with an earlier goal turns to this one
    /// when it is done with its request.
    fn pursue(&mut self, goal: Goal) {
        self.goal = goal;
        self.dial();
    }

    /// A 101 has left: if nothing more is heard, the account may exist.
    pub(super) fn confirm_sent(&mut self) {
        if let Goal::Confirm(otp) = &self.goal {
            self.goal = Goal::Recheck(Some(otp.clone()));
        }
    }

    /// The 101 was answered with an error: there is no account.
    pub(super) fn confirm_refused(&mut self) {
        if let Goal::Recheck(Some(otp)) = &self.goal {
            self.goal = Goal::Confirm(otp.clone());
        }
    }

    /// 200.
    pub(super) fn on_otp_issued(&mut self, issued: OtpIssued) {
        let OtpIssued { ttl_secs, attempts, otp, .. } = issued;
        let channel = if otp.is_some() { OtpChannel::InBand } else { OtpChannel::OutOfBand };
        self.notify(Notice::OtpRequested { channel, ttl_secs, attempts });
        if let Some(otp) = otp {
            self.goal = Goal::Confirm(otp);
            return self.run_errand();
        }
        if matches!(self.goal, Goal::Confirm(_)) {
            // The password was quicker than the answer.
            return self.run_errand();
        }
        // People are slower than the server's patience with a connection without a session.
        self.goal = Goal::AwaitOtp;
        self.lose(OfflineReason::AwaitingOtp);
    }

    /// 150: the phone is registered. By us, if the answer to an earlier 101 was lost.
    pub(super) fn on_phone_registered(&mut self) {
        self.goal = Goal::Recheck(None);
        self.run_errand();
    }

    /// The server does not know the account that our 106 named.
    pub(super) fn on_not_registered(&mut self) {
        match &self.goal {
            Goal::Recheck(Some(otp)) => {
                self.goal = Goal::Confirm(otp.clone());
                self.lose(OfflineReason::Refused(ErrorCode::UnknownUser));
            }
            Goal::Recheck(None) => self.fail_registration(RegistrationFailure::PhoneTaken),
            Goal::Offline | Goal::Online => self.leave(OfflineReason::NotRegistered),
            Goal::Register | Goal::AwaitOtp | Goal::Confirm(_) => {
                self.lose(OfflineReason::Refused(ErrorCode::UnknownUser));
            }
        }
    }

    /// The server refused a 100 or 101.
    pub(super) fn on_registration_refused(&mut self, request: RequestKind, reply: &ErrorReply) {
        let retry_after_secs = reply.retry_after_secs;
        match reply.code {
            ErrorCode::OtpRejected => {
                self.goal = Goal::AwaitOtp;
                self.notify(Notice::OtpRejected { text: reply.text.clone() });
                self.lose(OfflineReason::AwaitingOtp);
            }
            ErrorCode::OtpExpired => self.fail_registration(RegistrationFailure::OtpExpired),
            ErrorCode::ServerFull => self.fail_registration(RegistrationFailure::ServerFull),
            ErrorCode::KeyRejected => self.fail_registration(RegistrationFailure::KeyRejected),
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
            | ErrorCode::ShuttingDown) => {
                let pause = self.named_pause(retry_after_secs.into());
                self.lose_for(OfflineReason::Refused(code), pause);
            }
        }
    }

    fn fail_registration(&mut self, failure: RegistrationFailure) {
        self.notify(Notice::RegistrationFailed(failure));
        self.leave(OfflineReason::RegistrationFailed);
    }

    /// Goes offline: in order from a session, else at once.
    pub(super) fn disconnect(&mut self) {
        self.goal = Goal::Offline;
        self.timers.cancel(super::Alarm::Redial);
        if let Some(session) = self.session() {
            session.begin_leaving();
            let at = self.now.mono + self.config.limits.goodbye;
            self.timers.arm_if_idle(super::Alarm::Goodbye, at);
        } else if matches!(self.link, Link::Down) {
            self.notify(Notice::Offline { reason: OfflineReason::Wished, retry_in: None });
        } else {
            self.lose(OfflineReason::Wished);
        }
    }
}
