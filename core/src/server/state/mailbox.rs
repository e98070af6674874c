//! One user's mailbox: away, draining what is stored, or live (PROTOCOL 6).
//!
//! ```text
//!            attach                all acknowledged
//!    Away ───────────▶ Draining ───────────────────────▶ Live
//!      ▲                  │  ▲  window full, or time up,   │
//!      │     detach       │  └── or the owner stalls ───────┤
//!      └──────────────────┴────────────── detach ──────────┘
//! ```
//!
//! A mailbox that is not `Live` appends arrivals to the store. An append always begins with what is
//! in flight and in memory only, so that nothing newer is stored before it.

mod draining;

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use bytes::Bytes;

use super::acknowledgement::{Acknowledgement, Released};
use super::drain::{Drain, Finale};
use super::in_flight::{InFlight, Place};
use super::settling::Settling;
use super::sharing::Moment;
use super::unstored::{Unstored, Waiting};
use crate::frame::{Durable, Verified};
use crate::ids::ConnId;
use crate::server::limits::{Limits, packet_memory};
use crate::time::Mono;
use crate::wire::{ItemId, ItemKind, Packet};

#[derive(Debug)]
pub(in crate::server) struct Mailbox {
    presence: Presence,
    in_flight: InFlight,
    /// Memory of it that the total of all mailboxes contains.
    counted: usize,
    /// Arrivals that wait to be appended, oldest first.
    queue: VecDeque<Verified<Packet>>,
    /// When the append under way began.
    appending: Option<Moment>,
    /// The owner's acknowledgements of items that are being appended; they wait until the append
    /// has ended.
    deferred: Vec<Acknowledgement>,
    /// Items in flight that they name. No other acknowledgement of these is taken, so that those
    /// which wait are bounded by what is in flight.
    promised: BTreeSet<ItemId>,
    /// The store failed, or had no room; nothing is asked of it before this time.
    retry_at: Option<Mono>,
    /// Since when the owner has taken nothing of what waits for it.
    owing_since: Option<Mono>,
}

#[derive(Debug)]
enum Presence {
    Away,
    Draining(Drain),
    Live(ConnId),
}

/// How a session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Start {
    /// A new account: no 255 is due, but someone may have written since the account was created.
    Fresh,
    /// After a 106: a 255 says when everything that was stored has been sent. The store recorded the
    /// session after this moment.
    Reconnected { since: Moment },
}

/// Decision about an item on its way to its recipient.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) enum Routed {
    /// To be sent on this connection; it is held until it is acknowledged.
    Forward(ConnId, Bytes),
    /// It waits for the store, as does this much of its sender.
    Queued(Waiting),
    /// It is in flight already.
    Repeat,
}

impl Mailbox {
    pub(in crate::server) fn away() -> Self {
        Self::new(Presence::Away)
    }

    /// Recreates the mailbox of a live user that was dropped while idle.
    pub(in crate::server) fn live(conn: ConnId) -> Self {
        Self::new(Presence::Live(conn))
    }

    fn new(presence: Presence) -> Self {
        Self {
            presence,
            in_flight: InFlight::default(),
            counted: 0,
            queue: VecDeque::new(),
            appending: None,
            deferred: Vec::new(),
            promised: BTreeSet::new(),
            retry_at: None,
            owing_since: None,
        }
    }

    /// The owner's session begins on this connection.
    pub(in crate::server) fn attach(&mut self, conn: ConnId, start: Start) {
        let (finale, since) = match start {
            Start::Fresh => (Finale::Silent, Moment::default()),
            Start::Reconnected { since } => (Finale::Announce, since),
        };
        self.presence = Presence::Draining(Drain { since, ..Drain::new(conn, finale) });
    }

    /// The owner's connection is gone: what was held for it goes to the store, oldest first and
    /// before anything newer.
    pub(in crate::server) fn detach(&mut self, unstored: &mut Unstored) {
        self.presence = Presence::Away;
        // What they acknowledge stays stored, and is acknowledged again in the next session.
        self.deferred.clear();
        self.promised.clear();
        let mut held = VecDeque::from(self.in_flight.take());
        for packet in &held {
            unstored.enter(packet.get());
        }
        held.append(&mut self.queue);
        self.queue = held;
    }

