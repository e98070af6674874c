//! The settings of a server, and what it hands to its host to deliver.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use ipnet::IpNet;

use super::elsewhere::{AccountChange, Elsewhere};
use super::limits::Limits;
use super::registration::Registration;
use crate::frame::InvalidLimits;
use crate::ids::{Phone, UserId};
use crate::keys::PublicKey;
use crate::wire::{Otp, Profile};

/// The settings of one server.
#[derive(Clone, Debug)]
pub struct Config {
    /// The width of the deployment's user ids.
    pub profile: Profile,
    /// The public half of the key that the host's [`Crypto`](crate::crypto::Crypto) signs with.
    pub server_key: PublicKey,
    /// The public half of the key that takes the place of `server_key`, while the server changes
    /// its key ([`Crypto::with_successor`](crate::crypto::Crypto::with_successor)).
    pub successor: Option<PublicKey>,
    /// Whether other servers share the store.
    pub servers: Servers,
    /// How to deliver one-time passwords.
    pub otp_channel: OtpChannel,
    /// Whether a 100 tells that its phone is registered.
    pub registered_phones: RegisteredPhones,
    /// Who may register.
    pub registration: Registration,
    /// Networks whose addresses no rate limit per address applies to: many users share each of them,
    /// such as those of an office. Every other limit applies.
    pub exempt_networks: Vec<IpNet>,
    /// Every bound of the server.
    pub limits: Limits,
}

impl Config {
    /// Checks that a server can work with these settings.
    pub(super) fn validate(&self) -> Result<(), InvalidLimits> {
        validate(&self.registration, &self.exempt_networks, &self.limits)
    }
}

/// The servers that share a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Servers {
    /// This one alone.
    One,
    /// Others too. They tell each other by [`Elsewhere`] what concerns the other.
    Several {
        /// How often each session's mailbox is read again, in case a hint was lost.
        look_again: Duration,
    },
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

/// Whether a stranger learns who is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisteredPhones {
    /// A 100 for a registered phone is answered with a 150.
    Told,
    /// A 100 is answered alike for every phone, and a password is really sent to a registered one.
    /// The 150 comes only after a right password. In band, everybody has the right password, and with
    /// an invitation whoever has that.
    Hidden,
}

fn validate(
    registration: &Registration,
    exempt_networks: &[IpNet],
    limits: &Limits,
) -> Result<(), InvalidLimits> {
    let must = "must be at most 1,024";
    let prefixes = registration.phone_prefixes.len();
    InvalidLimits::unless(prefixes <= LIST, "phone_prefixes", must)?;
    InvalidLimits::unless(exempt_networks.len() <= LIST, "exempt_networks", must)?;
    limits.validate()
}

/// The settings of a running server that may change. The others are fixed: what clients trust, and
/// what is stored, depends on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconfiguration {
    /// How to deliver one-time passwords from now on.
    pub otp_channel: OtpChannel,
    /// Whether a 100 tells that its phone is registered.
    pub registered_phones: RegisteredPhones,
    /// Who may register from now on.
    pub registration: Registration,
    /// Networks whose addresses no rate limit per address applies to.
    pub exempt_networks: Vec<IpNet>,
    /// Every bound of the server. What is held already stays where a bound is lower now, and nothing
    /// is added to it. What users and addresses owe, they still owe; a pause that has begun lasts as
    /// long as it was to last.
    pub limits: Limits,
}

impl Reconfiguration {
    /// Checks that a server can work with these settings.
    pub(super) fn validate(&self) -> Result<(), InvalidLimits> {
        validate(&self.registration, &self.exempt_networks, &self.limits)
    }
}

/// What the application tells the server machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Takes new settings over, all or none of them. Answered with
    /// [`Notice::Reconfigured`](super::Notice::Reconfigured) or
    /// [`Notice::ReconfigurationRefused`](super::Notice::ReconfigurationRefused).
    Reconfigure(Box<Reconfiguration>),
    /// The answer to an [`OtpDelivery`]. Until it comes, the client that asked for the password
    /// gets none.
    OtpDelivery {
        /// Number of the delivery.
        id: DeliveryId,
        /// Whether the password is on its way.
        outcome: DeliveryOutcome,
    },
    /// Another server has done something to the store that this one shares with it.
    Elsewhere(Elsewhere),
    /// The operator has deleted or suspended an account, in the store: the user's session ends at
    /// once, and one that is being granted does not begin. What was on its way to the user goes to
    /// the store, which refuses it if the account is gone; then its senders are told.
    ///
    /// The host gives this command only after the outcomes of all that was committed before the
    /// change. Otherwise a session that the store had admitted could begin behind it.
    EndSession {
        /// The user.
        user: UserId,
        /// What the user is told.
        why: AccountChange,
    },
}

/// What has become of an [`OtpDelivery`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The password is on its way, or waits for a courier in a queue that has room for it. The
    /// client gets its 200.
    Accepted,
    /// No courier can take the password. It is void, and the client is told to try again later.
    Refused,
}

/// Number of an [`OtpDelivery`], under which it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub u64);

/// A one-time password for the host to deliver to a phone. It must not be logged. Each delivery is
/// answered with [`Command::OtpDelivery`].
#[derive(Clone, PartialEq, Eq)]
pub struct OtpDelivery {
    /// Number under which the delivery is answered.
    pub id: DeliveryId,
    /// Address of the client that asks for the password, so that couriers can be fair to others.
    pub peer: IpAddr,
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

/// Entries of a list that is searched from end to end for each registration.
const LIST: usize = 1_024;
