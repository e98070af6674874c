//! The server machine among clients, workers and a disk that do as the input says.

mod packets;
mod rest;
mod witness;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;
use std::time::Duration;

use sealpost_core::crypto::Outcome;
use sealpost_core::entropy::Entropy;
use sealpost_core::frame::{Deadline, Event, Input, Machine, StoreError, pump};
use sealpost_core::ids::{ConnId, Ticket};
use sealpost_core::keys::PublicKey;
use sealpost_core::server::limits::{Limits, Rate};
use sealpost_core::server::store::{StoreOp, StoreOutcome};
use sealpost_core::server::{Config, OtpChannel, Server};
use sealpost_core::time::{Mono, Now, Timestamp};
use sealpost_core::wire::Profile;
use sealpost_storage::{MemoryStorage, Quota, Storage};

use self::witness::{Wire, Witness};
use super::glass;
use super::workers::Workers;
use crate::arb::Arb;

/// A server under a program, for a host that keeps its contract.
///
/// The first byte is the deployment. Each step after it opens or ends a connection, lets a client
/// send what is well formed or is not, answers a job or a store operation (well, badly, late, in
/// another order, or never), moves the clocks, or stops the server.
///
/// What must hold: no panic and no misuse; nothing for a connection that does not stand; no flow
/// told twice; nothing forwarded or stored that was not verified; nothing sent again before it was
/// acknowledged; what is held for a reader, and what is checked of a client, within [`Limits`]; a
/// bound on the actions of one input; a 203 *stored* only for what the store holds; an alarm that
/// was told leads on. And once everybody is honest again everything drains, the server comes to
/// rest, and a stop to its end.
///
/// # Panics
/// If any of that does not hold.
pub fn server(data: &[u8]) {
    let mut world = World::new(Arb::new(data));
    for _ in 0..MOST_STEPS {
        if world.arb.is_empty() {
            break;
        }
        world.step();
    }
    world.drain();
    world.stop();
}

struct World<'a> {
    arb: Arb<'a>,
    profile: Profile,
    limits: Limits,
    keys: Vec<PublicKey>,
    server: Server,
    store: MemoryStorage,
    now: Now,
    conns: u64,
    /// Answers of the store that the machine was not given yet.
    answers: VecDeque<(Ticket, StoreOp, StoreOutcome)>,
    witness: Witness,
}

impl<'a> World<'a> {
    fn new(mut arb: Arb<'a>) -> Self {
        let byte = arb.byte();
        let profile = packets::profile(byte);
        let otp_channel = if byte & 2 == 0 { OtpChannel::InBand } else { OtpChannel::OutOfBand };
        let limits = limits(byte & 4 != 0);
        let keys = keys().clone();
        let config =
            Config { profile, server_key: keys[0].clone(), otp_channel, limits: limits.clone() };
        Self {
            arb,
            profile,
            keys,
            server: Server::new(config, Entropy::from_seed([7; 32])),
            store: MemoryStorage::new(profile, Quota { messages: 5, bytes: 2_500 }),
            now: Now { mono: Mono(0), wall: Timestamp::from_unix_secs(1_795_437_296) },
            conns: 0,
            answers: VecDeque::new(),
            witness: Witness::new(profile, limits.clone()),
            limits,
        }
    }

    fn step(&mut self) {
        match self.arb.below(32) {
            0..2 => self.open(),
            2 => self.end(),
            3 => self.raw(),
            4..15 => self.say(),
            15 => self.read_on(),
            16..19 => self.answer_one(),
            19..21 => self.answer_all(),
            21 => self.commit(),
            22..25 => {
                self.commit();
                self.report_all();
            }
            25 => self.fail_store(),
            26 => self.report_one(),
            27 => self.congest(),
            28..30 => self.pass(),
            30 => self.tick(),
            _ => match self.arb.below(16) {
                0 => self.event(Event::Shutdown),
                1 => self.jump(),
                _ => self.settle(),
            },
        }
    }

