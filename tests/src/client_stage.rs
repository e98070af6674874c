//! The client machine on a stage: no sockets, a memory store, and a clock that the test moves.
//!
//! What the machine asks of store and crypto is done at once, unless the test holds it back.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use sealpost_core::client::store::{ClientOp, InboxItem};
use sealpost_core::client::{Client, Command, Config, Limits, Notice, OfflineReason, Token};
use sealpost_core::crypto::{Crypto, Job};
use sealpost_core::entropy::Entropy;
use sealpost_core::frame::{Deadline, Event, Flow, Host, Input, Machine, StoreError, pump};
use sealpost_core::ids::{ConnId, Phone, Ticket, UserRef};
use sealpost_core::keys::{Fingerprint, PublicKey};
use sealpost_core::time::{Mono, Now, Timestamp};
use sealpost_core::wire::{Packet, Profile};
use sealpost_storage::client::{ClientStorage, Identity, MemoryClientStorage};
use sealpost_storage::{Faulty, Storage};

use crate::actor::crypto;

/// A client and everything around it but the server.
pub struct ClientStage {
    client: Client,
    crypto: Crypto,
    key: usize,
    now: Now,
    profile: Profile,
    limits: Limits,
    props: Props,
    tokens: u64,
    /// The store, to look into and to make fail.
    pub store: Faulty<MemoryClientStorage>,
    /// Store operations wait for [`ClientStage::release_store`].
    pub hold_store: bool,
    /// Jobs wait for [`ClientStage::release_jobs`].
    pub hold_jobs: bool,
}

/// Why the client went offline, and whether it is to dial again, if these say that it did.
pub fn offline(notices: &[Notice]) -> Option<(OfflineReason, bool)> {
    notices.iter().find_map(|notice| {
        let Notice::Offline { reason, retry_in } = notice else { return None };
        Some((*reason, retry_in.is_some()))
    })
}

/// What the machine asked for and nobody has looked at yet.
struct Props {
    profile: Profile,
    dialled: VecDeque<ConnId>,
    sent: VecDeque<(ConnId, Packet)>,
    closed: BTreeSet<ConnId>,
    paused: BTreeSet<ConnId>,
    ops: VecDeque<(Ticket, ClientOp)>,
    jobs: VecDeque<(Ticket, Job)>,
    delivered: Vec<InboxItem>,
    notices: Vec<Notice>,
}

impl ClientStage {
    /// The phone number that goes with the `key`-th test key.
    pub fn phone(key: usize) -> Phone {
        format!("+4915100000{key:02}").parse().unwrap()
    }

    /// A client with the `key`-th test key (1 to 4) and an empty store, for the server with this
    /// fingerprint.
    pub fn new(profile: Profile, key: usize, server: Fingerprint) -> Self {
        Self::with(profile, key, server, Limits::default())
    }

    /// The same with other limits.
    pub fn with(profile: Profile, key: usize, server: Fingerprint, limits: Limits) -> Self {
        let identity = Identity {
            phone: Self::phone(key),
            server,
            profile,
            host_port: "localhost:7465".to_owned(),
        };
        let now = Now { mono: Mono(0), wall: Timestamp::from_unix_secs(1_795_437_296) };
        Self::on_store(Faulty::new(MemoryClientStorage::new(identity)), profile, key, limits, now)
    }

    fn on_store(
        store: Faulty<MemoryClientStorage>,
        profile: Profile,
        key: usize,
        limits: Limits,
        now: Now,
    ) -> Self {
        let crypto = crypto(key);
        let config =
            Config { profile, public_key: crypto.public_key().clone(), limits: limits.clone() };
        let seed = [u8::try_from(key).unwrap(); 32];
        let snapshot = store.inner().load().unwrap();
        Self {
            client: Client::new(config, snapshot, Entropy::from_seed(seed)),
            crypto,
            key,
            now,
            profile,
            limits,
            props: Props::new(profile),
            tokens: 0,
            store,
            hold_store: false,
            hold_jobs: false,
        }
    }

    /// The process dies and starts again: what the store has not committed is gone.
    #[must_use]
    pub fn restart(self) -> Self {
        Self::on_store(self.store, self.profile, self.key, self.limits, self.now)
    }

    /// Another client with the same key and a copy of the store as it is now, offline.
    #[must_use]
    pub fn twin(&self) -> Self {
        let store = Faulty::new(self.store.inner().clone());
        Self::on_store(store, self.profile, self.key, self.limits.clone(), self.now)
    }

    /// This one's key.
    pub fn public_key(&self) -> &PublicKey {
        self.crypto.public_key()
    }

    /// What the clocks show.
    pub const fn now(&self) -> Now {
        self.now
    }

    /// The application wishes something.
    pub fn command(&mut self, command: Command) {
        self.event(Event::Command(command));
    }

    /// The application sends a text. Returns its name for it.
    pub fn send_text(&mut self, to: UserRef, text: &str) -> Token {
        self.tokens += 1;
        let token = Token(self.tokens);
        let content = sealpost_core::client::store::Content::Text(text.to_owned());
        self.command(Command::Send { token, to, content });
        token
    }

    /// The connection that the machine wants made.
    pub fn dialled(&mut self) -> Option<ConnId> {
        self.props.dialled.pop_front()
    }

    /// A connection that the machine wants made stands.
    pub fn open(&mut self) -> ConnId {
        self.open_if_dialled().expect("the machine dials")
    }

    /// The same, if there is one.
    pub fn open_if_dialled(&mut self) -> Option<ConnId> {
        let conn = self.dialled()?;
        self.opened(conn);
        Some(conn)
    }

