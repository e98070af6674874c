//! One user's mailbox: away, draining what is stored, or live (PROTOCOL 6).
//!
//! ```text
//!            attach                all acknowledged
//!    Away ───────────▶ Draining ───────────────────────▶ Live
//!      ▲                  │  ▲  window full, or time up,   │
//!      │     detach       │  └───── or reader stalls ──────┤
//!      └──────────────────┴────────────── detach ──────────┘
//! ```
//!
//! Whatever is not `Live` appends arrivals to the store. An append always begins with what is in
//! flight and in memory only, so that nothing newer is stored before it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::Timer;
use super::awaits::{Await, AwaitAppend, AwaitPage};
use super::backlog::Backlog;
use super::drain::{Drain, Finale};
use super::in_flight::{InFlight, Place};
use super::out::Out;
use super::proof::Verified;
use crate::frame::Alarms;
use crate::frame::legacy::Pending;
use crate::ids::{ConnId, UserId};
use crate::server::limits::Limits;
use crate::server::store::{Page, StoreOp};
use crate::time::{Mono, Now};
use crate::wire::{ItemId, ItemKind, Packet, Receipt};

/// What a mailbox works with.
pub(super) struct Cx<'a> {
    pub(super) now: Now,
    pub(super) limits: &'a Limits,
    pub(super) out: &'a mut Out,
    pub(super) timers: &'a mut Alarms<Timer>,
    pub(super) backlog: &'a mut Backlog,
}

#[derive(Debug)]
pub(super) struct Mailbox {
    owner: UserId,
    presence: Presence,
    in_flight: InFlight,
    /// Arrivals that wait to be appended, oldest first.
    queue: VecDeque<Packet>,
    /// An append is under way.
    appending: bool,
    /// The reader's acknowledgements of what is being appended; they wait for that.
    deferred: Vec<Acknowledgement>,
    /// The store failed, or had no room; nothing is asked of it before this.
    retry_at: Option<Mono>,
}

#[derive(Debug)]
enum Presence {
    Away,
    Draining(Drain),
    Live(ConnId),
}

/// How a session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// A new account: nobody has announced a drain, but somebody may have written since the account
    /// exists.
    Fresh,
    /// After a 106: a 255 says when everything stored is out.
    Resumed,
}

/// What became of an item on its way to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Routed {
    /// Forwarded and held.
    Sent,
    /// Waits for the store.
    Queued,
    /// In flight already.
    Repeat,
}

/// A reader's word that it has taken items.
#[derive(Debug)]
pub(super) enum Acknowledgement {
    /// Messages of one sender, by the receipt that goes to it.
    Messages {
        /// All of one sender.
        keys: Vec<ItemId>,
        /// The reader's packet.
        receipt: Verified<Packet>,
        /// Whom it goes to.
        sender: UserId,
    },
    /// Receipts.
    Receipts(Vec<ItemId>),
}

/// What an acknowledgement released.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Released {
    /// Items that were held in memory alone; they are gone.
    pub(super) from_memory: usize,
    /// Items that are stored and are to be settled there; they count as settling from now.
    pub(super) stored: Vec<ItemId>,
}

impl Mailbox {
    pub(super) fn new(owner: UserId) -> Self {
        Self {
            owner,
            presence: Presence::Away,
            in_flight: InFlight::default(),
            queue: VecDeque::new(),
            appending: false,
            deferred: Vec::new(),
            retry_at: None,
        }
    }

    /// Of somebody whose session is on this connection, and of whom nothing is stored: what
    /// [`Mailbox::is_idle`] has let go.
    pub(super) fn live(owner: UserId, conn: ConnId) -> Self {
        Self { presence: Presence::Live(conn), ..Self::new(owner) }
    }

    /// The owner's session begins on this connection.
    pub(super) fn attach(&mut self, conn: ConnId, start: Start) {
        let finale = match start {
            Start::Fresh => Finale::Silent,
            Start::Resumed => Finale::Announce,
        };
        self.presence = Presence::Draining(Drain::new(conn, finale));
    }

