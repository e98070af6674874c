//! A mailbox against the simplest model of its messages.
//!
//! Whatever the order of arrivals, acknowledgements, connections and answers of the store: on one
//! connection each message is sent once, and the messages of each sender in order; none is lost;
//! each is released once; the items in flight stay within the limits.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::acknowledgement::{Acknowledgement, Released};
use super::drain::DrainStep;
use super::mailbox::{Mailbox, Routed, Start};
use super::sharing::Moment;
use super::unstored::Unstored;
use crate::frame::Verified;
use crate::ids::{ConnId, MessageId, UserId};
use crate::server::limits::Limits;
use crate::server::store::{Page, PageLimit, Seq, StoredItem};
use crate::time::{Mono, Timestamp};
use crate::wire::{Header, ItemId, ItemKind, Op, Oversized, Packet, Profile, SIGNATURE_LEN};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The next message of a sender arrives.
    Arrive {
        sender: u64,
    },
    /// The sender repeats its last one.
    Repeat {
        sender: u64,
    },
    Attach(Attach),
    Detach,
    /// The recipient acknowledges one of the messages that it holds.
    Acknowledge {
        nth: usize,
    },
    /// The store answers the oldest operation.
    Commit,
    /// The store fails it.
    Fail,
    Stall,
    Unstall,
    /// The next alarm goes off.
    Alarm,
}

#[derive(Clone, Copy, Debug)]
enum Attach {
    New,
    Again,
}

/// An operation that the store was asked for.
#[derive(Debug)]
enum Asked {
    Append(Vec<Verified<Packet>>),
    Page {
        conn: ConnId,
        after: Seq,
        limit: PageLimit,
    },
    /// To delete acknowledged messages. The server repeats it until it is done.
    Settle(Vec<ItemId>),
}

const OWNER: u64 = 9;

/// A mailbox with what the server does around it, and a store that is a list.
struct MailboxBed {
    limits: Limits,
    alarm: Option<Mono>,
    unstored: Unstored,
    now: Mono,
    mailbox: Mailbox,
    /// The store: messages by place.
    store: BTreeMap<u64, (ItemId, Packet)>,
    last_place: u64,
    asked: VecDeque<Asked>,
    conns: u64,
    /// The last number of each sender.
    last: BTreeMap<UserId, u64>,
    /// What was sent on this connection, and what of it the recipient has not acknowledged.
    sent: Vec<ItemId>,
    held: BTreeSet<ItemId>,
    released: BTreeSet<ItemId>,
    refused: BTreeSet<ItemId>,
    arrived: BTreeSet<ItemId>,
}

impl MailboxBed {
    fn new() -> Self {
        let limits = Limits {
            in_flight_items: 4,
            drain_items: 3,
            append_batch: 3,
            ..Limits::without_rates()
        };
        Self {
            limits,
            alarm: None,
            unstored: Unstored::default(),
            now: Mono(0),
            mailbox: Mailbox::away(),
            store: BTreeMap::new(),
            last_place: 0,
            asked: VecDeque::new(),
            conns: 0,
            last: BTreeMap::new(),
            sent: Vec::new(),
            held: BTreeSet::new(),
            released: BTreeSet::new(),
            refused: BTreeSet::new(),
            arrived: BTreeSet::new(),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Arrive { sender } => {
                let last = self.last.entry(user(sender)).or_default();
                *last += 1;
                let id = *last;
                self.arrive(sender, id);
            }
            Step::Repeat { sender } => {
                if let Some(id) = self.last.get(&user(sender)).copied() {
                    self.arrive(sender, id);
                }
            }
            Step::Attach(how) if self.mailbox.conn().is_none() => {
                self.conns += 1;
                let start = match how {
                    Attach::New => Start::Fresh,
                    Attach::Again => Start::Reconnected { since: Moment::default() },
                };
                self.mailbox.attach(ConnId(self.conns), start);
            }
            Step::Attach(_) => {}
            Step::Detach => {
                self.mailbox.detach(&mut self.unstored);
                self.alarm = None;
                self.sent.clear();
                self.held.clear();
            }
            Step::Acknowledge { nth } => {
                if let Some(item) = self.held.iter().nth(nth % self.held.len().max(1)).copied() {
                    self.acknowledge(item);
                }
            }
            Step::Commit => self.answer(Answer::Done),
            Step::Fail => self.answer(Answer::Failed),
            Step::Stall => self.mailbox.stall(),
            Step::Unstall => self.mailbox.unstall(),
            Step::Alarm => {
                if let Some(at) = self.alarm.take() {
                    self.now = self.now.max(at);
                    self.alarm = self.mailbox.on_alarm(&self.limits, self.now);
                }
            }
        }
        self.settle();
    }

