//! The server machine on a stage: no sockets, a memory store, and a clock that the test moves.
//!
//! What the machine asks of store and crypto is done at once, unless the test holds it back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use sealpost_core::crypto::{Crypto, Job};
use sealpost_core::entropy::Entropy;
use sealpost_core::frame::{Deadline, Event, Flow, Host, Input, StoreError, pump};
use sealpost_core::ids::{ConnId, Ticket};
use sealpost_core::keys::PublicKey;
use sealpost_core::server::limits::Limits;
use sealpost_core::server::store::StoreOp;
use sealpost_core::server::{Config, Held, Notice, OtpChannel, OtpDelivery, Server, Stats};
use sealpost_core::time::{Mono, Now, Timestamp};
use sealpost_core::wire::{Deframer, Gate, Packet, Profile};
use sealpost_storage::{Faulty, MemoryStorage, Quota, Storage};

use crate::actor::crypto;

/// A server and everything around it.
pub struct Stage {
    server: Server,
    crypto: Crypto,
    now: Now,
    profile: Profile,
    conns: u64,
    props: Props,
    /// The store, to look into and to make fail.
    pub store: Faulty<MemoryStorage>,
    /// Store operations wait for [`Stage::release_store`].
    pub hold_store: bool,
    /// Jobs wait for [`Stage::release_jobs`].
    pub hold_jobs: bool,
}

/// What the machine asked for and nobody has looked at yet.
#[derive(Default)]
struct Props {
    wires: BTreeMap<ConnId, Wire>,
    closed: BTreeSet<ConnId>,
    paused: BTreeSet<ConnId>,
    ops: VecDeque<(Ticket, StoreOp)>,
    jobs: VecDeque<(Ticket, Job)>,
    otps: Vec<OtpDelivery>,
    notices: Vec<Notice>,
}

struct Wire {
    deframer: Deframer,
    received: VecDeque<Packet>,
}

impl Stage {
    /// A server with an empty store, one-time passwords in band and no rate limits.
    pub fn new(profile: Profile) -> Self {
        Self::with(profile, OtpChannel::InBand, Limits::without_rates(), Quota::default())
    }

    /// A server with an empty store.
    pub fn with(profile: Profile, otp_channel: OtpChannel, limits: Limits, quota: Quota) -> Self {
        let store = Faulty::new(MemoryStorage::new(profile, quota));
        let crypto = crypto(0);
        let config =
            Config { profile, server_key: crypto.public_key().clone(), otp_channel, limits };
        Self {
            server: Server::new(config, Entropy::from_seed([7; 32])),
            crypto,
            now: Now { mono: Mono(0), wall: Timestamp::from_unix_secs(1_795_437_296) },
            profile,
            conns: 0,
            props: Props::default(),
            store,
            hold_store: false,
            hold_jobs: false,
        }
    }

    /// The server's key.
    pub fn server_key(&self) -> &PublicKey {
        self.crypto.public_key()
    }

    /// What the clocks show.
    pub const fn now(&self) -> Now {
        self.now
    }

    /// The deployment's profile.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// What the server has done and holds.
    pub fn stats(&self) -> Stats {
        self.server.stats()
    }

    /// What the server holds in memory.
    pub fn held(&self) -> Held {
        self.server.held()
    }

