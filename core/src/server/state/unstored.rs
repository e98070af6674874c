//! Per-user count of packets that wait to be stored, across all mailboxes.

use alloc::collections::BTreeMap;

use crate::ids::UserId;
use crate::wire::Packet;

/// Counts of packets that wait in a mailbox's queue or in an append under way, by their sender.
/// A sender with too many is not read from until they are stored.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::server) struct Unstored(BTreeMap<UserId, usize>);

impl Unstored {
    pub(in crate::server) fn of(&self, user: UserId) -> usize {
        self.0.get(&user).copied().unwrap_or_default()
    }

    /// The largest of the counts.
    pub(in crate::server) fn most(&self) -> usize {
        self.0.values().copied().max().unwrap_or(0)
    }

    /// Whether no count is below the other's.
    pub(in crate::server) fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|(user, count)| self.of(*user) >= *count)
    }

    /// A packet begins to wait. Returns the count of its sender's packets that do.
    pub(in crate::server) fn enter(&mut self, packet: &Packet) -> usize {
        let Some(user) = packet.header().sender else { return 0 };
        let count = self.0.entry(user).or_default();
        *count += 1;
        *count
    }

    /// A packet waits no longer.
    pub(in crate::server) fn leave(&mut self, packet: &Packet) {
        let Some(user) = packet.header().sender else { return };
        let Some(count) = self.0.get_mut(&user) else {
            debug_assert!(false, "a packet left that never waited");
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.0.remove(&user);
        }
    }
}
