//! What the client works towards.

use crate::wire::Otp;

/// What the application, or a step on the way to an account, wants next.
#[derive(Clone, Debug)]
pub(in crate::client) enum Goal {
    /// No connection.
    Offline,
    /// A session.
    Online,
    /// A session (106), or another account with the same key if the server does not know ours.
    Renew,
    /// A one-time password (100).
    Register,
    /// No connection until the user has the one-time password.
    AwaitOtp,
    /// An account (101).
    Confirm(Otp),
    /// Whether the account exists (106 without an id): the answer to our 101 was lost, or a 150 says
    /// that the phone is registered, perhaps by us. The password is the last one used, if it may still be
    /// good.
    Recheck(Option<Otp>),
}

impl Goal {
    /// Whether the goal needs a connection.
    pub(in crate::client) const fn needs_link(&self) -> bool {
        match self {
            Self::Offline | Self::AwaitOtp => false,
            Self::Online | Self::Renew | Self::Register | Self::Confirm(_) | Self::Recheck(_) => {
                true
            }
        }
    }

    /// Whether the goal is on the way to an account.
    pub(in crate::client) const fn registers(&self) -> bool {
        match self {
            Self::Renew | Self::Register | Self::AwaitOtp | Self::Confirm(_) | Self::Recheck(_) => {
                true
            }
            Self::Offline | Self::Online => false,
        }
    }

    /// A 101 has left: if nothing more is heard, the account may exist all the same.
    pub(in crate::client) fn confirm_sent(&mut self) {
        if let Self::Confirm(otp) = self {
            *self = Self::Recheck(Some(otp.clone()));
        }
    }

    /// The 101 was answered with an error, so there is no account after all.
    pub(in crate::client) fn confirm_refused(&mut self) {
        if let Self::Recheck(Some(otp)) = self {
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
