//! The client machine among a server, workers, a disk and an application that do as the input says.

mod server;
mod witness;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;
use std::time::Duration;

use sealpost_core::client::store::{ClientOp, ClientOutcome, Content};
use sealpost_core::client::{Client, Command, Config, Limits, Token};
use sealpost_core::crypto::Outcome;
use sealpost_core::entropy::Entropy;
use sealpost_core::frame::{Deadline, Event, Input, Machine, StoreError, pump};
use sealpost_core::ids::{Ticket, UserRef};
use sealpost_core::keys::PublicKey;
use sealpost_core::time::{Mono, Now, Timestamp};
use sealpost_core::wire::{Otp, Profile};
use sealpost_storage::Storage;
use sealpost_storage::client::{ClientStorage, Identity, MemoryClientStorage};

use self::server::phone;
use self::witness::{Line, Reach, Witness};
use super::glass;
use super::workers::Workers;
use crate::arb::Arb;

/// A client under a program, for a host that keeps its contract.
///
/// The first byte is the deployment. Each step after it is a wish of the application, something
/// that the server says, an answer of a worker or the store (well, badly, late, in another order,
/// or never), a connection that comes or goes, time that passes, or the death of the process.
///
/// What must hold: no panic; one connection at a time, and nothing for one that does not stand; no
/// flow told twice; nothing delivered, kept or acknowledged that was not verified and durable, each
/// message once in the life of a process and in order; nothing sent that is not durable, and a
/// number for one message only; nothing shown as stored or delivered that nobody said; jobs within
/// [`Limits`]; a bound on the actions of one input; an alarm that was told leads on; and a client
/// that is to stop does.
///
/// # Panics
/// If any of that does not hold.
pub fn client(data: &[u8]) {
    let mut world = World::new(Arb::new(data));
    for _ in 0..MOST_STEPS {
        if world.arb.is_empty() {
            break;
        }
        world.step();
    }
    world.settle();
    world.stop();
}

struct World<'a> {
    arb: Arb<'a>,
    profile: Profile,
    keys: &'static [PublicKey],
    client: Client,
    store: MemoryClientStorage,
    now: Now,
    tokens: u64,
    /// Answers of the store that the machine was not given yet.
    answers: VecDeque<(Ticket, ClientOutcome)>,
    witness: Witness,
}

impl<'a> World<'a> {
    fn new(mut arb: Arb<'a>) -> Self {
        let profile = if arb.byte() & 1 == 0 { Profile::Compact } else { Profile::Wide };
        let keys = keys();
        let server = *keys[0].fingerprint();
        let host_port = "localhost:7465".to_owned();
        let store =
            MemoryClientStorage::new(Identity { phone: phone(999), server, profile, host_port });
        Self {
            arb,
            profile,
            keys,
            client: start(&store, profile),
            store,
            now: Now { mono: Mono(0), wall: Timestamp::from_unix_secs(1_795_437_296) },
            tokens: 0,
            answers: VecDeque::new(),
            witness: Witness::new(profile, limits()),
        }
    }

    fn step(&mut self) {
        match self.arb.below(32) {
            0..2 => self.wish(),
            2..5 => self.send(),
            5..7 => self.answer_dial(),
            7..16 => self.say(),
            16 => self.raw(),
            17..20 => self.answer_one(),
            20..22 => self.answer_all(),
            22 => self.commit(),
            23..26 => {
                self.commit();
                self.report_all();
            }
            26 => self.fail_store(),
            27 => self.report_one(),
            28 => self.pass(),
            29 => self.congest(),
            30 => self.break_off(),
            _ => match self.arb.below(8) {
                0 => self.restart(),
                1 => self.jump(),
                2 => self.read(),
                _ => self.settle(),
            },
        }
    }

    fn event(&mut self, event: Event<Client>) {
        self.witness.begin();
        pump(&mut self.client, &mut self.witness, self.now, Input::Event(event));
        self.witness.end(0);
    }

