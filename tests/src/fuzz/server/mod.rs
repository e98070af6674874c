//! The server machine, with clients, job runners and a store that the input controls.

mod client_packets;
mod drain;
mod observer;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;
use std::time::Duration;

use sealpost_core::entropy::Entropy;
use sealpost_core::frame::{Deadline, Event, Machine, StoreError};
use sealpost_core::ids::ConnId;
use sealpost_core::keys::PublicKey;
use sealpost_core::server::limits::{Limits, Rate};
use sealpost_core::server::store::StoreReply;
use sealpost_core::server::{
    Command, Config, DeliveryOutcome, OtpChannel, RegisteredPhones, Registrants, Registration,
    Server, Servers,
};
use sealpost_core::time::{Mono, Now, Timestamp};
use sealpost_core::wire::Invitation;

use sealpost_storage::{MemoryStorage, NewInvitation, Quota, Shares};

use self::observer::{Connection, Observer};
use super::bed::{FuzzBed, FuzzedMachine};
use super::null_crypto;
use crate::arb::Arb;

/// Runs a server on a host that keeps its contract.
///
/// The first byte of the input selects the deployment. Each step after it opens or ends a
/// connection, sends a packet or garbage from a client, reports an outcome of a job or the store
/// (correct or not, late, out of order, or never), moves the clocks, or shuts the server down.
///
/// Properties: there is no panic and no misuse; there is no action for a connection that is not
/// established; no flow is repeated; every packet that is forwarded or stored is verified; no item
/// is sent twice without an acknowledgement; items in flight and packets being verified stay within
/// [`Limits`], and actions per input within a bound; a 203 *stored* names only durable messages; and
/// a tick at the deadline moves the deadline. Once all parties behave, everything drains, the server
/// becomes idle, and a shutdown completes.
///
/// # Panics
/// If one of these properties is violated.
pub fn server(data: &[u8]) {
    let mut bed = Bed::new(Arb::new(data));
    bed.run(Bed::step);
    bed.drain();
    bed.stop();
}

type Bed<'a> = FuzzBed<'a, Server>;

impl FuzzedMachine for Server {
    type StoreReply = StoreReply;
    type Store = MemoryStorage;
    type Observer = Observer;
    const STORE_ERRORS: &'static [StoreError] =
        &[StoreError::Busy, StoreError::DiskFull, StoreError::Io, StoreError::Corrupt];
    const JOB_OUTCOMES: u64 = 16;
}

impl<'a> Bed<'a> {
    fn new(mut arb: Arb<'a>) -> Self {
        let byte = arb.byte();
        let profile = client_packets::profile(byte);
        let otp_channel = if byte & 2 == 0 { OtpChannel::InBand } else { OtpChannel::OutOfBand };
        let registered_phones =
            if byte & 8 == 0 { RegisteredPhones::Told } else { RegisteredPhones::Hidden };
        let open_to = if byte & 16 == 0 { Registrants::Anyone } else { Registrants::Invited };
        let registration = Registration { open_to, ..Registration::default() };
        let limits = limits(byte & 4 != 0);
        let keys = keys();
        let server_key = keys[0].clone();
        let config = Config {
            profile,
            server_key,
            successor: None,
            servers: Servers::One,
            otp_channel,
            registered_phones,
            registration,
            exempt_networks: Vec::new(),
            limits: limits.clone(),
        };
        let server =
            Server::new(config, Entropy::from_seed([7; 32])).expect("the limits are valid");
        let mut store = MemoryStorage::new(
            profile,
            Quota { messages: 5, bytes: 2_500, shares: Shares::Unlimited, ..Quota::default() },
        );
        store.create_invitation(invitation());
        Self::around(arb, profile, keys, server, store, Observer::new(profile, limits))
    }

    fn step(&mut self) {
        match self.arb.below(32) {
            0..2 => self.open(),
            2 => self.end(),
            3 => self.raw(),
            4..15 => self.send_from_client(),
            15 => self.read_on(),
            16..19 => self.answer_one_job(),
            19 => self.answer_all_jobs(),
            20 => {
                self.answer_all_jobs();
                self.answer_delivery();
            }
            21 => self.commit(),
            22..25 => {
                self.commit();
                self.report_all();
            }
            25 => self.fail_store(),
            26 => self.report_one(),
            27 => self.congest(),
            28..30 => self.advance(),
            30 => self.tick(),
            _ => match self.arb.below(16) {
                0 => self.event(Event::Shutdown),
                1 => self.jump_wall_clock(),
                _ => self.settle(),
            },
        }
    }

    fn open(&mut self) {
        self.observer.opened += 1;
        let conn = ConnId(self.observer.opened);
        let peer = match self.arb.below(3) {
            0 => IpAddr::V4(Ipv4Addr::LOCALHOST),
            1 => IpAddr::V4(Ipv4Addr::BROADCAST),
            _ => IpAddr::V6(Ipv6Addr::LOCALHOST),
        };
        self.observer.connections.insert(conn, Connection::default());
        self.event(Event::Opened { conn, peer });
    }

    fn any_conn(&mut self) -> Option<ConnId> {
        let nth = self.arb.index(self.observer.connections.len());
        self.observer.connections.keys().nth(nth).copied()
    }

