//! Packets that wait to be stored, across all mailboxes: how many of each user, and of how many
//! bytes.

use alloc::collections::BTreeMap;

use crate::ids::UserId;
use crate::server::limits::packet_memory;
use crate::wire::Packet;

/// Packets that wait in a mailbox's queue or in an append under way, by their sender. A sender with
/// too many is not read from until they are stored.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::server) struct Unstored {
    by_sender: BTreeMap<UserId, Waiting>,
    /// Memory of all senders' packets.
    memory: usize,
}

/// What waits of one sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::server) struct Waiting {
    pub(in crate::server) packets: usize,
    pub(in crate::server) bytes: usize,
}

impl Unstored {
    pub(in crate::server) fn of(&self, user: UserId) -> Waiting {
        self.by_sender.get(&user).copied().unwrap_or_default()
    }

    /// Memory of all senders' packets.
    pub(in crate::server) const fn memory(&self) -> usize {
        self.memory
    }

    /// The largest count of packets and the largest count of bytes, each of any sender.
    pub(in crate::server) fn most(&self) -> Waiting {
        self.by_sender.values().fold(Waiting::default(), |most, waiting| Waiting {
            packets: most.packets.max(waiting.packets),
            bytes: most.bytes.max(waiting.bytes),
        })
    }

    /// Whether no count is below the other's.
    pub(in crate::server) fn covers(&self, other: &Self) -> bool {
        other.by_sender.iter().all(|(user, theirs)| {
            let ours = self.of(*user);
            ours.packets >= theirs.packets && ours.bytes >= theirs.bytes
        })
    }

    /// Whether the total is that of all senders.
    pub(in crate::server) fn is_consistent(&self) -> bool {
        let memory = |waiting: &Waiting| waiting.bytes + waiting.packets * packet_memory(0);
        self.by_sender.values().map(memory).sum::<usize>() == self.memory
    }

    /// A packet begins to wait. Returns what waits of its sender.
    pub(in crate::server) fn enter(&mut self, packet: &Packet) -> Waiting {
        let Some(user) = packet.header().sender else { return Waiting::default() };
        let len = packet.bytes().len();
        let waiting = self.by_sender.entry(user).or_default();
        waiting.packets += 1;
        waiting.bytes += len;
        self.memory += packet_memory(len);
        *waiting
    }

    /// A packet waits no longer.
    pub(in crate::server) fn leave(&mut self, packet: &Packet) {
        let Some(user) = packet.header().sender else { return };
        let Some(waiting) = self.by_sender.get_mut(&user) else {
            debug_assert!(false, "a packet left that never waited");
            return;
        };
        let len = packet.bytes().len();
        waiting.packets -= 1;
        waiting.bytes -= len;
        self.memory -= packet_memory(len);
        if waiting.packets == 0 {
            self.by_sender.remove(&user);
        }
    }
}