    /// A wish of the application's, except to send.
    fn wish(&mut self) {
        let phone = phone(self.arb.below(4));
        let offered = self.arb.pick(&self.witness.offered).copied();
        let command = match self.arb.below(8) {
            0 => Command::Register,
            1 | 2 => Command::Connect,
            3 => Command::Disconnect,
            4 => Command::Confirm { otp: Otp::from_number(7).expect("six digits") },
            5 => Command::Lookup { phone },
            6 => match offered {
                Some((phone, fingerprint)) if self.arb.chance(500) => {
                    Command::AcceptKey { phone, fingerprint }
                }
                _ => {
                    let n = 2 + self.arb.index(3);
                    Command::MarkVerified { phone, fingerprint: *self.keys[n].fingerprint() }
                }
            },
            _ => Command::MarkShown { up_to: self.witness.shown },
        };
        self.event(Event::Command(command));
    }

    fn send(&mut self) {
        self.tokens += 1;
        let to = if self.arb.chance(500) {
            UserRef::Phone(phone(self.arb.below(4)))
        } else {
            UserRef::Id(self.user())
        };
        let content = match self.arb.below(16) {
            0 => Content::Bytes(vec![9; 65_240]),
            1 => Content::Bytes(vec![9; 500]),
            _ => Content::Text("hello".to_owned()),
        };
        let token = Token(self.tokens);
        self.event(Event::Command(Command::Send { token, to, content }));
    }

    /// What was dialled is answered, mostly.
    fn answer_dial(&mut self) {
        let fails = self.arb.chance(100);
        let Some(line) = self.witness.line.as_mut().filter(|line| line.reach == Reach::Dialled)
        else {
            return;
        };
        let conn = line.conn;
        if fails {
            return self.break_off();
        }
        line.reach = Reach::Open;
        self.event(Event::Opened { conn, peer: IpAddr::V4(Ipv4Addr::LOCALHOST) });
    }

    /// The connection is gone, before or after it stood.
    fn break_off(&mut self) {
        if let Some(Line { conn, .. }) = self.witness.line.take() {
            self.event(Event::Closed { conn });
        }
    }

    /// The server sends a packet; sometimes not all of it arrives now.
    fn say(&mut self) {
        let Some(packet) = self.packet() else { return };
        self.queue(packet.bytes());
        if !self.arb.chance(100) {
            self.read();
        }
    }

    fn raw(&mut self) {
        let len = self.arb.index(64);
        let bytes = self.arb.bytes(len);
        self.queue(bytes);
        self.read();
    }

    fn queue(&mut self, bytes: &[u8]) {
        if let Some(line) = &mut self.witness.line
            && line.reach >= Reach::Open
            && line.unread.len() < MOST_UNREAD
        {
            line.unread.extend_from_slice(bytes);
        }
    }

    fn read(&mut self) {
        let cut = self.arb.chance(100);
        let Some(line) = self.witness.line.as_mut() else { return };
        if line.paused || line.unread.is_empty() {
            return;
        }
        let len = if cut { line.unread.len().div_ceil(2) } else { line.unread.len() };
        let data: Vec<u8> = line.unread.drain(..len).collect();
        let conn = line.conn;
        self.witness.begin();
        pump(&mut self.client, &mut self.witness, self.now, Input::Bytes { conn, data: &data });
        self.witness.end(data.len());
    }

    fn congest(&mut self) {
        let Some(line) = self.witness.line.as_mut().filter(|line| line.reach >= Reach::Open) else {
            return;
        };
        line.congested = !line.congested;
        let (conn, congested) = (line.conn, line.congested);
        self.event(if congested { Event::Congested { conn } } else { Event::Writable { conn } });
    }

    /// The store carries everything out; the machine hears of it later.
    fn commit(&mut self) {
        let (tickets, ops): (Vec<_>, Vec<ClientOp>) = self.witness.ops.drain(..).unzip();
        let mut outcomes = Vec::new();
        self.store.commit(&ops, &mut outcomes);
        for ((ticket, op), outcome) in tickets.into_iter().zip(&ops).zip(outcomes) {
            self.witness.committed(op, &outcome);
            self.answers.push_back((ticket, outcome));
        }
    }

    fn fail_store(&mut self) {
        let errors = [StoreError::Busy, StoreError::DiskFull, StoreError::Io];
        let error = *self.arb.pick(&errors).expect("some");
        let failed = self.witness.ops.drain(..).map(|(ticket, _)| (ticket, Err(error)));
        self.answers.extend(failed);
    }