    fn end(&mut self) {
        let Some(conn) = self.any_conn() else { return };
        self.observer.connections.remove(&conn);
        self.event(Event::Closed { conn });
    }

    fn raw(&mut self) {
        let Some(conn) = self.any_conn() else { return };
        let len = self.arb.index(64);
        let bytes = self.arb.bytes(len);
        if let Some(connection) = self.observer.connections.get_mut(&conn) {
            connection.garbled = true;
        }
        self.queue(conn, bytes);
        self.read(conn);
    }

    /// Sends a packet from a client; sometimes only part of it arrives now.
    fn send_from_client(&mut self) {
        let Some(conn) = self.any_conn() else { return };
        let Some(packet) = self.packet(conn) else { return };
        self.queue(conn, packet.bytes());
        if !self.arb.chance(100) {
            self.read(conn);
        }
    }

    fn queue(&mut self, conn: ConnId, bytes: &[u8]) {
        let Some(connection) = self.observer.connections.get_mut(&conn) else { return };
        if connection.unread.len() < MAX_UNREAD {
            connection.unread.extend_from_slice(bytes);
        }
    }

    fn read_on(&mut self) {
        if let Some(conn) = self.any_conn() {
            self.read(conn);
        }
    }

    fn read(&mut self, conn: ConnId) {
        let unread =
            self.observer.connections.get(&conn).map_or(0, |connection| connection.unread.len());
        let len = if self.arb.chance(100) { unread.div_ceil(2) } else { unread };
        self.read_up_to(conn, len);
    }

    fn read_all(&mut self, conn: ConnId) {
        self.read_up_to(conn, usize::MAX);
    }

    /// Gives the server bytes that have arrived, unless it paused reading.
    fn read_up_to(&mut self, conn: ConnId, len: usize) {
        let Some(connection) = self.observer.connections.get_mut(&conn) else { return };
        if connection.paused || connection.unread.is_empty() {
            return;
        }
        let len = len.min(connection.unread.len());
        let data: Vec<u8> = connection.unread.drain(..len).collect();
        self.bytes(conn, &data);
    }

    /// Answers the oldest delivery of a one-time password.
    fn answer_delivery(&mut self) {
        let Some(id) = self.observer.deliveries.pop_front() else { return };
        let outcome =
            if self.arb.chance(100) { DeliveryOutcome::Refused } else { DeliveryOutcome::Accepted };
        self.event(Event::Command(Command::OtpDelivery { id, outcome }));
    }

    fn congest(&mut self) {
        let Some(conn) = self.any_conn() else { return };
        let Some(connection) = self.observer.connections.get_mut(&conn) else { return };
        connection.congested = !connection.congested;
        let congested = connection.congested;
        self.event(if congested { Event::Congested { conn } } else { Event::Writable { conn } });
    }

    fn advance(&mut self) {
        let millis = match self.arb.below(4) {
            0 => self.arb.below(256),
            1 => self.arb.below(256) * 100,
            2 => self.arb.below(256) * 10_000,
            _ => match self.machine.deadline() {
                Some(Deadline { at, .. }) => return self.advance_to(at),
                None => 1,
            },
        };
        self.now.mono = self.now.mono + Duration::from_millis(millis);
        self.now.wall = self.now.wall.plus_secs(i64::try_from(millis / 1_000).expect("small"));
        self.tick();
    }

    fn advance_to(&mut self, at: Mono) {
        let wait = at.since(self.now.mono);
        let secs = i64::try_from(wait.as_micros().div_ceil(1_000_000)).expect("a short wait");
        self.now = Now { mono: self.now.mono + wait, wall: self.now.wall.plus_secs(secs) };
        self.tick();
    }
}

/// Public keys of the server and its users.
fn keys() -> &'static [PublicKey] {
    static KEYS: OnceLock<Vec<PublicKey>> = OnceLock::new();
    KEYS.get_or_init(|| (0..4).map(null_crypto::public_key).collect())
}

/// Limits so small that a short program reaches each.
/// The only invitation, which may be used up before all have registered.
fn invitation() -> NewInvitation {
    let code: Invitation = client_packets::INVITATION.parse().expect("a code");
    NewInvitation {
        hash: code.hash(),
        uses: 2,
        created_at: Timestamp::MIN,
        expires_at: Timestamp::MAX,
        phone: None,
        note: String::new(),
    }
}

fn limits(rates: bool) -> Limits {
    const SECOND: Duration = Duration::from_secs(1);
    let rate = Rate { burst: 3, every: SECOND };
    let rate = if rates { rate } else { Rate::UNLIMITED };
    Limits {
        connections: 6,
        strangers: 4,
        strangers_per_address: 3,
        stranger_jobs: 2,
        waiting_requests: 2,
        registrations_per_address: rate,
        reconnects_per_address: rate,
        key_requests_per_address: rate,
        refusals_per_address: rate,
        otps_issued: rate,
        wrong_guesses: rate,
        reconnects_per_user: rate,
        lookups_per_user: rate,
        lookups_per_day: 5,
        packets_per_user: Rate { burst: 30, ..rate },
        unread_bytes: 2_000,
        remembered: 3,
        otp_attempts: 2,
        otps_per_phone: 3,
        otps_per_phone_and_address: 2,
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

/// Bytes that a socket buffers.
const MAX_UNREAD: usize = 4_000;