    fn arrive(&mut self, sender: u64, id: u64) {
        let item = item(sender, id);
        self.arrived.insert(item);
        let Self { mailbox, limits, unstored, now, .. } = self;
        match mailbox.route(limits, usize::MAX, unstored, *now, item, packet(sender, id)) {
            // A sender who was refused, or not acknowledged, tries again.
            Routed::Forward(conn, bytes) => {
                self.refused.remove(&item);
                let due = self.now + self.limits.in_flight_timeout;
                self.alarm.get_or_insert(due);
                self.send(conn, &Packet::parse(Profile::Compact, bytes).expect("a packet"));
            }
            Routed::Queued { .. } => {
                self.refused.remove(&item);
            }
            Routed::Repeat => {}
        }
    }

    fn acknowledge(&mut self, item: ItemId) {
        self.held.remove(&item);
        let receipt = packet(OWNER, item.id);
        self.release(Acknowledgement::of_messages(item.origin, &[MessageId(item.id)], receipt));
    }

    fn release(&mut self, acknowledgement: Acknowledgement) {
        let kept = self.mailbox.acknowledge(acknowledgement);
        let Some((Acknowledgement::Messages { items, .. }, released)) = kept else { return };
        let Released { from_memory, stored } = released;
        assert!(from_memory + stored.len() <= 1, "one message, released once");
        if from_memory == 1 {
            self.released.extend(&items);
        }
        if !stored.is_empty() {
            self.released.extend(&stored);
            self.asked.push_back(Asked::Settle(stored));
        }
    }

    /// As the server's `settle` does it. A 255 is signed at once.
    fn settle(&mut self) {
        if let Some(until) = self.mailbox.rests_until(self.now) {
            self.alarm.get_or_insert(until);
        } else {
            let packets =
                self.mailbox.begin_append(&self.limits, &mut self.unstored, Moment::default());
            self.asked.extend(packets.map(Asked::Append));
            while let Some(step) = self.mailbox.next_drain_step(&self.limits, usize::MAX) {
                match step {
                    DrainStep::ReadPage { conn, after, limit } => {
                        self.asked.push_back(Asked::Page { conn, after, limit });
                    }
                    DrainStep::AwaitRoom => panic!("a window that no share limits has room"),
                    DrainStep::Announce { .. } => self.mailbox.announced(),
                    DrainStep::Live { .. } => break,
                }
            }
        }
        assert_eq!(self.mailbox.is_consistent(), Ok(()));
    }

    fn send(&mut self, conn: ConnId, packet: &Packet) {
        assert_eq!(Some(conn), self.mailbox.conn());
        let item = ItemId::of(packet).expect("a message");
        let after = |sent: &&ItemId| sent.origin == item.origin && sent.id >= item.id;
        let is_late = self.sent.iter().any(|sent| after(&sent));
        assert!(!is_late || self.released.contains(&item), "{item:?} out of order");
        assert!(self.held.insert(item), "{item:?} twice");
        assert!(self.held.len() <= 4, "over the window");
        self.sent.push(item);
    }

    /// The store answers its oldest operation.
    fn answer(&mut self, answer: Answer) {
        match (self.asked.pop_front(), answer) {
            (None, _) => {}
            (Some(Asked::Append(packets)), _) => self.appended(packets, answer),
            (Some(Asked::Page { conn, after, limit }), Answer::Done) => {
                let page = self.page(after, limit.items);
                for packet in self.mailbox.page_read(conn, page, self.now) {
                    self.send(conn, &packet);
                }
            }
            (Some(Asked::Page { conn, .. }), Answer::Failed) => {
                if self.mailbox.page_failed(conn) {
                    self.rest();
                }
            }
            (Some(Asked::Settle(items)), Answer::Done) => {
                self.store.retain(|_, (item, _)| !items.contains(item));
                self.mailbox.settled(&items);
            }
            (Some(Asked::Settle(items)), Answer::Failed) => {
                self.asked.push_front(Asked::Settle(items));
            }
        }
    }

    fn rest(&mut self) {
        let until = self.now + self.limits.store_retry;
        self.mailbox.rest_until(until);
        self.alarm = Some(until);
    }

    fn keep(&mut self, packet: &Packet) {
        let item = ItemId::of(packet).expect("a message");
        if self.store.values().all(|(kept, _)| *kept != item) {
            self.last_place += 1;
            self.store.insert(self.last_place, (item, packet.clone()));
        }
    }

