//! The client machine among a server, workers, a disk and an application that do as the input says.

mod observer;
mod server_packets;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;
use std::time::Duration;

use sealpost_core::client::store::{ClientReply, Content};
use sealpost_core::client::{Client, Command, Config, Limits, Token};
use sealpost_core::entropy::Entropy;
use sealpost_core::frame::{Deadline, Event, Machine, StoreError};
use sealpost_core::ids::UserRef;
use sealpost_core::keys::PublicKey;
use sealpost_core::time::Now;
use sealpost_core::wire::{Otp, Profile};
use sealpost_storage::client::{ClientStorage, Identity, MemoryClientStorage};

use self::observer::{Link, LinkState, Observer};
use self::server_packets::phone;
use super::bed::{FuzzBed, FuzzedMachine};
use super::null_crypto;
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
    let mut bed = Bed::new(Arb::new(data));
    bed.run(Bed::step);
    bed.settle();
    bed.stop();
}

type Bed<'a> = FuzzBed<'a, Client>;

impl FuzzedMachine for Client {
    type StoreReply = ClientReply;
    type Store = MemoryClientStorage;
    type Observer = Observer;
    const STORE_ERRORS: &'static [StoreError] =
        &[StoreError::Busy, StoreError::DiskFull, StoreError::Io];
    const JOB_OUTCOMES: u64 = 12;
}

impl<'a> Bed<'a> {
    fn new(mut arb: Arb<'a>) -> Self {
        let profile = if arb.byte() & 1 == 0 { Profile::Compact } else { Profile::Wide };
        let keys = keys();
        let server = *keys[0].fingerprint();
        let host_port = "localhost:7465".to_owned();
        let store =
            MemoryClientStorage::new(Identity { phone: phone(999), server, profile, host_port });
        let client = start(&store, profile);
        Self::around(arb, profile, keys, client, store, Observer::new(profile, limits()))
    }

    fn step(&mut self) {
        match self.arb.below(32) {
            0..2 => self.wish(),
            2..5 => self.send(),
            5..7 => self.answer_dial(),
            7..16 => self.say(),
            16 => self.raw(),
            17..20 => self.answer_one_job(),
            20..22 => self.answer_all_jobs(),
            22 => self.commit(),
            23..26 => {
                self.commit();
                self.report_all();
            }
            26 => self.fail_store(),
            27 => self.report_one(),
            28 => self.advance(),
            29 => self.congest(),
            30 => self.break_off(),
            _ => match self.arb.below(8) {
                0 => self.restart(),
                1 => self.jump_wall_clock(),
                2 => self.read(),
                _ => self.settle(),
            },
        }
    }

    /// A wish of the application's, except to send.
    fn wish(&mut self) {
        let phone = phone(self.arb.below(4));
        let offered = self.arb.pick(&self.observer.offered).copied();
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
            _ => Command::MarkShown { up_to: self.observer.shown },
        };
        self.event(Event::Command(command));
    }

    fn send(&mut self) {
        self.observer.tokens += 1;
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
        let token = Token(self.observer.tokens);
        self.event(Event::Command(Command::Send { token, to, content }));
    }

    /// What was dialled is answered, mostly.
    fn answer_dial(&mut self) {
        let fails = self.arb.chance(100);
        let Some(link) =
            self.observer.link.as_mut().filter(|link| link.state == LinkState::Dialled)
        else {
            return;
        };
        let conn = link.conn;
        if fails {
            return self.break_off();
        }
        link.state = LinkState::Open;
        self.event(Event::Opened { conn, peer: IpAddr::V4(Ipv4Addr::LOCALHOST) });
    }

    /// The connection is gone, before or after it stood.
    fn break_off(&mut self) {
        if let Some(Link { conn, .. }) = self.observer.link.take() {
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
        if let Some(link) = &mut self.observer.link
            && link.state >= LinkState::Open
            && link.unread.len() < MAX_UNREAD
        {
            link.unread.extend_from_slice(bytes);
        }
    }

    fn read(&mut self) {
        let cut = self.arb.chance(100);
        let Some(link) = self.observer.link.as_mut() else { return };
        if link.paused || link.unread.is_empty() {
            return;
        }
        let len = if cut { link.unread.len().div_ceil(2) } else { link.unread.len() };
        let data: Vec<u8> = link.unread.drain(..len).collect();
        let conn = link.conn;
        self.bytes(conn, &data);
    }

    fn congest(&mut self) {
        let Some(link) = self.observer.link.as_mut().filter(|link| link.state >= LinkState::Open)
        else {
            return;
        };
        link.congested = !link.congested;
        let (conn, congested) = (link.conn, link.congested);
        self.event(if congested { Event::Congested { conn } } else { Event::Writable { conn } });
    }

    fn advance(&mut self) {
        let millis = match self.arb.below(3) {
            0 => self.arb.below(256) * 10,
            1 => self.arb.below(256) * 1_000,
            _ => return self.advance_to_deadline(),
        };
        self.now.mono = self.now.mono + Duration::from_millis(millis);
        self.now.wall = self.now.wall.plus_secs(i64::try_from(millis / 1_000).expect("small"));
        self.tick();
    }

    fn advance_to_deadline(&mut self) {
        if let Some(Deadline { at, .. }) = self.machine.deadline() {
            let wait = at.since(self.now.mono);
            let secs = i64::try_from(wait.as_secs()).expect("within reason");
            self.now = Now { mono: self.now.mono + wait, wall: self.now.wall.plus_secs(secs) };
            self.tick();
        }
    }

    /// The process dies, with what the store had not committed, and starts again.
    fn restart(&mut self) {
        self.forget_outcomes();
        self.observer.restarted();
        self.machine = start(&self.store, self.profile);
    }

    fn stop(&mut self) {
        self.event(Event::Shutdown);
        for _ in 0..MAX_ROUNDS {
            self.settle();
            if self.observer.stopped {
                return;
            }
            self.advance_to_deadline();
        }
        panic!("the client does not stop");
    }
}

fn start(store: &MemoryClientStorage, profile: Profile) -> Client {
    let config = Config { profile, public_key: keys()[1].clone(), limits: limits() };
    Client::new(config, store.load().expect("it does not fail"), Entropy::from_seed([3; 32]))
}

/// The server's, ours, our peers', and one for whoever takes another.
fn keys() -> &'static [PublicKey] {
    static KEYS: OnceLock<Vec<PublicKey>> = OnceLock::new();
    KEYS.get_or_init(|| (0..6).map(null_crypto::public_key).collect())
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

/// What a socket buffers.
const MAX_UNREAD: usize = 4_000;

/// Rounds of work until the client must be at rest.
const MAX_ROUNDS: usize = 100;