    /// The owner's connection is gone: what was held for it goes to the store, oldest first and
    /// before anything newer.
    pub(super) fn detach(&mut self, cx: &mut Cx<'_>) {
        self.presence = Presence::Away;
        self.deferred.clear();
        cx.timers.cancel(Timer::Mailbox(self.owner));
        let mut held: VecDeque<Packet> = VecDeque::new();
        for sent in self.in_flight.take() {
            if sent.place == Place::Memory {
                cx.backlog.enter(&sent.packet);
                held.push_back(sent.packet);
            }
        }
        held.append(&mut self.queue);
        self.queue = held;
    }

    /// The connection that this mailbox delivers to.
    pub(super) fn conn(&self) -> Option<ConnId> {
        match &self.presence {
            Presence::Away => None,
            Presence::Draining(drain) => Some(drain.conn),
            Presence::Live(conn) => Some(*conn),
        }
    }

    pub(super) const fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// How many items are named by acknowledgements that wait for the append under way.
    pub(super) fn deferred_len(&self) -> usize {
        self.deferred.iter().map(|waiting| waiting.keys().len()).sum()
    }

    /// Nothing waits for the store.
    pub(super) fn is_settled(&self) -> bool {
        self.queue.is_empty() && !self.appending
    }

    /// There is nothing here to remember: of somebody who is away, or who is live and has
    /// acknowledged everything.
    pub(super) fn is_idle(&self) -> bool {
        let known = match self.presence {
            Presence::Away | Presence::Live(_) => true,
            Presence::Draining(_) => false,
        };
        known && self.is_settled() && self.in_flight.is_empty()
    }

    /// Takes a message or receipt for the owner.
    pub(super) fn route(&mut self, cx: &mut Cx<'_>, key: ItemId, packet: Packet) -> Routed {
        let is_repeat = match self.in_flight.place(&key) {
            Some(Place::Memory | Place::Appending) => true,
            // Nobody waits to hear that a receipt is stored; a message's sender does.
            Some(Place::Stored | Place::Settling) => key.kind == ItemKind::Receipt,
            None => false,
        };
        if is_repeat {
            return Routed::Repeat;
        }
        if let Presence::Live(conn) = self.presence {
            if self.has_room(cx.limits) {
                cx.out.send(conn, packet.bytes().clone());
                self.in_flight.add(key, packet, cx.now.mono, Place::Memory);
                cx.timers.arm_if_idle(
                    Timer::Mailbox(self.owner),
                    cx.now.mono + cx.limits.in_flight_timeout,
                );
                return Routed::Sent;
            }
            self.spill(conn);
        }
        cx.backlog.enter(&packet);
        self.queue.push_back(packet);
        Routed::Queued
    }

    /// A receipt for the owner is in the store since just now. Sent at once while the owner is
    /// live and there is room; else the drain finds it.
    pub(super) fn receipt_stored(&mut self, cx: &mut Cx<'_>, key: ItemId, packet: Packet) {
        if let Presence::Draining(drain) = &mut self.presence {
            drain.more = true;
        }
        let Presence::Live(conn) = self.presence else { return };
        if self.in_flight.place(&key).is_some() {
            return;
        }
        if !self.has_room(cx.limits) {
            return self.spill(conn);
        }
        cx.out.send(conn, packet.bytes().clone());
        self.in_flight.add(key, packet, cx.now.mono, Place::Stored);
    }

    fn has_room(&self, limits: &Limits) -> bool {
        self.in_flight.len() < limits.in_flight_items
            && self.in_flight.bytes() < limits.in_flight_bytes
    }

    /// The 255 is on its way: the mailbox goes live, unless something was stored meanwhile.
    pub(super) fn announced(&mut self) {
        if let Presence::Draining(drain) = &mut self.presence {
            drain.finale = Finale::Silent;
        }
    }