    fn report_all(&mut self) {
        for (ticket, outcome) in std::mem::take(&mut self.answers) {
            self.event(Event::Stored(ticket, outcome));
        }
    }

    /// One outcome comes before those that were reached earlier.
    fn report_one(&mut self) {
        let nth = self.arb.index(self.answers.len());
        if let Some((ticket, outcome)) = self.answers.remove(nth) {
            self.event(Event::Stored(ticket, outcome));
        }
    }

    fn pass(&mut self) {
        let millis = match self.arb.below(3) {
            0 => self.arb.below(256) * 10,
            1 => self.arb.below(256) * 1_000,
            _ => return self.pass_to_alarm(),
        };
        self.now.mono = self.now.mono + Duration::from_millis(millis);
        self.now.wall = self.now.wall.plus_secs(i64::try_from(millis / 1_000).expect("small"));
        self.tick();
    }

    fn pass_to_alarm(&mut self) {
        if let Some(Deadline { at, .. }) = self.client.deadline() {
            let wait = at.since(self.now.mono);
            let secs = i64::try_from(wait.as_secs()).expect("within reason");
            self.now = Now { mono: self.now.mono + wait, wall: self.now.wall.plus_secs(secs) };
            self.tick();
        }
    }

    fn tick(&mut self) {
        self.event(Event::Tick);
        assert!(
            self.client.deadline().is_none_or(|due| due.at > self.now.mono),
            "an alarm goes on"
        );
    }

    fn jump(&mut self) {
        let secs = i64::from(self.arb.byte()) * 50 - 6_000;
        self.now.wall = self.now.wall.plus_secs(secs);
    }

    /// The process dies, with what the store had not committed, and starts again.
    fn restart(&mut self) {
        self.answers.clear();
        self.witness.restarted();
        self.client = start(&self.store, self.profile);
    }

    /// Workers and disk do all their work, and well.
    fn settle(&mut self) {
        for _ in 0..MOST_ROUNDS {
            let idle = self.witness.jobs.is_empty() && self.witness.ops.is_empty();
            if idle && self.answers.is_empty() {
                return;
            }
            self.answer_all();
            self.report_all();
            self.commit();
            self.report_all();
        }
        panic!("the client goes on and on");
    }

    fn stop(&mut self) {
        self.event(Event::Shutdown);
        for _ in 0..MOST_ROUNDS {
            self.settle();
            if self.witness.stopped {
                return;
            }
            self.pass_to_alarm();
        }
        panic!("the client does not stop");
    }
}

impl<'a> Workers<'a> for World<'a> {
    type Witness = Witness;
    const OUTCOMES: u64 = 12;

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

fn start(store: &MemoryClientStorage, profile: Profile) -> Client {
    let config = Config { profile, public_key: keys()[1].clone(), limits: limits() };
    Client::new(config, store.load().expect("it does not fail"), Entropy::from_seed([3; 32]))
}

/// The server's, ours, our peers', and one for whoever takes another.
fn keys() -> &'static [PublicKey] {
    static KEYS: OnceLock<Vec<PublicKey>> = OnceLock::new();
    KEYS.get_or_init(|| (0..6).map(glass::public_key).collect())
}

/// So small that a short program reaches each.
fn limits() -> Limits {
    Limits {
        outbox_messages: 6,
        outbox_bytes: 4_000,
        sealing: 2,
        enqueue_batch: 2,
        in_flight_messages: 3,
        in_flight_bytes: 3_000,
        arriving: 4,
        waiting: 4,
        lookups_at_once: 2,
        lookups_waiting: 3,
        contacts: 3,
        unshown_page: 2,
        receipts_signing: 2,
        receipt_items: 2,
        receipt_numbers: 4,
        taken_items: 2,
        ..Limits::default()
    }
}

/// So that one input takes milliseconds.
const MOST_STEPS: usize = 400;

/// What a socket buffers.
const MOST_UNREAD: usize = 4_000;

/// Rounds of work until the client must be at rest.
const MOST_ROUNDS: usize = 100;
