//! How much of each user's waits for the store, wherever it waits.

use alloc::collections::BTreeMap;

use crate::ids::UserId;
use crate::wire::Packet;

/// How many packets of each user wait for the store, in all mailboxes.
#[derive(Debug, Default)]
pub(super) struct Backlog(BTreeMap<UserId, usize>);

impl Backlog {
    pub(super) fn of(&self, user: UserId) -> usize {
        self.0.get(&user).copied().unwrap_or_default()
    }

    /// The most of a user's.
    pub(super) fn most(&self) -> usize {
        self.0.values().copied().max().unwrap_or(0)
    }

    /// A packet begins to wait.
    pub(super) fn enter(&mut self, packet: &Packet) {
        if let Some(user) = packet.header().sender {
            let count = self.0.entry(user).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// A packet waits no longer.
    pub(super) fn leave(&mut self, packet: &Packet) {
        let Some(user) = packet.header().sender else { return };
        let Some(count) = self.0.get_mut(&user) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.0.remove(&user);
        }
    }
}