    /// The owner acknowledged items. What is being appended has to be waited for: then the
    /// acknowledgement is kept, and `None` returned.
    pub(super) fn acknowledge(
        &mut self,
        limits: &Limits,
        acknowledgement: Acknowledgement,
    ) -> Option<(Acknowledgement, Released)> {
        let keys = acknowledgement.keys();
        let is_appending = |key| self.in_flight.place(key) == Some(Place::Appending);
        if self.in_flight.count(Place::Appending) > 0 && keys.iter().any(is_appending) {
            // An honest reader acknowledges an item once in a session, and once more if it came in
            // the one before as well; who goes on repeating itself is not heard.
            if self.deferred_len() < limits.in_flight_items + Receipt::MAX_ITEMS {
                self.deferred.push(acknowledgement);
            }
            return None;
        }
        let mut released = Released { from_memory: 0, stored: Vec::new() };
        for key in keys {
            match self.in_flight.place(key) {
                Some(Place::Memory) => {
                    self.in_flight.remove(key);
                    released.from_memory = released.from_memory.saturating_add(1);
                }
                Some(Place::Stored) => {
                    self.in_flight.set_place(key, Place::Settling);
                    released.stored.push(*key);
                }
                Some(Place::Appending | Place::Settling) | None => {}
            }
        }
        Some((acknowledgement, released))
    }

    /// Items are out of the store.
    pub(super) fn settled(&mut self, keys: &[ItemId]) {
        for key in keys {
            self.in_flight.remove(key);
        }
        if let Presence::Draining(drain) = &mut self.presence {
            drain.blocked = false;
        }
    }

    /// An item of the append under way is in the store.
    pub(super) fn stored(&mut self, key: &ItemId) {
        // A repeat of one that is on its way out of the store is not the one in flight.
        if self.in_flight.place(key) == Some(Place::Appending) {
            self.in_flight.set_place(key, Place::Stored);
        }
    }

    /// The store did not take an item. Returns the packet if its sender has to be told: nobody holds
    /// it any more, or it was a repeat of one that is stored. One that was sent stays in flight; a
    /// receipt is tried again.
    pub(super) fn not_stored(
        &mut self,
        cx: &mut Cx<'_>,
        key: &ItemId,
        packet: Packet,
    ) -> Option<Packet> {
        if self.in_flight.place(key) == Some(Place::Appending) {
            self.in_flight.set_place(key, Place::Memory);
            self.back_off(cx);
            return None;
        }
        match key.kind {
            ItemKind::Message => Some(packet),
            ItemKind::Receipt => {
                cx.backlog.enter(&packet);
                self.queue.push_front(packet);
                None
            }
        }
    }

    /// Takes a sender's waiting messages back, after an earlier one was refused: none may overtake
    /// it.
    pub(super) fn withdraw(&mut self, cx: &mut Cx<'_>, sender: UserId) -> Vec<Packet> {
        let is_later = |packet: &Packet| {
            ItemId::of(packet)
                .is_some_and(|key| key.kind == ItemKind::Message && key.origin == sender)
        };
        let (withdrawn, kept) =
            core::mem::take(&mut self.queue).into_iter().partition::<Vec<_>, _>(is_later);
        self.queue = kept.into();
        for packet in &withdrawn {
            cx.backlog.leave(packet);
        }
        withdrawn
    }

    /// The append under way has ended. Returns the acknowledgements that waited for it.
    pub(super) fn append_ended(&mut self) -> Vec<Acknowledgement> {
        self.appending = false;
        if let Presence::Draining(drain) = &mut self.presence {
            drain.more = true;
        }
        core::mem::take(&mut self.deferred)
    }

    /// The store failed, or had no room: it is left alone for a while.
    pub(super) fn back_off(&mut self, cx: &mut Cx<'_>) {
        let at = cx.now.mono + cx.limits.store_retry;
        self.retry_at = Some(at);
        cx.timers.arm(Timer::Mailbox(self.owner), at);
    }

    /// A page was read for the session on `conn`; `None` if the store failed.
    pub(super) fn page(&mut self, cx: &mut Cx<'_>, conn: ConnId, page: Option<Page>) {
        let Presence::Draining(drain) = &mut self.presence else { return };
        if drain.conn != conn {
            return;
        }
        drain.reading = false;
        let Some(page) = page else {
            drain.more = true;
            return self.back_off(cx);
        };
        drain.more |= page.more;
        for item in page.items {
            let key = ItemId::of(&item.packet);
            let place = key.and_then(|key| self.in_flight.place(&key));
            if place == Some(Place::Settling) {
                // Its sender has repeated it, and it was stored anew behind the deletion that is
                // under way. It goes out after that.
                (drain.blocked, drain.more) = (true, true);
                break;
            }
            drain.cursor = drain.cursor.max(item.seq);
            let Some(key) = key else { continue };
            if place.is_some() {
                continue;
            }
            cx.out.send(conn, item.packet.bytes().clone());
            drain.drained = drain.drained.saturating_add(1);
            self.in_flight.add(key, item.packet, cx.now.mono, Place::Stored);
        }
    }