    /// The connection that this mailbox delivers to.
    pub(in crate::server) fn conn(&self) -> Option<ConnId> {
        match &self.presence {
            Presence::Away => None,
            Presence::Draining(drain) => Some(drain.conn),
            Presence::Live(conn) => Some(*conn),
        }
    }

    pub(in crate::server) const fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    pub(in crate::server) const fn queue(&self) -> &VecDeque<Verified<Packet>> {
        &self.queue
    }

    pub(in crate::server) const fn is_appending(&self) -> bool {
        self.appending.is_some()
    }

    /// Whether a page is being read.
    pub(in crate::server) const fn is_reading(&self) -> bool {
        matches!(&self.presence, Presence::Draining(drain) if drain.reading)
    }

    /// Count of items named by acknowledgements that wait for the append under way.
    pub(in crate::server) fn deferred_len(&self) -> usize {
        self.deferred.iter().map(|waiting| waiting.items().len()).sum()
    }

    /// Whether nothing waits for the store.
    pub(in crate::server) fn is_settled(&self) -> bool {
        self.queue.is_empty() && !self.is_appending()
    }

    /// Whether there is nothing to remember: the owner is away, or live and has acknowledged
    /// everything.
    pub(in crate::server) fn is_idle(&self) -> bool {
        let known = match self.presence {
            Presence::Away | Presence::Live(_) => true,
            Presence::Draining(_) => false,
        };
        known && self.is_settled() && self.in_flight.is_empty()
    }

    /// Takes a message or receipt for the owner. It takes the proof that the packet was verified:
    /// whatever is sent or stored from here was signed by whom it names. What is in flight to the
    /// owner may take `share` bytes of memory, even if its window is larger.
    pub(in crate::server) fn route(
        &mut self,
        limits: &Limits,
        share: usize,
        unstored: &mut Unstored,
        now: Mono,
        item: ItemId,
        packet: Verified<Packet>,
    ) -> Routed {
        if self.is_repeat(&item) {
            return Routed::Repeat;
        }
        if let Presence::Live(conn) = self.presence {
            if self.has_room(limits, share) {
                let bytes = packet.get().bytes().clone();
                self.in_flight.forward(item, packet, now);
                self.counted += packet_memory(bytes.len());
                return Routed::Forward(conn, bytes);
            }
            self.spill(conn);
        }
        let waiting = unstored.enter(packet.get());
        self.queue.push_back(packet);
        Routed::Queued(waiting)
    }

    fn is_repeat(&self, item: &ItemId) -> bool {
        match self.in_flight.place(item) {
            Some(Place::Memory | Place::Appending) => true,
            // Nobody waits to hear that a receipt is stored; a message's sender does.
            Some(Place::Stored | Place::Settling) => item.kind == ItemKind::Receipt,
            None => false,
        }
    }

    /// Whether [`route`](Self::route) would have an item stored.
    pub(in crate::server) fn would_store(
        &self,
        limits: &Limits,
        share: usize,
        item: &ItemId,
    ) -> bool {
        let forwards = matches!(self.presence, Presence::Live(_)) && self.has_room(limits, share);
        !forwards && !self.is_repeat(item)
    }

    /// A receipt for the owner has just been stored. Returns what to send at once, if the owner is
    /// live and there is room; otherwise the drain finds it.
    pub(in crate::server) fn receipt_stored(
        &mut self,
        limits: &Limits,
        share: usize,
        now: Mono,
        item: ItemId,
        settling: &Durable<Settling>,
    ) -> Option<(ConnId, Bytes)> {
        if let Presence::Draining(drain) = &mut self.presence {
            drain.more = true;
        }
        let Presence::Live(conn) = self.presence else { return None };
        if self.in_flight.place(&item).is_some() {
            return None;
        }
        if !self.has_room(limits, share) {
            self.spill(conn);
            return None;
        }
        let bytes = settling.get().receipt.get().bytes().clone();
        self.in_flight.send_stored(item, bytes.len(), now);
        Some((conn, bytes))
    }

    fn has_room(&self, limits: &Limits, share: usize) -> bool {
        self.in_flight.len() < limits.in_flight_items
            && self.in_flight.bytes() < limits.in_flight_bytes
            && self.in_flight.memory() < share
    }

    /// Bytes by which the memory of what is in flight has grown and shrunk since the last call.
    pub(in crate::server) fn recount(&mut self) -> (usize, usize) {
        let before = core::mem::replace(&mut self.counted, self.in_flight.memory());
        (self.counted.saturating_sub(before), before.saturating_sub(self.counted))
    }