    fn page(&self, after: Seq, limit: u32) -> Page {
        let mut behind = self.store.range(after.0 + 1..);
        let items = behind
            .by_ref()
            .take(usize::try_from(limit).expect("small"))
            .map(|(seq, (_, packet))| StoredItem { seq: Seq(*seq), packet: packet.clone() })
            .collect();
        Page { items, more: behind.next().is_some() }
    }

    /// As the server does it.
    fn appended(&mut self, packets: Vec<Verified<Packet>>, answer: Answer) {
        for packet in packets {
            let item = ItemId::of(packet.get()).expect("a message");
            self.unstored.leave(packet.get());
            match answer {
                Answer::Done => {
                    self.keep(packet.get());
                    self.mailbox.stored(&item);
                }
                Answer::Failed => self.not_stored(item, packet),
            }
        }
        if answer == Answer::Failed {
            self.rest();
        }
        for acknowledgement in self.mailbox.append_ended(true) {
            self.release(acknowledgement);
        }
    }

    fn not_stored(&mut self, item: ItemId, packet: Verified<Packet>) {
        let refused = self.mailbox.not_stored(&mut self.unstored, &item, packet).is_some();
        let waits_for_it = |later: &ItemId| !refused || later.origin == item.origin;
        let later = self.mailbox.withdraw(&mut self.unstored, waits_for_it);
        self.refused.extend(refused.then_some(item));
        self.refused.extend(later.iter().filter_map(|packet| ItemId::of(packet.get())));
    }

    /// The recipient is there and takes everything; the store works.
    fn come_to_rest(&mut self) {
        self.take(Step::Attach(Attach::Again));
        self.take(Step::Unstall);
        for _ in 0..4 * (self.arrived.len() + 4) {
            for step in [Step::Alarm, Step::Commit, Step::Commit, Step::Acknowledge { nth: 0 }] {
                self.take(step);
            }
        }
        let lost: Vec<_> = self.arrived.difference(&self.released).collect();
        assert!(lost.iter().all(|item| self.refused.contains(item)), "lost: {lost:?}");
        assert!(self.mailbox.is_settled() && self.store.is_empty() && self.held.is_empty());
        assert_eq!(self.unstored, Unstored::default(), "something waits for the store");
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Done,
    Failed,
}

fn play(steps: &[Step]) {
    let mut bed = MailboxBed::new();
    for step in steps {
        bed.take(*step);
    }
    bed.come_to_rest();
}

#[test]
fn what_is_stored_stays_so_when_a_repeat_of_it_is_not() {
    play(&[
        Step::Arrive { sender: 3 },
        Step::Arrive { sender: 1 },
        Step::Commit,
        Step::Attach(Attach::New),
        Step::Commit,
        Step::Repeat { sender: 3 },
        Step::Commit,
        Step::Fail,
        Step::Acknowledge { nth: 0 },
        Step::Acknowledge { nth: 0 },
    ]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_sent_twice_or_out_of_order(
        steps in prop::collection::vec(step(), 0..120),
    ) {
        play(&steps);
    }
}

fn step() -> impl Strategy<Value = Step> {
    let sender = || 1..4_u64;
    prop_oneof![
        6 => sender().prop_map(|sender| Step::Arrive { sender }),
        1 => sender().prop_map(|sender| Step::Repeat { sender }),
        1 => Just(Step::Attach(Attach::New)),
        2 => Just(Step::Attach(Attach::Again)),
        1 => Just(Step::Detach),
        5 => (0..8_usize).prop_map(|nth| Step::Acknowledge { nth }),
        6 => Just(Step::Commit),
        1 => Just(Step::Fail),
        1 => Just(Step::Stall),
        1 => Just(Step::Unstall),
        2 => Just(Step::Alarm),
    ]
}

fn user(id: u64) -> UserId {
    UserId::new(id).expect("not 0")
}

pub(super) fn item(sender: u64, id: u64) -> ItemId {
    ItemId { kind: ItemKind::Message, origin: user(sender), id }
}

pub(super) fn packet(sender: u64, id: u64) -> Verified<Packet> {
    let header = Header {
        sender: Some(user(sender)),
        recipient: Some(user(OWNER)),
        timestamp: Timestamp::from_unix_secs(0),
        op: Op::Message,
    };
    let sign = |_: &[u8]| Ok::<_, Oversized>([0; SIGNATURE_LEN]);
    let packet = Packet::build(Profile::Compact, header, &id.to_le_bytes(), sign);
    Verified::assumed(packet.expect("it fits"))
}
