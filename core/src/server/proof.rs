//! Facts that a function can demand as an argument, each with one mint.

use crate::ids::{ConnId, UserId};
use crate::keys::{Plaintext, Rejected};
use crate::wire::{FromClient, Packet};

/// Something that carries the signature of whom it comes from.
#[derive(Clone, Debug)]
pub(super) struct Verified<T>(T);

impl<T> Verified<T> {
    /// Gives the proof if the check came out well, with what was sealed in it; the value back if
    /// not.
    pub(super) fn mint(
        value: T,
        checked: Result<Plaintext, Rejected>,
    ) -> Result<(Self, Plaintext), T> {
        match checked {
            Ok(opened) => Ok((Self(value), opened)),
            Err(Rejected) => Err(value),
        }
    }

    pub(super) const fn get(&self) -> &T {
        &self.0
    }

    pub(super) fn into_inner(self) -> T {
        self.0
    }
}

impl Verified<FromClient> {
    /// The packet itself; what holds for its reading holds for it.
    pub(super) fn packet(&self) -> Verified<Packet> {
        Verified(self.0.packet().clone())
    }
}

/// A connection with a session, and whose it is. Minted where the session is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Authenticated {
    conn: ConnId,
    user: UserId,
}

impl Authenticated {
    /// Gives the proof if there is a session.
    pub(super) const fn mint(conn: ConnId, session: &super::session::Session) -> Self {
        Self { conn, user: session.user() }
    }

    pub(super) const fn conn(self) -> ConnId {
        self.conn
    }

    pub(super) const fn user(self) -> UserId {
        self.user
    }
}