    fn event(&mut self, event: Event<Server>) {
        self.witness.begin(None);
        pump(&mut self.server, &mut self.witness, self.now, Input::Event(event));
        self.witness.end(0);
        self.check();
    }

    fn check(&self) {
        let stats = self.server.stats();
        assert!(stats.connections <= self.limits.connections);
        assert_eq!(stats.connections, self.witness.wires.len());
        let sessions = self.witness.wires.values().filter(|wire| wire.user.is_some()).count();
        assert_eq!(stats.sessions, sessions);
    }

    fn open(&mut self) {
        self.conns += 1;
        let conn = ConnId(self.conns);
        let peer = match self.arb.below(3) {
            0 => IpAddr::V4(Ipv4Addr::LOCALHOST),
            1 => IpAddr::V4(Ipv4Addr::BROADCAST),
            _ => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        self.witness.wires.insert(conn, Wire::default());
        self.event(Event::Opened { conn, peer });
    }

    fn a_conn(&mut self) -> Option<ConnId> {
        let nth = self.arb.index(self.witness.wires.len());
        self.witness.wires.keys().nth(nth).copied()
    }

    fn end(&mut self) {
        let Some(conn) = self.a_conn() else { return };
        self.witness.wires.remove(&conn);
        self.event(Event::Closed { conn });
    }

    fn raw(&mut self) {
        let Some(conn) = self.a_conn() else { return };
        let len = self.arb.index(64);
        let bytes = self.arb.bytes(len);
        if let Some(wire) = self.witness.wires.get_mut(&conn) {
            wire.garbled = true;
        }
        self.queue(conn, bytes);
        self.read(conn);
    }

    /// A client sends a packet; sometimes not all of it arrives now.
    fn say(&mut self) {
        let Some(conn) = self.a_conn() else { return };
        let Some(packet) = self.packet(conn) else { return };
        self.queue(conn, packet.bytes());
        if !self.arb.chance(100) {
            self.read(conn);
        }
    }

    fn queue(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some(wire) = self.witness.wires.get_mut(&conn) else { return };
        if wire.unread.len() < MOST_UNREAD {
            wire.unread.extend_from_slice(bytes);
        }
    }

    fn read_on(&mut self) {
        if let Some(conn) = self.a_conn() {
            self.read(conn);
        }
    }

    fn read(&mut self, conn: ConnId) {
        let unread = self.witness.wires.get(&conn).map_or(0, |wire| wire.unread.len());
        let len = if self.arb.chance(100) { unread.div_ceil(2) } else { unread };
        self.read_up_to(conn, len);
    }

    fn read_all(&mut self, conn: ConnId) {
        self.read_up_to(conn, usize::MAX);
    }

    /// The server's socket gives what has arrived, unless the server does not read.
    fn read_up_to(&mut self, conn: ConnId, len: usize) {
        let Some(wire) = self.witness.wires.get_mut(&conn) else { return };
        if wire.paused || wire.unread.is_empty() {
            return;
        }
        let len = len.min(wire.unread.len());
        let data: Vec<u8> = wire.unread.drain(..len).collect();
        self.witness.begin(Some(conn));
        let input = Input::Bytes { conn, data: &data };
        pump(&mut self.server, &mut self.witness, self.now, input);
        self.witness.end(data.len());
        self.check();
    }

    /// The store carries everything out; the machine hears of it later.
    fn commit(&mut self) {
        let (tickets, ops): (Vec<_>, Vec<StoreOp>) = self.witness.ops.drain(..).unzip();
        let mut outcomes = Vec::new();
        self.store.commit(&ops, &mut outcomes);
        for ((ticket, op), outcome) in tickets.into_iter().zip(ops).zip(outcomes) {
            self.witness.committed(&op, &outcome);
            self.answers.push_back((ticket, op, outcome));
        }
    }

    fn fail_store(&mut self) {
        let errors = [StoreError::Busy, StoreError::DiskFull, StoreError::Io, StoreError::Corrupt];
        let error = *self.arb.pick(&errors).expect("some");
        let failed = self.witness.ops.drain(..).map(|(ticket, op)| (ticket, op, Err(error)));
        self.answers.extend(failed);
    }

    fn report_all(&mut self) {
        while !self.answers.is_empty() {
            self.report(0);
        }
    }

    /// One outcome comes before those that were reached earlier.
    fn report_one(&mut self) {
        let nth = self.arb.index(self.answers.len());
        self.report(nth);
    }

    fn report(&mut self, nth: usize) {
        if let Some((ticket, op, outcome)) = self.answers.remove(nth) {
            self.witness.told(&op);
            self.event(Event::Stored(ticket, outcome));
        }
    }

    fn congest(&mut self) {
        let Some(conn) = self.a_conn() else { return };
        let Some(wire) = self.witness.wires.get_mut(&conn) else { return };
        wire.congested = !wire.congested;
        let congested = wire.congested;
        self.event(if congested { Event::Congested { conn } } else { Event::Writable { conn } });
    }

    fn pass(&mut self) {
        let millis = match self.arb.below(4) {
            0 => self.arb.below(256),
            1 => self.arb.below(256) * 100,
            2 => self.arb.below(256) * 10_000,
            _ => match self.server.deadline() {
                Some(Deadline { at, .. }) => return self.alarm(at),
                None => 1,
            },
        };
        self.now.mono = self.now.mono + Duration::from_millis(millis);
        self.now.wall = self.now.wall.plus_secs(i64::try_from(millis / 1_000).expect("small"));
        self.tick();
    }

    fn alarm(&mut self, at: Mono) {
        let wait = at.since(self.now.mono);
        let secs = i64::try_from(wait.as_micros().div_ceil(1_000_000)).expect("within reason");
        self.now = Now { mono: self.now.mono + wait, wall: self.now.wall.plus_secs(secs) };
        self.tick();
    }

    fn tick(&mut self) {
        self.event(Event::Tick);
        assert!(
            self.server.deadline().is_none_or(|due| due.at > self.now.mono),
            "an alarm goes on"
        );
    }

    fn jump(&mut self) {
        let secs = i64::from(self.arb.byte()) * 50 - 6_000;
        self.now.wall = self.now.wall.plus_secs(secs);
    }
}

impl<'a> Workers<'a> for World<'a> {
    type Witness = Witness;
    const OUTCOMES: u64 = 16;