    /// Opens a connection from 192.0.2.1.
    pub fn connect(&mut self) -> ConnId {
        self.connect_from(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)))
    }

    /// Opens a connection.
    pub fn connect_from(&mut self, peer: IpAddr) -> ConnId {
        self.conns += 1;
        let conn = ConnId(self.conns);
        let wire = Wire { deframer: Deframer::new(self.profile), received: VecDeque::new() };
        self.props.wires.insert(conn, wire);
        self.event(Event::Opened { conn, peer });
        conn
    }

    /// The peer's end of a connection is gone.
    pub fn cut(&mut self, conn: ConnId) {
        self.props.closed.insert(conn);
        self.event(Event::Closed { conn });
    }

    /// Bytes arrive.
    pub fn bytes(&mut self, conn: ConnId, data: &[u8]) {
        pump(&mut self.server, &mut self.props, self.now, Input::Bytes { conn, data });
        self.settle();
    }

    /// A packet arrives.
    pub fn packet(&mut self, conn: ConnId, packet: &Packet) {
        self.bytes(conn, packet.bytes());
    }

    /// Something happens.
    pub fn event(&mut self, event: Event<Server>) {
        pump(&mut self.server, &mut self.props, self.now, Input::Event(event));
        self.settle();
    }

    /// Both clocks move, and every alarm on the way goes off at its time.
    pub fn pass(&mut self, time: Duration) {
        use sealpost_core::frame::Machine;
        let end = self.now.mono + time;
        let start = self.now;
        while let Some(Deadline { at, .. }) =
            self.server.deadline().filter(|deadline| deadline.at <= end)
        {
            self.set_mono(start, at.max(self.now.mono));
            self.event(Event::Tick);
        }
        self.set_mono(start, end);
    }

    /// Only the wall clock moves.
    pub fn jump(&mut self, secs: i64) {
        self.now.wall = self.now.wall.plus_secs(secs);
    }

    fn set_mono(&mut self, start: Now, mono: Mono) {
        let secs = i64::try_from(mono.since(start.mono).as_secs()).unwrap();
        self.now = Now { mono, wall: start.wall.plus_secs(secs) };
    }

    /// Commits what the store was asked for, and tells the machine.
    pub fn release_store(&mut self) {
        let (tickets, ops): (Vec<_>, Vec<_>) = self.props.ops.drain(..).unzip();
        let mut outcomes = Vec::new();
        self.store.commit(&ops, &mut outcomes);
        for (ticket, outcome) in tickets.into_iter().zip(outcomes) {
            let event = Event::Stored(ticket, outcome);
            pump(&mut self.server, &mut self.props, self.now, Input::Event(event));
        }
        self.settle();
    }

    /// Commits what the store was asked for, and loses its answers: the process dies here.
    pub fn commit_without_answer(&mut self) {
        let ops: Vec<_> = self.props.ops.drain(..).map(|(_, op)| op).collect();
        self.store.commit(&ops, &mut Vec::new());
    }

    /// Runs the jobs that wait, and tells the machine in the order that `order` gives them.
    pub fn release_jobs(&mut self, order: impl FnOnce(&mut Vec<(Ticket, Job)>)) {
        let mut jobs: Vec<_> = self.props.jobs.drain(..).collect();
        order(&mut jobs);
        for (ticket, job) in jobs {
            let event = Event::Computed(ticket, self.crypto.run(job));
            pump(&mut self.server, &mut self.props, self.now, Input::Event(event));
        }
        self.settle();
    }

    /// The next commits fail.
    pub fn fail_store(&mut self, commits: u32, error: StoreError) {
        self.store.fail_next(commits, error);
    }

    /// Another server on the same store, as after a restart. Nobody is connected.
    #[must_use]
    pub fn restart(self, otp_channel: OtpChannel, limits: Limits) -> Self {
        let mut next = Self::with(self.profile, otp_channel, limits, Quota::default());
        next.store = self.store;
        next.now = self.now;
        next.conns = self.conns;
        next
    }

    fn settle(&mut self) {
        loop {
            if !self.hold_jobs
                && let Some((ticket, job)) = self.props.jobs.pop_front()
            {
                let event = Event::Computed(ticket, self.crypto.run(job));
                pump(&mut self.server, &mut self.props, self.now, Input::Event(event));
            } else if !self.hold_store && !self.props.ops.is_empty() {
                return self.release_store();
            } else {
                return;
            }
        }
    }

    /// The next packet that a connection has been sent.
    pub fn receive(&mut self, conn: ConnId) -> Option<Packet> {
        self.props.wires.get_mut(&conn)?.received.pop_front()
    }

    /// Whether the machine has closed a connection.
    pub fn is_closed(&self, conn: ConnId) -> bool {
        self.props.closed.contains(&conn)
    }

    /// Whether the machine reads no further from a connection.
    pub fn is_paused(&self, conn: ConnId) -> bool {
        self.props.paused.contains(&conn)
    }

    /// The store operations that wait.
    pub fn waiting_ops(&self) -> impl Iterator<Item = &StoreOp> {
        self.props.ops.iter().map(|(_, op)| op)
    }

    /// One-time passwords that went out of band since the last call.
    pub fn otps(&mut self) -> Vec<OtpDelivery> {
        std::mem::take(&mut self.props.otps)
    }

    /// What the machine let be known since the last call.
    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.props.notices)
    }
}

impl Host<Server> for Props {
    fn send(&mut self, conn: ConnId, bytes: Bytes) {
        assert!(!self.closed.contains(&conn), "sent to a closed connection");
        let wire = self.wires.get_mut(&conn).expect("a connection that was opened");
        let mut data: &[u8] = &bytes;
        while let Some(packet) =
            wire.deframer.next(&mut data, Gate::Client).expect("a packet for a client")
        {
            wire.received.push_back(packet);
        }
        assert!(wire.deframer.is_empty(), "sent less than a packet");
    }

    fn store(&mut self, ticket: Ticket, op: StoreOp) {
        self.ops.push_back((ticket, op));
    }

    fn compute(&mut self, ticket: Ticket, job: Job) {
        self.jobs.push_back((ticket, job));
    }

    fn deliver(&mut self, delivery: OtpDelivery) {
        self.otps.push(delivery);
    }

    fn notify(&mut self, notice: Notice) {
        assert!(!matches!(notice, Notice::Misuse(_)), "{notice:?}");
        self.notices.push(notice);
    }

    fn flow(&mut self, conn: ConnId, flow: Flow) {
        let changed = match flow {
            Flow::Pause => self.paused.insert(conn),
            Flow::Resume => self.paused.remove(&conn),
        };
        assert!(changed, "told twice to {flow:?}");
    }

    fn close(&mut self, conn: ConnId) {
        assert!(self.closed.insert(conn), "closed twice");
    }

    fn dial(&mut self, _: ConnId) {
        panic!("a server does not dial");
    }
}
