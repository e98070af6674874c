//! A server and several clients, with a network between them: both machines, real crypto, stores in
//! memory, one clock, and a latency.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sealpost_core::client::Limits;
use sealpost_core::client::store::InboxItem;
use sealpost_core::client::{Command, Notice};
use sealpost_core::ids::{ConnId, Phone};
use sealpost_core::limits;
use sealpost_core::server::OtpChannel;
use sealpost_core::time::Mono;
use sealpost_core::wire::Profile;
use sealpost_storage::Quota;

use crate::client_stage::ClientStage;
use crate::stage::Stage;

/// A server, its clients, and what is under way between them.
pub struct Town {
    /// The server.
    pub server: Stage,
    houses: Vec<House>,
    latency: Duration,
    /// How many bytes travel together at most; less than a packet cuts packets.
    pub chunk: usize,
}

/// A client and its connections.
struct House {
    client: ClientStage,
    road: Road,
    /// The connections that stand, by the client's number for them.
    lines: BTreeMap<ConnId, Line>,
    delivered: Vec<InboxItem>,
    notices: Vec<Notice>,
}

/// Whether a client can reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    /// It can.
    Open,
    /// Whatever it dials fails.
    Blocked,
}

/// A connection, from both ends.
struct Line {
    at_server: ConnId,
    to_server: VecDeque<(Mono, Cargo)>,
    to_client: VecDeque<(Mono, Cargo)>,
}

enum Cargo {
    Opened,
    Bytes(Vec<u8>),
    Closed,
}

impl Town {
    /// A server with one-time passwords in band and without rates, and `clients` who are offline
    /// and not registered.
    pub fn new(profile: Profile, clients: usize) -> Self {
        Self::with(profile, clients, &Limits::default(), Quota::default())
    }

    /// The same with other limits of the clients, and another quota.
    pub fn with(profile: Profile, clients: usize, limits: &Limits, quota: Quota) -> Self {
        let server =
            Stage::with(profile, OtpChannel::InBand, limits::Limits::without_rates(), quota);
        let fingerprint = *server.server_key().fingerprint();
        let house = |key| House {
            client: ClientStage::with(profile, key, fingerprint, limits.clone()),
            road: Road::Open,
            lines: BTreeMap::new(),
            delivered: Vec::new(),
            notices: Vec::new(),
        };
        let houses = (1..=clients).map(house).collect();
        Self { server, houses, latency: Duration::from_millis(10), chunk: usize::MAX }
    }

    /// The same, with everybody registered and online. Nothing that happened until then is left to
    /// see.
    pub fn online(profile: Profile, clients: usize) -> Self {
        let mut town = Self::new(profile, clients);
        town.register_all();
        town
    }

    /// Everybody registers.
    pub fn register_all(&mut self) {
        for index in 0..self.houses.len() {
            self.client(index).command(Command::Register);
        }
        self.run(Duration::from_secs(2));
        for index in 0..self.houses.len() {
            let notices = self.notices(index);
            assert!(notices.contains(&Notice::Online { pending: None }), "{notices:?}");
        }
    }

    /// A client. What it does reaches the others with [`Town::run`].
    pub fn client(&mut self, index: usize) -> &mut ClientStage {
        &mut self.houses[index].client
    }

    /// The phone number of a client.
    pub fn phone(index: usize) -> Phone {
        ClientStage::phone(index + 1)
    }

    /// Another device with the same account and a copy of its store, offline. Returns its index.
    pub fn clone_client(&mut self, index: usize) -> usize {
        self.houses.push(House {
            client: self.houses[index].client.twin(),
            road: Road::Open,
            lines: BTreeMap::new(),
            delivered: Vec::new(),
            notices: Vec::new(),
        });
        self.houses.len() - 1
    }

    /// The client's process dies, with what was under way, and starts again, offline.
    pub fn restart_client(&mut self, index: usize) {
        self.cut(index);
        let twin = self.houses[index].client.twin();
        self.houses[index].client = twin;
    }

    /// The server's process dies, with what was under way, and starts again on its store.
    pub fn restart_server(&mut self) {
        for index in 0..self.houses.len() {
            self.cut(index);
        }
        let limits = limits::Limits::without_rates();
        let next = Stage::with(
            self.server.profile(),
            OtpChannel::InBand,
            limits.clone(),
            Quota::default(),
        );
        let old = std::mem::replace(&mut self.server, next);
        self.server = old.restart(OtpChannel::InBand, limits);
    }

    /// From now on a client can, or can't, reach the server. What stands is not touched.
    pub fn set_road(&mut self, index: usize, road: Road) {
        self.houses[index].road = road;
    }

    /// A client's connections break, with what was under way on them.
    pub fn cut(&mut self, index: usize) {
        let house = &mut self.houses[index];
        for (conn, line) in std::mem::take(&mut house.lines) {
            if !self.server.is_closed(line.at_server) {
                self.server.cut(line.at_server);
            }
            if !house.client.is_closed(conn) {
                house.client.cut(conn);
            }
        }
    }

    /// What a client delivered since the last call.
    pub fn delivered(&mut self, index: usize) -> Vec<InboxItem> {
        std::mem::take(&mut self.houses[index].delivered)
    }