    /// Memory of what is in flight as of the last [`recount`](Self::recount).
    pub(in crate::server) const fn counted(&self) -> usize {
        self.counted
    }

    /// The owner acknowledged items. If one of them is being appended, the acknowledgement is kept
    /// until the append has ended, and `None` is returned: a deletion would reach the item too
    /// early, and leave it in the store. A receipt that names more other items than awaited ones is
    /// dropped (PROTOCOL 6.1), also with `None`.
    pub(in crate::server) fn acknowledge(
        &mut self,
        mut acknowledgement: Acknowledgement,
    ) -> Option<(Acknowledgement, Released)> {
        if !acknowledgement.is_worth_forwarding(|item| self.awaits(item)) {
            return None;
        }
        let items = acknowledgement.items();
        let waits = |item: &ItemId| {
            self.in_flight.place(item) == Some(Place::Appending) && self.awaits(item)
        };
        if self.in_flight.count(Place::Appending) > 0 && items.iter().any(waits) {
            acknowledgement.keep_awaited(|item| self.awaits(item));
            let items = acknowledgement.items().iter().filter(|item| self.awaits(item));
            let promised: Vec<_> = items.copied().collect();
            self.promised.extend(promised);
            self.deferred.push(acknowledgement);
            return None;
        }
        let mut released = Released { from_memory: 0, stored: Vec::new() };
        let before = self.in_flight.count(Place::Memory) + self.in_flight.count(Place::Stored);
        for item in items {
            match self.in_flight.place(item).filter(|_| !self.promised.contains(item)) {
                Some(Place::Memory) => {
                    self.in_flight.remove(item);
                    released.from_memory += 1;
                }
                Some(Place::Stored) => {
                    self.in_flight.settling(item);
                    released.stored.push(*item);
                }
                Some(Place::Appending | Place::Settling) | None => {}
            }
        }
        if self.in_flight.count(Place::Memory) + self.in_flight.count(Place::Stored) < before {
            self.owing_since = None;
        }
        Some((acknowledgement, released))
    }

    /// Whether the owner was sent an item and has not acknowledged it.
    fn awaits(&self, item: &ItemId) -> bool {
        match self.in_flight.place(item) {
            Some(Place::Memory | Place::Appending | Place::Stored) => !self.promised.contains(item),
            Some(Place::Settling) | None => false,
        }
    }

    /// Items were deleted from the store. Returns the bytes of those that were in flight.
    pub(in crate::server) fn settled(&mut self, items: &[ItemId]) -> usize {
        let before = self.in_flight.bytes();
        for item in items {
            self.in_flight.remove(item);
        }
        if let Presence::Draining(drain) = &mut self.presence {
            drain.blocked = false;
        }
        before - self.in_flight.bytes()
    }

    /// Begins to append what waits, unless an append is under way or the mailbox is live. Returns
    /// the packets to append, in order.
    pub(in crate::server) fn begin_append(
        &mut self,
        limits: &Limits,
        unstored: &mut Unstored,
        moment: Moment,
    ) -> Option<Vec<Verified<Packet>>> {
        if self.is_appending() || matches!(self.presence, Presence::Live(_)) {
            return None;
        }
        let mut packets = self.in_flight.begin_append();
        for packet in &packets {
            unstored.enter(packet.get());
        }
        // Saturating: what is in flight is appended whole, even if it is more than one batch.
        let room = limits.append_batch.saturating_sub(packets.len()).min(self.queue.len());
        packets.extend(self.queue.drain(..room));
        self.appending = (!packets.is_empty()).then_some(moment);
        self.is_appending().then_some(packets)
    }

    /// An item of the append under way is in the store.
    pub(in crate::server) fn stored(&mut self, item: &ItemId) {
        // A repeat of an item that is being deleted from the store is not the one in flight.
        if self.in_flight.place(item) == Some(Place::Appending) {
            self.in_flight.stored(item);
        }
    }

