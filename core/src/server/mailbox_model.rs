//! A mailbox against the simplest account of what happens to its messages.
//!
//! Around it stands what the server does for it, and a store that is a list. Whatever the order of
//! arrivals, acknowledgements, connections and answers of the store: on one connection each message
//! goes out once and each sender's in order; none is lost; each is released once; what is held
//! stays within the limits.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::Timer;
use super::awaits::{Await, AwaitAppend, AwaitPage};
use super::backlog::Backlog;
use super::mailbox::{Acknowledgement, Cx, Mailbox, Released, Routed, Start};
use super::out::Out;
use super::proof::Verified;
use crate::frame::legacy::Fate;
use crate::frame::{Action, Alarms, StoreError};
use crate::ids::{ConnId, Ticket, UserId};
use crate::keys::Plaintext;
use crate::server::limits::Limits;
use crate::server::store::{Appended, Page, Seq, StoreOp, StoreReply, StoredItem};
use crate::time::{Mono, Now, Timestamp};
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
    /// The reader acknowledges one of the messages that it holds.
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

/// What the store was asked for.
#[derive(Debug)]
enum Asked {
    Op(Ticket, StoreOp),
    /// To forget acknowledged messages. The server repeats it until it is done.
    Settle(Vec<ItemId>),
}

const OWNER: u64 = 9;

struct Bench {
    limits: Limits,
    out: Out,
    timers: Alarms<Timer>,
    backlog: Backlog,
    now: Now,
    mailbox: Mailbox,
    /// The store: messages by place.
    store: BTreeMap<u64, (ItemId, Packet)>,
    last_place: u64,
    asked: VecDeque<Asked>,
    conns: u64,
    /// The last number of each sender.
    last: BTreeMap<UserId, u64>,
    /// What went out on this connection, and what of it the reader has not acknowledged.
    sent: Vec<ItemId>,
    held: BTreeSet<ItemId>,
    released: BTreeSet<ItemId>,
    refused: BTreeSet<ItemId>,
    arrived: BTreeSet<ItemId>,
}

