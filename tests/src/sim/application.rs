//! The applications of simulated clients.

use std::collections::BTreeMap;

use sealpost_core::ids::{Phone, UserId};
use sealpost_core::keys::Fingerprint;

/// What an application wants its client to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// Not started by the plan yet.
    Idle,
    Online,
    Offline,
}

/// Application of a client.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states")]
pub(super) struct App {
    pub(super) goal: Goal,
    /// Whether the client reported a session.
    pub(super) online: bool,
    /// Whether the client received everything that was pending.
    pub(super) caught_up: bool,
    /// Whether an attempt to go online is scheduled.
    pub(super) retry_scheduled: bool,
    /// Whether the server does not know the account any more.
    pub(super) denied: bool,
    /// User id, once the server has created the account.
    pub(super) user: Option<UserId>,
    /// Index of the key in the client's directory.
    pub(super) key: usize,
    /// Changed keys of contacts that the client reported in this incarnation.
    pub(super) offers: BTreeMap<Phone, Fingerprint>,
}

impl App {
    pub(super) const fn new(key: usize) -> Self {
        Self {
            goal: Goal::Idle,
            online: false,
            caught_up: false,
            retry_scheduled: false,
            denied: false,
            user: None,
            key,
            offers: BTreeMap::new(),
        }
    }
}
