//! Attackers with an account: each holds a session and follows one tactic in it.

use std::net::Ipv4Addr;

use bytes::Bytes;
use sealpost_core::ids::{Phone, UserId};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Op;
use sealpost_programs::Failure;

use crate::clients::link::Frame;
use crate::clients::user::{User, now};
use crate::siege::attacker::{Attacker, Next, Opening};
use crate::siege::horde::Band;
use crate::siege::tactics::{Deaf, Fill, Idle, Receipts, Sweep, Tactic, Useless, Worthless};
use crate::siege::{GREEDY, source};

/// What a greedy user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Stores the largest messages in the mailboxes of absent users, at full speed
    Fill,
    /// Stores receipts, each for one message of an accomplice and up to thousands that nobody sent
    Receipts,
    /// Lets an accomplice send the largest messages, asks for keys, and reads nothing
    Deaf,
    /// Sends messages that bear a date in the future
    Misdated,
    /// Looks up ids of which nothing is under way
    Lookups,
    /// Sends receipts for messages that nobody sent
    Unawaited,
    /// Acknowledges receipts that it never got
    BadAcks,
    /// Looks up every phone number and every id; reconnects when it is slowed down
    Sweep,
    /// Reconnects as fast as it can
    Reconnect,
}

/// What greedy users know about others.
pub(crate) struct Known {
    /// Ordinary users who are away, and to whom others write.
    pub(crate) absent: Vec<UserId>,
    /// Ordinary users who are connected.
    pub(crate) live: Vec<UserId>,
    /// Users who never connect.
    pub(crate) sleepers: Vec<UserId>,
    pub(crate) phones: Vec<Phone>,
}

/// A greedy user.
struct Greedy {
    user: User,
    source: Ipv4Addr,
    /// Timestamp of the latest 106.
    last_request: Timestamp,
    /// The 106 that is not answered yet.
    request: Option<Bytes>,
    tactic: Box<dyn Tactic>,
}

impl Kind {
    /// Number of accounts that one attacker of this kind needs.
    pub(crate) const fn accounts(self) -> usize {
        match self {
            Self::Receipts | Self::Deaf => 2,
            Self::Fill
            | Self::Misdated
            | Self::Lookups
            | Self::Unawaited
            | Self::BadAcks
            | Self::Sweep
            | Self::Reconnect => 1,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Fill => "fill",
            Self::Receipts => "receipts",
            Self::Deaf => "deaf",
            Self::Misdated => "misdated",
            Self::Lookups => "lookups",
            Self::Unawaited => "unawaited",
            Self::BadAcks => "bad-acks",
            Self::Sweep => "sweep",
            Self::Reconnect => "reconnect",
        }
    }

    /// An attacker of this kind, and its accomplice if it needs one.
    fn tactics(self, ids: &[UserId], known: &Known) -> Result<Vec<Box<dyn Tactic>>, Failure> {
        let user = |users: &[UserId], index| {
            let user = users.get(index).copied();
            user.ok_or_else(|| Failure::new("an attacker has too few users to attack"))
        };
        let worthless = |packet| vec![Box::new(Worthless::new(packet)) as Box<dyn Tactic>];
        Ok(match self {
            Self::Fill => vec![Box::new(Fill::new(known))],
            // The first reads nothing, so that its receipts are stored.
            Self::Receipts => {
                vec![Box::new(Deaf::writing(user(ids, 1)?)), Box::new(Receipts::default())]
            }
            Self::Deaf => {
                vec![Box::new(Deaf::asking(known)), Box::new(Fill::to(user(ids, 0)?))]
            }
            Self::Misdated => worthless(Useless::Misdated(user(&known.live, 0)?)),
            Self::Lookups => worthless(Useless::Lookup),
            Self::Unawaited => worthless(Useless::Receipt(user(&known.live, 0)?)),
            Self::BadAcks => worthless(Useless::Ack(user(&known.live, 0)?)),
            Self::Sweep => vec![Box::new(Sweep::new(known.phones.clone()))],
            Self::Reconnect => vec![Box::new(Idle)],
        })
    }
}

/// Deals `count` attackers over the kinds in turn. `users` must have the accounts that they need.
pub(crate) fn bands(
    kinds: &[Kind],
    count: usize,
    users: Vec<User>,
    known: &Known,
) -> Result<Vec<Band>, Failure> {
    let mut users = users.into_iter().enumerate();
    let mut bands = Vec::new();
    for kind in kinds.iter().cycle().take(count) {
        let team: Vec<_> = users.by_ref().take(kind.accounts()).collect();
        let ids: Vec<_> = team.iter().map(|(_, user)| user.id).collect();
        let tactics = kind.tactics(&ids, known)?;
        let greedy = |((index, user), tactic)| {
            Box::new(Greedy {
                user,
                source: source(GREEDY, index),
                last_request: now().plus_secs(-PAST_SECS),
                request: None,
                tactic,
            }) as Box<dyn Attacker>
        };
        bands.push((kind.name(), team.into_iter().zip(tactics).map(greedy).collect()));
    }
    Ok(bands)
}

impl Attacker for Greedy {
    fn source(&self) -> Ipv4Addr {
        self.source
    }

    fn begin(&mut self) -> Result<Opening, Failure> {
        // As many reconnects as the clocks' tolerance allows can follow each other at once.
        let latest = now().plus_secs(FUTURE_SECS);
        self.last_request = self.last_request.plus_secs(1).min(latest);
        let request = self.user.reconnect(self.last_request)?;
        self.request = Some(request.clone());
        Ok(Opening::Bytes(request))
    }

    fn supply(&mut self) -> Result<Option<Bytes>, Failure> {
        if self.request.is_some() { Ok(None) } else { self.tactic.next(&mut self.user) }
    }

    fn take(&mut self, frame: Frame<'_>) -> Result<Next, Failure> {
        if frame.op() == Some(Op::SessionResumed)
            && let Some(request) = self.request.take()
        {
            if self.tactic.needs_key() {
                self.user.resumed(&request, frame.packet()?)?;
            }
            return self.tactic.begin(&mut self.user);
        }
        self.tactic.take(&mut self.user, frame)
    }

    fn is_reading(&self) -> bool {
        self.request.is_some() || self.tactic.is_reading()
    }
}

/// Timestamps of 106s begin this long ago and end this long ahead, within the 300 s that a server
/// tolerates.
const PAST_SECS: i64 = 290;
const FUTURE_SECS: i64 = 290;