    fn arb(&mut self) -> &mut Arb<'a> {
        &mut self.arb
    }

    fn witness(&mut self) -> &mut Witness {
        &mut self.witness
    }

    fn computed(&mut self, ticket: Ticket, outcome: Outcome) {
        self.witness.answered(ticket);
        self.event(Event::Computed(ticket, outcome));
    }
}

/// The server's key, and some for its users.
fn keys() -> &'static Vec<PublicKey> {
    static KEYS: OnceLock<Vec<PublicKey>> = OnceLock::new();
    KEYS.get_or_init(|| (0..4).map(glass::public_key).collect())
}

/// So small that a short program reaches each.
fn limits(rates: bool) -> Limits {
    const SECOND: Duration = Duration::from_secs(1);
    let rate = Rate { burst: 3, every: SECOND };
    let rate = if rates { rate } else { Rate::UNLIMITED };
    Limits {
        connections: 6,
        waiting_requests: 2,
        registrations_per_address: rate,
        reconnects_per_address: rate,
        refusals_per_address: rate,
        otps_per_phone: rate,
        lookups_per_user: rate,
        messages_per_user: rate,
        remembered: 3,
        otp_attempts: 2,
        otps: 3,
        retention: 1_000 * SECOND,
        expire_every: 100 * SECOND,
        expire_batch: 2,
        checks_per_conn: 4,
        unstored_per_user: 4,
        replies_per_conn: 3,
        acks_per_packet: 3,
        in_flight_items: 4,
        in_flight_bytes: 2_000,
        drain_items: 3,
        drain_bytes: 2_000,
        append_batch: 3,
        ..Limits::without_rates()
    }
}

/// So that one input takes milliseconds.
const MOST_STEPS: usize = 400;

/// What a socket buffers.
const MOST_UNREAD: usize = 4_000;
