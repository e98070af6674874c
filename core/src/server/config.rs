//! What a server is told at its start, and what it tells its host.

use core::convert::Infallible;

pub use crate::frame::Misuse;
use crate::frame::StoreError;
use crate::ids::{ConnId, Phone, UserId};
use crate::keys::PublicKey;
use crate::server::limits::Limits;
use crate::wire::{ErrorCode, Otp, Profile};

/// The settings of one server.
#[derive(Clone, Debug)]
pub struct Config {
    /// The deployment's ids.
    pub profile: Profile,
    /// The public half of the key that the host's [`Crypto`](crate::crypto::Crypto) signs with.
    pub server_key: PublicKey,
    /// How one-time passwords reach their owners.
    pub otp_channel: OtpChannel,
    /// Every bound.
    pub limits: Limits,
}

/// How one-time passwords reach their owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtpChannel {
    /// In the 200 itself: whoever asks is believed. For tests, and where the network is the proof.
    InBand,
    /// By the host: an [`OtpDelivery`] for each.
    OutOfBand,
}

/// The application has no commands for the server machine.
pub type Command = Infallible;

/// A one-time password for the host to bring to a phone. It must be neither logged nor lost.
#[derive(Clone, PartialEq, Eq)]
pub struct OtpDelivery {
    /// To whom.
    pub phone: Phone,
    /// What.
    pub otp: Otp,
    /// How long it will be good for.
    pub ttl_secs: u16,
}

impl core::fmt::Debug for OtpDelivery {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "OtpDelivery({:?})", self.phone)
    }
}

/// What the server lets be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Somebody registered.
    Registered(UserId),
    /// A user has a session, on this connection.
    SessionOpened(UserId, ConnId),
    /// A user's session is over.
    SessionClosed(UserId, ConnId),
    /// A packet was answered with an error.
    Refused(ConnId, ErrorCode),
    /// The store failed an operation.
    StoreFailed(StoreError),
    /// The host reported something that it was not asked for.
    Misuse(Misuse),
    /// The orderly stop is complete: everything acknowledged is durable, everyone was told.
    Stopped,
}