impl Bench {
    fn new() -> Self {
        let limits = Limits {
            in_flight_items: 4,
            drain_items: 3,
            append_batch: 3,
            ..Limits::without_rates()
        };
        Self {
            limits,
            out: Out::new(),
            timers: Alarms::new(),
            backlog: Backlog::default(),
            now: Now { mono: Mono(0), wall: Timestamp::from_unix_secs(0) },
            mailbox: Mailbox::new(user(OWNER)),
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

    fn parts(&mut self) -> (&mut Mailbox, Cx<'_>) {
        let Self { limits, out, timers, backlog, now, mailbox, .. } = self;
        (mailbox, Cx { now: *now, limits, out, timers, backlog })
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
                    Attach::Again => Start::Resumed,
                };
                self.mailbox.attach(ConnId(self.conns), start);
            }
            Step::Attach(_) => {}
            Step::Detach => {
                let (mailbox, mut cx) = self.parts();
                mailbox.detach(&mut cx);
                self.sent.clear();
                self.held.clear();
            }
            Step::Acknowledge { nth } => {
                if let Some(key) = self.held.iter().nth(nth % self.held.len().max(1)).copied() {
                    self.acknowledge(key);
                }
            }
            Step::Commit => self.answer(None),
            Step::Fail => self.answer(Some(StoreError::Busy)),
            Step::Stall => self.mailbox.stall(),
            Step::Unstall => self.mailbox.unstall(),
            Step::Alarm => {
                if let Some(at) = self.timers.next() {
                    self.now.mono = self.now.mono.max(at);
                    while self.timers.pop_due(self.now.mono).is_some() {
                        let (mailbox, mut cx) = self.parts();
                        mailbox.alarm(&mut cx);
                        self.advance();
                    }
                }
            }
        }
        self.advance();
    }

    fn arrive(&mut self, sender: u64, id: u64) {
        let key = key(sender, id);
        self.arrived.insert(key);
        let (mailbox, mut cx) = self.parts();
        match mailbox.route(&mut cx, key, packet(sender, id)) {
            // A sender who was refused, or not acknowledged, tries again.
            Routed::Sent | Routed::Queued => {
                self.refused.remove(&key);
            }
            Routed::Repeat => {}
        }
        self.collect();
    }

    fn acknowledge(&mut self, key: ItemId) {
        let checked = Verified::mint(packet(OWNER, key.id), Ok(Plaintext::default()));
        let (receipt, _) = checked.expect("checked");
        let keys = Vec::from([key]);
        self.held.remove(&key);
        self.released(Acknowledgement::Messages { keys, receipt, sender: key.origin });
    }

    fn released(&mut self, acknowledgement: Acknowledgement) {
        let kept = self.mailbox.acknowledge(&self.limits, acknowledgement);
        let Some((Acknowledgement::Messages { keys, .. }, released)) = kept else { return };
        let Released { from_memory, stored } = released;
        assert!(from_memory + stored.len() <= 1, "one message, released once");
        if from_memory == 1 {
            self.released.extend(&keys);
        }
        if !stored.is_empty() {
            self.released.extend(&stored);
            self.asked.push_back(Asked::Settle(stored));
        }
    }

    fn advance(&mut self) {
        loop {
            let (mailbox, mut cx) = self.parts();
            let drained = mailbox.advance(&mut cx);
            self.collect();
            if drained.is_none() {
                return;
            }
            self.mailbox.announced();
        }
    }

    fn collect(&mut self) {
        while let Some(action) = self.out.actions.pop_front() {
            match action {
                Action::Send { conn, bytes } => {
                    assert_eq!(Some(conn), self.mailbox.conn());
                    let packet = Packet::parse(Profile::Compact, bytes).expect("a packet");
                    let key = ItemId::of(&packet).expect("a message");
                    let after = |sent: &&ItemId| sent.origin == key.origin && sent.id >= key.id;
                    let is_late = self.sent.iter().any(|sent| after(&sent));
                    assert!(!is_late || self.released.contains(&key), "{key:?} out of order");
                    assert!(self.held.insert(key), "{key:?} twice");
                    assert!(self.held.len() <= 4, "over the window");
                    self.sent.push(key);
                }
                Action::Store { ticket, op } => self.asked.push_back(Asked::Op(ticket, op)),
                other @ (Action::Compute { .. }
                | Action::Deliver(_)
                | Action::Notify(_)
                | Action::Flow { .. }
                | Action::Close { .. }
                | Action::Dial { .. }) => panic!("{other:?}"),
            }
        }
    }

    /// The store answers its oldest operation.
    fn answer(&mut self, failure: Option<StoreError>) {
        let (ticket, op) = match self.asked.pop_front() {
            None => return,
            Some(Asked::Op(ticket, op)) => (ticket, op),
            Some(Asked::Settle(keys)) if failure.is_some() => {
                return self.asked.push_front(Asked::Settle(keys));
            }
            Some(Asked::Settle(keys)) => {
                self.store.retain(|_, (key, _)| !keys.contains(key));
                return self.mailbox.settled(&keys);
            }
        };
        match (self.out.resume(ticket), op) {
            (Some(Await::Append(append)), StoreOp::Append { packets, .. }) => {
                let outcome = match failure {
                    Some(error) => Err(error),
                    None => {
                        Ok(StoreReply::Appended(packets.iter().map(|p| self.keep(p)).collect()))
                    }
                };
                self.appended(append, &outcome);
            }
            (Some(Await::Page(AwaitPage { conn, .. })), StoreOp::Page { after, limit, .. }) => {
                let page = failure.is_none().then(|| self.page(after, limit.items));
                let (mailbox, mut cx) = self.parts();
                mailbox.page(&mut cx, conn, page);
                self.collect();
            }
            (awaited, op) => panic!("{awaited:?} {op:?}"),
        }
    }

    fn keep(&mut self, packet: &Packet) -> Appended {
        let key = ItemId::of(packet).expect("a message");
        if self.store.values().any(|(kept, _)| *kept == key) {
            return Appended::Duplicate;
        }
        self.last_place += 1;
        self.store.insert(self.last_place, (key, packet.clone()));
        Appended::Stored
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
    fn appended(&mut self, append: AwaitAppend, outcome: &crate::server::store::StoreOutcome) {
        for fate in append.packets.appended(outcome) {
            match fate {
                Fate::Stored(durable) => {
                    self.backlog.leave(durable.get());
                    self.mailbox.stored(&ItemId::of(durable.get()).expect("a message"));
                }
                Fate::Refused(packet, _) => {
                    self.backlog.leave(&packet);
                    let key = ItemId::of(&packet).expect("a message");
                    let (mailbox, mut cx) = self.parts();
                    if mailbox.not_stored(&mut cx, &key, packet).is_some() {
                        let later = mailbox.withdraw(&mut cx, key.origin);
                        self.refused.insert(key);
                        self.refused.extend(later.iter().filter_map(ItemId::of));
                    }
                }
            }
        }
        if outcome.is_err() {
            let (mailbox, mut cx) = self.parts();
            mailbox.back_off(&mut cx);
        }
        for acknowledgement in self.mailbox.append_ended() {
            self.released(acknowledgement);
        }
    }

    /// The reader is there and takes everything; the store works.
    fn come_to_rest(&mut self) {
        self.take(Step::Attach(Attach::Again));
        self.take(Step::Unstall);
        for _ in 0..4 * (self.arrived.len() + 4) {
            for step in [Step::Alarm, Step::Commit, Step::Commit, Step::Acknowledge { nth: 0 }] {
                self.take(step);
            }
        }
        let lost: Vec<_> = self.arrived.difference(&self.released).collect();
        assert!(lost.iter().all(|key| self.refused.contains(key)), "lost: {lost:?}");
        assert!(self.mailbox.is_settled() && self.store.is_empty() && self.held.is_empty());
        assert!((1..4).all(|sender| self.backlog.of(user(sender)) == 0), "a backlog of nothing");
    }
}

fn live_through(steps: &[Step]) {
    let mut bench = Bench::new();
    for step in steps {
        bench.take(*step);
    }
    bench.come_to_rest();
}

#[test]
fn what_is_stored_stays_so_when_a_repeat_of_it_is_not() {
    live_through(&[
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
        live_through(&steps);
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

pub(super) fn key(sender: u64, id: u64) -> ItemId {
    ItemId { kind: ItemKind::Message, origin: user(sender), id }
}

pub(super) fn packet(sender: u64, id: u64) -> Packet {
    let header = Header {
        sender: Some(user(sender)),
        recipient: Some(user(OWNER)),
        timestamp: Timestamp::from_unix_secs(0),
        op: Op::Message,
    };
    let sign = |_: &[u8]| Ok::<_, Oversized>([0; SIGNATURE_LEN]);
    Packet::build(Profile::Compact, header, &id.to_le_bytes(), sign).expect("it fits")
}
