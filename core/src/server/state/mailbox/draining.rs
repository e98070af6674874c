//! How a mailbox drains: pages are read and sent, a window at a time, until the owner has taken all.

use alloc::vec::Vec;

use super::{Mailbox, Presence};
use crate::ids::ConnId;
use crate::server::limits::Limits;
use crate::server::state::drain::{Drain, DrainStep, Finale};
use crate::server::state::in_flight::Place;
use crate::server::store::Page;
use crate::time::Mono;
use crate::wire::{ItemId, Packet};

impl Mailbox {
    /// A page was read for the session on `conn`. Returns the packets to send, in order.
    pub(in crate::server) fn page_read(
        &mut self,
        conn: ConnId,
        page: Page,
        now: Mono,
    ) -> Vec<Packet> {
        let Some(drain) = self.drain_on(conn) else { return Vec::new() };
        drain.reading = false;
        drain.more |= page.more;
        let mut to_send = Vec::new();
        for entry in page.items {
            let item = ItemId::of(&entry.packet);
            let place = item.and_then(|item| self.in_flight.place(&item));
            let Some(drain) = self.drain_on(conn) else { break };
            if place == Some(Place::Settling) {
                // Its sender has repeated it, and it was stored again behind the deletion that is
                // under way. It goes out after that.
                (drain.blocked, drain.more) = (true, true);
                break;
            }
            drain.cursor = drain.cursor.max(entry.seq);
            let Some(item) = item.filter(|_| place.is_none()) else { continue };
            drain.drained += 1;
            self.in_flight.send_stored(item, entry.packet.bytes().len(), now);
            to_send.push(entry.packet);
        }
        to_send
    }

    /// The store could not read the page. Returns whether it was one for this session.
    pub(in crate::server) fn page_failed(&mut self, conn: ConnId) -> bool {
        let Some(drain) = self.drain_on(conn) else { return false };
        (drain.reading, drain.more) = (false, true);
        true
    }

    fn drain_on(&mut self, conn: ConnId) -> Option<&mut Drain> {
        match &mut self.presence {
            Presence::Draining(drain) if drain.conn == conn => Some(drain),
            Presence::Draining(_) | Presence::Live(_) | Presence::Away => None,
        }
    }

    /// The owner's socket is full: a live mailbox goes over to the store.
    pub(in crate::server) fn stall(&mut self) {
        if let Presence::Live(conn) = self.presence {
            self.spill(conn);
        }
        if let Presence::Draining(drain) = &mut self.presence {
            drain.stalled = true;
        }
    }

    /// The owner's socket takes bytes again.
    pub(in crate::server) fn unstall(&mut self) {
        if let Presence::Draining(drain) = &mut self.presence {
            drain.stalled = false;
            self.owing_since = None;
        }
    }

    /// The 255 was sent: the mailbox goes live, unless something was stored meanwhile.
    pub(in crate::server) fn announced(&mut self) {
        if let Presence::Draining(drain) = &mut self.presence {
            drain.finale = Finale::Silent;
        }
    }

    /// The next step of the drain, if one can be taken. Once everything is acknowledged and
    /// announced, the mailbox goes live. `share` is as for [`route`](Self::route).
    pub(in crate::server) fn next_drain_step(
        &mut self,
        limits: &Limits,
        share: usize,
    ) -> Option<DrainStep> {
        let is_settled = self.is_settled();
        let Presence::Draining(drain) = &mut self.presence else { return None };
        if drain.reading || drain.blocked || drain.finale == Finale::Announcing {
            return None;
        }
        let conn = drain.conn;
        if drain.more {
            let Some(limit) = drain.window(limits, share, &self.in_flight) else {
                let is_held_up = share < usize::MAX
                    && drain.window(limits, usize::MAX, &self.in_flight).is_some();
                return is_held_up.then_some(DrainStep::AwaitRoom);
            };
            (drain.reading, drain.more) = (true, false);
            return Some(DrainStep::ReadPage { conn, after: drain.cursor, limit });
        }
        if !self.in_flight.is_empty() || !is_settled || drain.stalled {
            return None;
        }
        if drain.finale == Finale::Announce {
            drain.finale = Finale::Announcing;
            return Some(DrainStep::Announce { conn, drained: drain.drained });
        }
        let since = drain.since;
        self.presence = Presence::Live(conn);
        Some(DrainStep::Live { conn, since })
    }

    /// Since when an owner whose mailbox drains has taken nothing: neither acknowledged an item nor
    /// read from a congested socket. `None` if nothing waits for the owner. A live mailbox spills
    /// first.
    pub(in crate::server) fn owing_since(&mut self, now: Mono) -> Option<Mono> {
        let owes = match &self.presence {
            Presence::Draining(drain) => drain.stalled || self.in_flight.count(Place::Stored) > 0,
            Presence::Away | Presence::Live(_) => false,
        };
        self.owing_since = if owes { self.owing_since.or(Some(now)) } else { None };
        self.owing_since
    }
}