    /// A connection stands.
    pub fn opened(&mut self, conn: ConnId) {
        self.event(Event::Opened { conn, peer: IpAddr::V4(Ipv4Addr::LOCALHOST) });
    }

    /// A connection is gone.
    pub fn cut(&mut self, conn: ConnId) {
        self.event(Event::Closed { conn });
    }

    /// Bytes arrive.
    pub fn bytes(&mut self, conn: ConnId, data: &[u8]) {
        pump(&mut self.client, &mut self.props, self.now, Input::Bytes { conn, data });
        self.settle();
    }

    /// A packet arrives.
    pub fn packet(&mut self, conn: ConnId, packet: &Packet) {
        self.bytes(conn, packet.bytes());
    }

    /// Something happens.
    pub fn event(&mut self, event: Event<Client>) {
        pump(&mut self.client, &mut self.props, self.now, Input::Event(event));
        self.settle();
    }

    /// Both clocks move, and every alarm on the way goes off at its time.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now.mono + time;
        while let Some(Deadline { at, .. }) =
            self.client.deadline().filter(|deadline| deadline.at <= end)
        {
            self.set_mono(at.max(self.now.mono));
            self.event(Event::Tick);
        }
        self.set_mono(end);
    }

    /// Until the next alarm at most.
    pub fn pass_to_alarm(&mut self) {
        let Deadline { at, .. } = self.client.deadline().expect("an alarm is set");
        self.pass(at.since(self.now.mono));
    }

    /// When the machine wants to be called.
    pub fn deadline(&self) -> Option<Mono> {
        self.client.deadline().map(|deadline| deadline.at)
    }

    /// Only the wall clock moves.
    pub fn jump(&mut self, secs: i64) {
        self.now.wall = self.now.wall.plus_secs(secs);
    }

    /// Both clocks show this from now on; no alarm goes off.
    pub fn set_now(&mut self, now: Now) {
        self.now = now;
    }

    fn set_mono(&mut self, mono: Mono) {
        let before = self.now.mono.0 / 1_000_000;
        let secs = i64::try_from(mono.0 / 1_000_000 - before).unwrap();
        self.now = Now { mono, wall: self.now.wall.plus_secs(secs) };
    }

    /// Commits what the store was asked for, and tells the machine.
    pub fn release_store(&mut self) {
        let (tickets, ops): (Vec<_>, Vec<_>) = self.props.ops.drain(..).unzip();
        let mut outcomes = Vec::new();
        self.store.commit(&ops, &mut outcomes);
        for (ticket, outcome) in tickets.into_iter().zip(outcomes) {
            let event = Event::Stored(ticket, outcome);
            pump(&mut self.client, &mut self.props, self.now, Input::Event(event));
        }
        self.settle();
    }

    /// Runs the jobs that wait, and tells the machine in the order that `order` gives them.
    pub fn release_jobs(&mut self, order: impl FnOnce(&mut Vec<(Ticket, Job)>)) {
        let mut jobs: Vec<_> = self.props.jobs.drain(..).collect();
        order(&mut jobs);
        for (ticket, job) in jobs {
            let event = Event::Computed(ticket, self.crypto.run(job));
            pump(&mut self.client, &mut self.props, self.now, Input::Event(event));
        }
        self.settle();
    }

    /// The next commits fail.
    pub fn fail_store(&mut self, commits: u32, error: StoreError) {
        self.store.fail_next(commits, error);
    }

    fn settle(&mut self) {
        loop {
            if !self.hold_jobs
                && let Some((ticket, job)) = self.props.jobs.pop_front()
            {
                let event = Event::Computed(ticket, self.crypto.run(job));
                pump(&mut self.client, &mut self.props, self.now, Input::Event(event));
            } else if !self.hold_store && !self.props.ops.is_empty() {
                return self.release_store();
            } else {
                return;
            }
        }
    }

    /// The next packet that the machine has sent.
    pub fn sent(&mut self) -> Option<(ConnId, Packet)> {
        self.props.sent.pop_front()
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
    pub fn waiting_ops(&self) -> impl Iterator<Item = &ClientOp> {
        self.props.ops.iter().map(|(_, op)| op)
    }

    /// How many jobs wait.
    pub fn waiting_jobs(&self) -> usize {
        self.props.jobs.len()
    }

    /// What the machine delivered since the last call.
    pub fn delivered(&mut self) -> Vec<InboxItem> {
        std::mem::take(&mut self.props.delivered)
    }

    /// What the machine let be known since the last call.
    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.props.notices)
    }
}

impl Props {
    const fn new(profile: Profile) -> Self {
        Self {
            profile,
            dialled: VecDeque::new(),
            sent: VecDeque::new(),
            closed: BTreeSet::new(),
            paused: BTreeSet::new(),
            ops: VecDeque::new(),
            jobs: VecDeque::new(),
            delivered: Vec::new(),
            notices: Vec::new(),
        }
    }
}

impl Host<Client> for Props {
    fn send(&mut self, conn: ConnId, bytes: Bytes) {
        assert!(!self.closed.contains(&conn), "sent to a closed connection");
        let packet = Packet::parse(self.profile, bytes).expect("one whole packet");
        self.sent.push_back((conn, packet));
    }

    fn store(&mut self, ticket: Ticket, op: ClientOp) {
        self.ops.push_back((ticket, op));
    }

    fn compute(&mut self, ticket: Ticket, job: Job) {
        self.jobs.push_back((ticket, job));
    }

    fn deliver(&mut self, item: InboxItem) {
        self.delivered.push(item);
    }

    fn notify(&mut self, notice: Notice) {
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

    fn dial(&mut self, conn: ConnId) {
        self.dialled.push_back(conn);
    }
}
