//! Contacts who are looked up again, because the server does not know them under their id any more.

use alloc::collections::BTreeMap;
use core::time::Duration;

use super::backoff::Backoff;
use crate::client::limits::Limits;
use crate::entropy::Entropy;
use crate::ids::{Phone, UserId};
use crate::time::Mono;

/// One recheck for each contact at most. Each has a pause after it, which doubles: servers limit how
/// many look-ups a user has in a day, and a server that denies everybody must not use them up.
#[derive(Debug, Default)]
pub(in crate::client) struct Rechecks(BTreeMap<Phone, Recheck>);

#[derive(Debug)]
struct Recheck {
    backoff: Backoff,
    /// The next one begins no earlier.
    not_before: Mono,
    /// The id that the server did not know, until the contact has been looked up.
    denied: Option<UserId>,
}

/// Whether a contact is looked up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum Begun {
    /// It is.
    Asking,
    /// It was a short time ago.
    TooSoon,
}

impl Rechecks {
    /// The server does not know a contact under this id.
    pub(in crate::client) fn begin(
        &mut self,
        phone: Phone,
        denied: UserId,
        now: Mono,
        (limits, entropy): (&Limits, &mut Entropy),
    ) -> Begun {
        let recheck = self.0.entry(phone).or_insert_with(|| Recheck {
            backoff: Backoff::new(limits.recheck_first, limits.recheck_max),
            not_before: Mono(0),
            denied: None,
        });
        if recheck.denied.is_some() {
            return Begun::Asking;
        }
        if now < recheck.not_before {
            return Begun::TooSoon;
        }
        recheck.denied = Some(denied);
        recheck.not_before = now + recheck.backoff.next(entropy).max(SHORTEST);
        Begun::Asking
    }

    /// The contact was looked up. Returns the id that the server had not known, if it was looked up
    /// for that.
    pub(in crate::client) fn end(&mut self, phone: Phone) -> Option<UserId> {
        self.0.get_mut(&phone)?.denied.take()
    }

    /// The contact is reached under its id: the pauses start small again.
    pub(in crate::client) fn forget(&mut self, phone: Phone) {
        self.0.retain(|known, recheck| *known != phone || recheck.denied.is_some());
    }
}

/// Long enough for what was sent at once to be refused together.
const SHORTEST: Duration = Duration::from_secs(1);