    /// The reader's socket is full: a live mailbox goes over to the store.
    pub(super) fn stall(&mut self) {
        if let Presence::Live(conn) = self.presence {
            self.spill(conn);
        }
        if let Presence::Draining(drain) = &mut self.presence {
            drain.stalled = true;
        }
    }

    /// The reader's socket takes bytes again.
    pub(super) fn unstall(&mut self) {
        if let Presence::Draining(drain) = &mut self.presence {
            drain.stalled = false;
        }
    }

    /// The mailbox's alarm went off: a reader was too slow, or the store is to be tried again.
    pub(super) fn alarm(&mut self, cx: &mut Cx<'_>) {
        if self.retry_at.is_some_and(|at| at <= cx.now.mono) {
            self.retry_at = None;
        }
        let Some(oldest) = self.in_flight.oldest_in_memory() else { return };
        let due = oldest + cx.limits.in_flight_timeout;
        match self.presence {
            Presence::Live(conn) if due <= cx.now.mono => self.spill(conn),
            Presence::Live(_) => cx.timers.arm(Timer::Mailbox(self.owner), due),
            Presence::Draining(_) | Presence::Away => {}
        }
    }

    /// Does what can be done next. Call it after every change. Returns how much was drained, if
    /// the drain is over and a 255 must say so.
    pub(super) fn advance(&mut self, cx: &mut Cx<'_>) -> Option<u32> {
        if self.retry_at.is_some_and(|at| at > cx.now.mono) {
            cx.timers.arm_if_idle(Timer::Mailbox(self.owner), cx.now.mono + cx.limits.store_retry);
            return None;
        }
        self.start_append(cx);
        let Presence::Draining(drain) = &mut self.presence else { return None };
        if drain.reading || drain.blocked || drain.finale == Finale::Announcing {
            return None;
        }
        if drain.more {
            if let Some(limit) = drain.window(cx.limits, &self.in_flight) {
                (drain.reading, drain.more) = (true, false);
                let page = AwaitPage { owner: self.owner, conn: drain.conn };
                let op = StoreOp::Page { recipient: self.owner, after: drain.cursor, limit };
                cx.out.store(op, Await::Page(page));
            }
            return None;
        }
        let unsettled = !self.queue.is_empty() || self.appending;
        if !self.in_flight.is_empty() || unsettled || drain.stalled {
            return None;
        }
        if drain.finale == Finale::Announce {
            drain.finale = Finale::Announcing;
            return Some(drain.drained);
        }
        self.presence = Presence::Live(drain.conn);
        None
    }

    /// From live to draining: the next append begins with what is in flight. No 255 follows, the
    /// client has had it.
    fn spill(&mut self, conn: ConnId) {
        self.presence = Presence::Draining(Drain::new(conn, Finale::Silent));
    }

    /// Appends what waits, unless an append is under way or the mailbox is live.
    fn start_append(&mut self, cx: &mut Cx<'_>) {
        if self.appending || matches!(self.presence, Presence::Live(_)) {
            return;
        }
        let mut packets = self.in_flight.begin_append();
        for packet in &packets {
            cx.backlog.enter(packet);
        }
        let room = cx.limits.append_batch.saturating_sub(packets.len()).min(self.queue.len());
        packets.extend(self.queue.drain(..room));
        if packets.is_empty() {
            return;
        }
        self.appending = true;
        let append = AwaitAppend { recipient: self.owner, packets: Pending::new(packets.clone()) };
        let op = StoreOp::Append { recipient: self.owner, packets, at: cx.now.wall };
        cx.out.store(op, Await::Append(append));
    }
}

impl Acknowledgement {
    fn keys(&self) -> &[ItemId] {
        match self {
            Self::Messages { keys, .. } | Self::Receipts(keys) => keys,
        }
    }
}
