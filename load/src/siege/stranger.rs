//! Attackers without an account. Each address has several connections.

use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use sealpost_core::crypto::PrivateKey;
use sealpost_programs::Failure;

use crate::clients::PROFILE;
use crate::clients::link::Frame;
use crate::clients::registration::{Registry, key_request};
use crate::clients::user::{User, now};
use crate::siege::attacker::{Attacker, Next, Opening};
use crate::siege::horde::Band;
use crate::siege::{STRANGERS, source};

/// What a stranger does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Opens connections and sends nothing
    HalfOpen,
    /// Sends the beginning of a packet and no more
    Incomplete,
    /// Opens and closes connections
    Churn,
    /// Asks for the server's key again and again
    Keys,
    /// Asks for passwords for one phone number after the other
    Phones,
    /// Asks for sessions of ordinary users, with false signatures
    Forged,
    /// The same without an id, so that the server must decrypt first
    Idless,
}

/// One connection of a stranger.
struct Stranger {
    source: Ipv4Addr,
    kind: Kind,
    arms: Arc<Arms>,
    /// Whether the server owes an answer.
    is_waiting: bool,
    sent: usize,
}

/// Packets that strangers send.
pub(crate) struct Arms {
    key_request: Bytes,
    registrations: Vec<Bytes>,
    forged: Vec<Bytes>,
    idless: Vec<Bytes>,
}

impl Arms {
    /// Builds requests for invented phone numbers, and requests for sessions of these users.
    pub(crate) fn forge(
        registry: &Registry,
        key: &Arc<dyn PrivateKey>,
        victims: &mut [User],
    ) -> Result<Self, Failure> {
        let registrations = (0..REGISTRATIONS).map(|_| registry.registration_request(key));
        let requests = victims.iter_mut().map(|user| user.reconnect(now()));
        let requests = requests.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            key_request: key_request()?,
            registrations: registrations.collect::<Result<_, _>>()?,
            forged: requests.iter().map(forged).collect(),
            idless: requests.iter().map(without_id).collect(),
        })
    }
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::HalfOpen => "half-open",
            Self::Incomplete => "incomplete",
            Self::Churn => "churn",
            Self::Keys => "keys",
            Self::Phones => "phones",
            Self::Forged => "forged",
            Self::Idless => "idless",
        }
    }

    /// Connections at once from one address.
    const fn connections(self) -> usize {
        match self {
            // From 250 addresses more than a server takes in all.
            Self::HalfOpen | Self::Incomplete => 70,
            Self::Churn | Self::Keys | Self::Phones | Self::Forged | Self::Idless => 4,
        }
    }
}

/// Deals the kinds over `addresses` in turn.
pub(crate) fn bands(kinds: &[Kind], addresses: usize, arms: &Arc<Arms>) -> Vec<Band> {
    let band = |(index, kind): (usize, &Kind)| {
        let stranger = |_| {
            Box::new(Stranger {
                source: source(STRANGERS, index),
                kind: *kind,
                arms: Arc::clone(arms),
                is_waiting: false,
                sent: index,
            }) as Box<dyn Attacker>
        };
        (kind.name(), (0..kind.connections()).map(stranger).collect())
    };
    kinds.iter().cycle().take(addresses).enumerate().map(band).collect()
}

/// A 106 with a false signature.
fn forged(request: &Bytes) -> Bytes {
    let mut forged = request.to_vec();
    if let Some(last) = forged.last_mut() {
        *last ^= 1;
    }
    forged.into()
}

/// A 106 that names no user. Its signature was for another header, and so is false too.
fn without_id(request: &Bytes) -> Bytes {
    let mut idless = request.to_vec();
    idless.iter_mut().take(PROFILE.id_len()).for_each(|byte| *byte = 0);
    idless.into()
}

impl Attacker for Stranger {
    fn source(&self) -> Ipv4Addr {
        self.source
    }

    fn begin(&mut self) -> Result<Opening, Failure> {
        self.is_waiting = false;
        Ok(match self.kind {
            Kind::Churn => Opening::Leave,
            Kind::Incomplete => {
                let packet = &self.arms.key_request;
                Opening::Bytes(packet.slice(..packet.len() / 2))
            }
            Kind::HalfOpen | Kind::Keys | Kind::Phones | Kind::Forged | Kind::Idless => {
                Opening::Bytes(Bytes::new())
            }
        })
    }

    fn supply(&mut self) -> Result<Option<Bytes>, Failure> {
        let of =
            |packets: &[Bytes], turn: usize| packets.get(turn.checked_rem(packets.len())?).cloned();
        let packet = match self.kind {
            Kind::HalfOpen | Kind::Incomplete | Kind::Churn => None,
            Kind::Keys | Kind::Phones | Kind::Forged | Kind::Idless if self.is_waiting => None,
            Kind::Keys => Some(self.arms.key_request.clone()),
            Kind::Phones => of(&self.arms.registrations, self.sent),
            Kind::Forged => of(&self.arms.forged, self.sent),
            Kind::Idless => of(&self.arms.idless, self.sent),
        };
        self.sent += 1;
        self.is_waiting = true;
        Ok(packet)
    }

    fn take(&mut self, _frame: Frame<'_>) -> Result<Next, Failure> {
        self.is_waiting = false;
        Ok(Next::Stay)
    }
}

/// Requests for invented phone numbers, which are repeated when they are used up.
const REGISTRATIONS: usize = 4_000;
