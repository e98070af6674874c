//! What the client works towards.

use crate::client::notice::RegistrationFailure;
use crate::wire::{Invitation, Otp};

/// What the application, or a step on the way to an account, wants next.
#[derive(Clone, Debug)]
pub(in crate::client) enum Goal {
    /// No connection.
    Offline,
    /// A session.
    Online,
    /// A session (106), or another account with the same key if the server does not know ours, for
    /// which an invitation may be needed.
    Renew(Option<Invitation>),
    /// A one-time password (100), for which an invitation may be needed.
    Register(Option<Invitation>),
    /// No connection until the user has the one-time password.
    AwaitOtp,
    /// An account (101).
    Confirm(Otp),
    /// Whether the account exists (106).
    Recheck(Doubt),
}

/// Why the account may exist.
#[derive(Clone, Debug)]
pub(in crate::client) enum Doubt {
    /// The answer to our 101 was lost. This password of it may still be good.
    Unanswered(Otp),
    /// The server refuses to make an account, perhaps because we have one: a 150 says that the phone
    /// is registered, and an invitation may have been used up by us. If not by us, this is reported.
    Refused(RegistrationFailure),
}

impl Goal {
    /// Whether the goal needs a connection.
    pub(in crate::client) const fn needs_link(&self) -> bool {
        match self {
            Self::Offline | Self::AwaitOtp => false,
            Self::Online
            | Self::Renew(_)
            | Self::Register(_)
            | Self::Confirm(_)
            | Self::Recheck(_) => true,
        }
    }

    /// Whether the goal is on the way to an account.
    pub(in crate::client) const fn registers(&self) -> bool {
        match self {
            Self::Renew(_)
            | Self::Register(_)
            | Self::AwaitOtp
            | Self::Confirm(_)
            | Self::Recheck(_) => true,
            Self::Offline | Self::Online => false,
        }
    }

    /// A 101 has left: if nothing more is heard, the account may exist all the same.
    pub(in crate::client) fn confirm_sent(&mut self) {
        if let Self::Confirm(otp) = self {
            *self = Self::Recheck(Doubt::Unanswered(otp.clone()));
        }
    }

    /// The 101 was answered with an error, so there is no account after all.
    pub(in crate::client) fn confirm_refused(&mut self) {
        if let Self::Recheck(Doubt::Unanswered(otp)) = self {
            *self = Self::Confirm(otp.clone());
        }
    }

    /// A session has begun. If the application has asked to be offline meanwhile, that stays the
    /// goal.
    pub(in crate::client) fn session_began(&mut self) {
        if self.needs_link() {
            *self = Self::Online;
        }
    }
}
