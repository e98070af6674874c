//! The settings of a server, and what it hands to its host to deliver.

use core::convert::Infallible;
use core::fmt;

use super::limits::Limits;
use crate::ids::Phone;
use crate::keys::PublicKey;
use crate::wire::{Otp, Profile};

/// The settings of one server.
#[derive(Clone, Debug)]
pub struct Config {
    /// The width of the deployment's user ids.
    pub profile: Profile,
    /// The public half of the key that the host's [`Crypto`](crate::crypto::Crypto) signs with.
    pub server_key: PublicKey,
    /// How to deliver one-time passwords.
    pub otp_channel: OtpChannel,
    /// Every bound of the server.
    pub limits: Limits,
}

/// How to deliver one-time passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtpChannel {
    /// In the 200 itself, so that anyone who asks is believed. For tests, and for networks where
    /// access alone proves who somebody is.
    InBand,
    /// By the host, which gets an [`OtpDelivery`] for each password.
    OutOfBand,
}

/// The application has no commands for the server machine.
pub type Command = Infallible;

/// A one-time password for the host to deliver to a phone. It must be neither logged nor lost.
#[derive(Clone, PartialEq, Eq)]
pub struct OtpDelivery {
    /// The phone of the person who registers.
    pub phone: Phone,
    /// The password.
    pub otp: Otp,
    /// The password's lifetime in seconds, from now.
    pub ttl_secs: u16,
}

impl fmt::Debug for OtpDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OtpDelivery({:?})", self.phone)
    }
}
