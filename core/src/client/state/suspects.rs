//! Items that were not authentic when they arrived.

use alloc::collections::BTreeSet;

use crate::wire::ItemId;

/// Items whose signature did not verify, for as long as the client runs.
#[derive(Debug)]
pub(in crate::client) struct Suspects {
    items: BTreeSet<ItemId>,
    limit: usize,
}

/// Whether an item that is not authentic has arrived before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum Suspect {
    /// It has not. Somebody on the wire may have changed it.
    First,
    /// It has, or there is no room to remember it: asking for it again gains nothing.
    Repeated,
}

impl Suspects {
    pub(in crate::client) const fn new(limit: usize) -> Self {
        Self { items: BTreeSet::new(), limit }
    }

    /// Remembers an item that is not authentic.
    pub(in crate::client) fn note(&mut self, item: ItemId) -> Suspect {
        if self.items.contains(&item) || self.items.len() >= self.limit {
            return Suspect::Repeated;
        }
        self.items.insert(item);
        Suspect::First
    }
}
