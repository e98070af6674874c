//! The client machine, with a server, job runners, a store and an application that the input
//! controls.

mod observer;
mod server_packets;

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::time::Duration;

use sealpost_core::address::Transport;
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
use crate::content::text_event;

/// Runs a client on a host that keeps its contract.
///
/// The first byte of the input selects the deployment. Each step after it is a command of the
/// application, a packet of the server, an outcome of a job or the store (correct or not, late, out
/// of order, or never), a change of the connection, time that passes, or a crash of the process.
///
/// Properties: there is no panic; there is one connection at a time, and no action for one that is
/// not established; no flow is repeated; every message that is delivered, stored or acknowledged is
/// verified, and is durable before delivery and acknowledgement; a process delivers each message
/// once and in order; every message sent is durable, and a message id is used once; nothing is shown
/// as stored or delivered without a packet that says so; jobs stay within [`Limits`], and actions
/// per input within a bound; a tick at the deadline moves the deadline; and a client that is shut
/// down stops.
///
/// # Panics
/// If one of these properties is violated.
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
        let endpoints = "localhost:7465".parse().expect("an endpoint");
        let store = MemoryClientStorage::new(Identity {
            phone: phone(999),
            server,
            profile,
            transport: Transport::Tcp,
            endpoints,
        });
        let client = start(&store, profile);
        Self::around(arb, profile, keys, client, store, Observer::new(profile, limits()))
    }

    fn step(&mut self) {
        match self.arb.below(32) {
            0..2 => self.other_command(),
            2..5 => self.send(),
            5..7 => self.answer_dial(),
            7..16 => self.send_from_server(),
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

    /// A command of the application other than to send.
    fn other_command(&mut self) {
        let phone = phone(self.arb.below(4));
        let offered = self.arb.pick(&self.observer.offered).copied();
        let command = match self.arb.below(10) {
            0 => Command::Register { invitation: None },
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
            7 => Command::Cancel { token: Token(self.arb.below(self.observer.tokens.max(1))) },
            8 if self.arb.chance(300) => Command::Forget { phone },
            _ => Command::MarkShown { up_to: self.observer.shown },
        };
        self.event(Event::Command(command));
    }

    fn send(&mut self) {
        // Sometimes the application repeats itself.
        let again = self.observer.tokens > 0 && self.arb.chance(100);
        self.observer.tokens += u64::from(!again);
        let to = if self.arb.chance(500) {
            UserRef::Phone(phone(self.arb.below(4)))
        } else {
            UserRef::Id(self.user())
        };
        let content = match self.arb.below(16) {
            0 => Content::Bytes(vec![9; 65_240]),
            1 => Content::Bytes(vec![9; 500]),
            2 => text_event(self.observer.tokens, "hello").expect("a short text"),
            _ => Content::Text("hello".to_owned()),
        };
        let token = Token(self.observer.tokens);
        self.event(Event::Command(Command::Send { token, to, content }));
    }

    /// Establishes the connection that the client dials, or fails it.
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

    /// Ends the connection, established or not.
    fn break_off(&mut self) {
        if let Some(Link { conn, .. }) = self.observer.link.take() {
            self.event(Event::Closed { conn });
        }
    }

    /// Sends a packet from the server; sometimes only part of it arrives now.
    fn send_from_server(&mut self) {
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
            let secs = i64::try_from(wait.as_secs()).expect("a short wait");
            self.now = Now { mono: self.now.mono + wait, wall: self.now.wall.plus_secs(secs) };
            self.tick();
        }
    }

    /// Crashes the process and starts it again. What the store had not committed is lost.
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
    let (public_key, endpoints) = (keys()[1].clone(), NonZeroUsize::MIN);
    let config = Config { profile, public_key, endpoints, limits: limits() };
    Client::new(
        config,
        store.load().expect("a memory store does not fail"),
        Entropy::from_seed([3; 32]),
    )
    .expect("the limits are valid")
}

/// Public keys: the server's, the client's, three peers', and one more for changed keys.
fn keys() -> &'static [PublicKey] {
    static KEYS: OnceLock<Vec<PublicKey>> = OnceLock::new();
    KEYS.get_or_init(|| (0..6).map(null_crypto::public_key).collect())
}

/// Limits so small that a short program reaches each.
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

/// Bytes that a socket buffers.
const MAX_UNREAD: usize = 4_000;

/// Deadlines after which a client that is shut down must have stopped.
const MAX_ROUNDS: usize = 100;