    /// The store did not take an item of the append under way. Returns the packet if its sender
    /// has to be told: nobody holds it any more, or it was a repeat of one that is stored. An item
    /// that was sent stays in flight; a receipt is tried again.
    pub(in crate::server) fn not_stored(
        &mut self,
        unstored: &mut Unstored,
        item: &ItemId,
        packet: Verified<Packet>,
    ) -> Option<Verified<Packet>> {
        if self.in_flight.place(item) == Some(Place::Appending) {
            self.in_flight.not_stored(item);
            return None;
        }
        match item.kind {
            ItemKind::Message => Some(packet),
            ItemKind::Receipt => {
                unstored.enter(packet.get());
                self.queue.push_front(packet);
                None
            }
        }
    }

    /// Takes waiting messages back after one that comes before them was refused. `waits_for_it` says
    /// which ones those are.
    pub(in crate::server) fn withdraw(
        &mut self,
        unstored: &mut Unstored,
        waits_for_it: impl Fn(&ItemId) -> bool,
    ) -> Vec<Verified<Packet>> {
        let is_withdrawn = |packet: &Verified<Packet>| {
            ItemId::of(packet.get())
                .is_some_and(|item| item.kind == ItemKind::Message && waits_for_it(&item))
        };
        let (withdrawn, kept) =
            core::mem::take(&mut self.queue).into_iter().partition::<Vec<_>, _>(is_withdrawn);
        self.queue = kept.into();
        for packet in &withdrawn {
            unstored.leave(packet.get());
        }
        withdrawn
    }

    /// The append under way has ended, and has stored something or not. Returns the acknowledgements
    /// that waited for it.
    pub(in crate::server) fn append_ended(&mut self, has_stored: bool) -> Vec<Acknowledgement> {
        let began = self.appending.take().filter(|_| has_stored).unwrap_or_default();
        if let Presence::Draining(drain) = &mut self.presence {
            drain.more = true;
            drain.since = drain.since.max(began);
        }
        self.promised.clear();
        core::mem::take(&mut self.deferred)
    }

    /// The store failed, or had no room: nothing is asked of it before `until`.
    pub(in crate::server) const fn rest_until(&mut self, until: Mono) {
        self.retry_at = Some(until);
    }

    /// Time until which nothing is asked of the store; `None` if it has passed.
    pub(in crate::server) fn rests_until(&self, now: Mono) -> Option<Mono> {
        self.retry_at.filter(|at| *at > now)
    }

    /// The mailbox's alarm went off: the owner was too slow, or the store may be asked again.
    /// Returns when it must go off again.
    pub(in crate::server) fn on_alarm(&mut self, limits: &Limits, now: Mono) -> Option<Mono> {
        self.retry_at = self.rests_until(now);
        let due = self.in_flight.oldest_in_memory()? + limits.in_flight_timeout;
        match self.presence {
            Presence::Live(conn) if due <= now => {
                self.spill(conn);
                None
            }
            Presence::Live(_) => Some(due),
            Presence::Draining(_) | Presence::Away => None,
        }
    }

    /// Others may have stored something: it is read.
    pub(in crate::server) fn look_again(&mut self) {
        match &mut self.presence {
            Presence::Live(conn) => {
                let conn = *conn;
                self.spill(conn);
            }
            Presence::Draining(drain) => drain.more = true,
            Presence::Away => {}
        }
    }

    /// Changes from live to draining: the next append begins with what is in flight. No 255
    /// follows, because the client has already received it.
    fn spill(&mut self, conn: ConnId) {
        self.presence = Presence::Draining(Drain::new(conn, Finale::Silent));
    }

    pub(in crate::server) fn is_consistent(&self) -> Result<(), &'static str> {
        self.in_flight.is_consistent()?;
        let in_flight_appends = self.in_flight.count(Place::Appending) > 0;
        match self.presence {
            Presence::Away if !self.in_flight.is_empty() => {
                Err("items are in flight to someone who is away")
            }
            Presence::Away if !self.deferred.is_empty() => {
                Err("acknowledgements are kept of someone who is away")
            }
            Presence::Live(_) if !self.is_settled() => {
                Err("something waits for the store behind a live recipient")
            }
            _ if in_flight_appends && !self.is_appending() => {
                Err("an item is being appended without an append")
            }
            _ if !self.deferred.is_empty() && !self.is_appending() => {
                Err("acknowledgements wait for an append that is not under way")
            }
            _ if self.promised.iter().any(|item| self.in_flight.place(item).is_none()) => {
                Err("an acknowledgement that waits names an item that is gone")
            }
            Presence::Away | Presence::Draining(_) | Presence::Live(_) => Ok(()),
        }
    }
}