    /// What a client let be known since the last call.
    pub fn notices(&mut self, index: usize) -> Vec<Notice> {
        std::mem::take(&mut self.houses[index].notices)
    }

    /// Time passes, and everything that is due in it happens.
    pub fn run(&mut self, time: Duration) {
        let end = self.server.now().mono + time;
        loop {
            self.carry();
            let now = self.server.now().mono;
            if now >= end {
                return;
            }
            let step = self.until_next(now).min(IDLE_STEP).min(end.since(now));
            self.server.pass(step);
            for house in &mut self.houses {
                house.client.pass(step);
            }
        }
    }

    fn until_next(&self, now: Mono) -> Duration {
        let lines = self.houses.iter().flat_map(|house| house.lines.values());
        let due = lines.flat_map(|line| [line.to_server.front(), line.to_client.front()]);
        due.flatten().map(|(at, _)| at.since(now)).min().unwrap_or(IDLE_STEP)
    }

    /// Moves what has been sent onto the lines, and what is due off them, until nothing is due.
    fn carry(&mut self) {
        let now = self.server.now().mono;
        let due = now + self.latency;
        let mut moved = true;
        while moved {
            moved = false;
            for house in &mut self.houses {
                moved |= house.load(&mut self.server, due, self.chunk);
                moved |= house.unload(&mut self.server, now);
                house.delivered.append(&mut house.client.delivered());
                house.notices.append(&mut house.client.notices());
            }
        }
    }
}

impl House {
    /// Takes what either end has sent. Returns whether there was anything.
    fn load(&mut self, server: &mut Stage, due: Mono, chunk: usize) -> bool {
        let mut moved = false;
        while let Some(conn) = self.client.dialled() {
            moved = true;
            match self.road {
                Road::Open => {
                    let at_server = server.connect();
                    let to_client = VecDeque::from([(due, Cargo::Opened)]);
                    let line = Line { at_server, to_server: VecDeque::new(), to_client };
                    self.lines.insert(conn, line);
                }
                Road::Blocked => self.client.cut(conn),
            }
        }
        while let Some((conn, packet)) = self.client.sent() {
            moved = true;
            if let Some(line) = self.lines.get_mut(&conn) {
                let chunks = packet.bytes().chunks(chunk.min(packet.bytes().len()));
                line.to_server.extend(chunks.map(|bytes| (due, Cargo::Bytes(bytes.to_vec()))));
            }
        }
        for (conn, line) in &mut self.lines {
            while let Some(packet) = server.receive(line.at_server) {
                moved = true;
                let chunks = packet.bytes().chunks(chunk.min(packet.bytes().len()));
                line.to_client.extend(chunks.map(|bytes| (due, Cargo::Bytes(bytes.to_vec()))));
            }
            let ended = |queue: &VecDeque<(Mono, Cargo)>| {
                queue.back().is_some_and(|(_, cargo)| matches!(cargo, Cargo::Closed))
            };
            if server.is_closed(line.at_server) && !ended(&line.to_client) {
                line.to_client.push_back((due, Cargo::Closed));
            }
            if self.client.is_closed(*conn) && !ended(&line.to_server) {
                line.to_server.push_back((due, Cargo::Closed));
            }
        }
        moved
    }

    /// Hands out what is due. Returns whether there was anything.
    fn unload(&mut self, server: &mut Stage, now: Mono) -> bool {
        let mut moved = false;
        let conns: Vec<_> = self.lines.keys().copied().collect();
        for conn in conns {
            while let Some((at_server, cargo)) = self.due(conn, now, |line| &mut line.to_server) {
                moved = true;
                match cargo {
                    Cargo::Bytes(bytes) if !server.is_closed(at_server) => {
                        server.bytes(at_server, &bytes);
                    }
                    Cargo::Closed => {
                        if !server.is_closed(at_server) {
                            server.cut(at_server);
                        }
                        self.lines.remove(&conn);
                    }
                    Cargo::Bytes(_) | Cargo::Opened => {}
                }
            }
            while let Some((_, cargo)) = self.due(conn, now, |line| &mut line.to_client) {
                moved = true;
                if self.client.is_closed(conn) {
                    continue;
                }
                match cargo {
                    Cargo::Opened => self.client.opened(conn),
                    Cargo::Bytes(bytes) => self.client.bytes(conn, &bytes),
                    Cargo::Closed => {
                        self.client.cut(conn);
                        self.lines.remove(&conn);
                    }
                }
            }
        }
        moved
    }

    fn due(
        &mut self,
        conn: ConnId,
        now: Mono,
        queue: impl Fn(&mut Line) -> &mut VecDeque<(Mono, Cargo)>,
    ) -> Option<(ConnId, Cargo)> {
        let line = self.lines.get_mut(&conn)?;
        let at_server = line.at_server;
        let (_, cargo) = queue(line).pop_front_if(|(at, _)| *at <= now)?;
        Some((at_server, cargo))
    }
}

/// How far time moves at once while nothing is under way.
const IDLE_STEP: Duration = Duration::from_millis(100);
