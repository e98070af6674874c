//! Real hosts on 127.0.0.1: `sealpost-mio` under both machines, databases in files, real crypto,
//! and a relay before the server for each client.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sealpost_core::client::{self, Client, Command};
use sealpost_core::entropy::Entropy;
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;
use sealpost_core::server::limits::Limits;
use sealpost_core::server::{self, OtpChannel, Server};
use sealpost_mio::{ClientHost, Config};
use sealpost_storage::client::{ClientStorage, HistoryEntry, Identity, SqliteClientStorage};
use sealpost_storage::{Inspector, Quota, SqliteStorage, Usage};
use sealpost_tests::scenario::{Device, Ground, Heard, Road};
use sealpost_tests::sim::{CryptoKind, Otps, Settings};

use crate::process::{Disk, Ear, Operator, Owner, Process};
use crate::relay::{Relay, Whereabouts};

/// A server, its clients and their relays, in this process.
pub(crate) struct Loopback {
    settings: Settings,
    begun: Instant,
    server: Option<Process<Server, SqliteStorage>>,
    whereabouts: Whereabouts,
    clients: Vec<Seat>,
    told: Sender<Heard>,
    heard: Receiver<Heard>,
    /// How many processes there were, each of which draws other numbers.
    lives: u64,
    folder: tempfile::TempDir,
}

/// A client's process, and what outlives it.
struct Seat {
    phone: Phone,
    key: usize,
    path: PathBuf,
    relay: Relay,
    process: Option<Process<Client, SqliteClientStorage>>,
}

impl Loopback {
    /// With everybody's database made, the server up, and the clients up and offline.
    pub(crate) fn new(settings: &Settings) -> Self {
        let (told, heard) = mpsc::channel();
        let mut this = Self {
            settings: settings.clone(),
            begun: Instant::now(),
            server: None,
            whereabouts: Arc::new(Mutex::new(None)),
            clients: Vec::new(),
            told,
            heard,
            lives: 0,
            folder: tempfile::tempdir().unwrap(),
        };
        this.start_server();
        for index in 0..settings.clients {
            let (phone, key) = (format!("+49151{index:08}").parse().unwrap(), index + 1);
            let seat = this.seat(phone, key);
            let identity = Identity {
                phone,
                server: *CryptoKind::Real.public_key(0).fingerprint(),
                profile: settings.profile(),
                host_port: seat.relay.addr().to_string(),
            };
            SqliteClientStorage::create(&seat.path, &identity).unwrap();
            this.clients.push(seat);
            this.start(Device(index));
        }
        this
    }

    fn seat(&self, phone: Phone, key: usize) -> Seat {
        let piece = if self.settings.piece == 0 { BUFFER } else { self.settings.piece };
        let relay = Relay::start(Arc::clone(&self.whereabouts), piece);
        let path = self.folder.path().join(format!("client-{}.db", self.clients.len()));
        Seat { phone, key, path, relay, process: None }
    }

    fn entropy(&mut self) -> Entropy {
        self.lives += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.lives.to_le_bytes());
        Entropy::from_seed(seed)
    }

    fn server_path(&self) -> PathBuf {
        self.folder.path().join("server.db")
    }

    /// Nothing but a reader that is gone has the server store what it holds: a machine that is busy
    /// with other tests must not.
    fn server_limits(&self) -> Limits {
        Limits { in_flight_timeout: PATIENCE, ..self.settings.server_limits() }
    }

    /// Pauses are short, because time is real here.
    fn client_limits(&self) -> client::Limits {
        client::Limits {
            redial_first: Duration::from_millis(20),
            redial_max: Duration::from_millis(100),
            hold_first: Duration::from_millis(50),
            hold_max: Duration::from_millis(200),
            taken_gather: Duration::from_millis(50),
            ..self.settings.client_limits()
        }
    }

    /// The server can't be reached any more, and all connections are gone.
    fn isolate_server(whereabouts: &Whereabouts, clients: &[Seat]) {
        *whereabouts.lock().unwrap() = None;
        for seat in clients {
            seat.relay.cut();
        }
    }
}

impl Ground for Loopback {
    fn devices(&self) -> usize {
        self.clients.len()
    }

    fn phone(&self, device: Device) -> Phone {
        self.clients[device.0].phone
    }

    fn fingerprint(&self, device: Device) -> Fingerprint {
        *CryptoKind::Real.public_key(self.clients[device.0].key).fingerprint()
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn hear(&mut self, until: Duration) -> Option<Heard> {
        self.heard.recv_timeout(until.saturating_sub(self.now())).ok()
    }

    fn while_away(&mut self) {
        std::thread::sleep(A_MOMENT);
    }

    fn command(&mut self, device: Device, command: Command) {
        if let Some(process) = &self.clients[device.0].process {
            process.handle.command(command);
        }
    }

    fn set_road(&mut self, device: Device, road: Road) {
        self.clients[device.0].relay.set_road(road);
    }

    fn cut(&mut self, device: Device) {
        self.clients[device.0].relay.cut();
    }

    fn kill(&mut self, device: Device) {
        let Seat { relay, process, .. } = &mut self.clients[device.0];
        if let Some(process) = process.take() {
            process.kill(|| relay.cut());
        }
    }

    fn start(&mut self, device: Device) {
        let (entropy, limits) = (self.entropy(), self.client_limits());
        let seat = &mut self.clients[device.0];
        let store = SqliteClientStorage::open(&seat.path).unwrap();
        let crypto = CryptoKind::Real.runner(seat.key, self.lives);
        let config = client::Config {
            profile: self.settings.profile(),
            public_key: crypto.public_key().clone(),
            limits,
        };
        let machine = Client::new(config, store.load().unwrap(), entropy);
        let (disk, dead) = (Disk::new(store), Arc::default());
        let host = ClientHost::new(
            &Config::default(),
            seat.relay.addr().to_string(),
            disk.clone(),
            crypto,
            machine,
            Owner(device, Ear::new(self.told.clone(), Arc::clone(&dead))),
        );
        let host = host.unwrap();
        seat.process = Some(Process::start(host.handle(), disk, dead, || host.run()));
    }

    fn twin(&mut self, device: Device) -> Device {
        let Seat { phone, key, .. } = self.clients[device.0];
        let twin = self.seat(phone, key);
        let Seat { path, process, .. } = &self.clients[device.0];
        {
            let mut disk = process.as_ref().unwrap().disk.lock();
            // A database that is closed is all in one file.
            *disk = None;
            std::fs::copy(path, &twin.path).unwrap();
            *disk = Some(SqliteClientStorage::open(path).unwrap());
        }
        self.clients.push(twin);
        let twin = Device(self.clients.len() - 1);
        self.start(twin);
        twin
    }

    fn stop_server(&mut self) {
        if let Some(process) = self.server.take() {
            process.stop();
        }
        *self.whereabouts.lock().unwrap() = None;
    }

    fn kill_server(&mut self) {
        if let Some(process) = self.server.take() {
            process.kill(|| Self::isolate_server(&self.whereabouts, &self.clients));
        }
    }

    fn start_server(&mut self) {
        let entropy = self.entropy();
        let quota = Quota { messages: self.settings.quota_messages, ..Quota::default() };
        let store = SqliteStorage::open(&self.server_path(), self.settings.profile(), quota);
        let crypto = CryptoKind::Real.runner(0, self.lives);
        let config = server::Config {
            profile: self.settings.profile(),
            server_key: crypto.public_key().clone(),
            otp_channel: match self.settings.otps {
                Otps::InBand => OtpChannel::InBand,
                Otps::OutOfBand => OtpChannel::OutOfBand,
            },
            limits: self.server_limits(),
        };
        let (disk, dead) = (Disk::new(store.unwrap()), Arc::default());
        let host = sealpost_mio::Server::bind(
            &Config::default(),
            "127.0.0.1:0".parse().unwrap(),
            disk.clone(),
            crypto,
            Server::new(config, entropy),
            Operator(Ear::new(self.told.clone(), Arc::clone(&dead))),
        );
        let host = host.unwrap();
        *self.whereabouts.lock().unwrap() = Some(host.local_addr());
        self.server = Some(Process::start(host.handle(), disk, dead, || host.run()));
    }

    fn history(&self, device: Device, peer: Phone) -> Vec<HistoryEntry> {
        let process = self.clients[device.0].process.as_ref().unwrap();
        process.disk.lock().as_ref().unwrap().history(peer, None, u32::MAX).unwrap()
    }

    fn pending(&self) -> Usage {
        Inspector::open(&self.server_path()).unwrap().stats().unwrap().pending
    }
}

impl Drop for Loopback {
    /// A test that failed has not ended them.
    fn drop(&mut self) {
        for seat in &mut self.clients {
            if let Some(process) = seat.process.take() {
                process.kill(|| seat.relay.cut());
            }
        }
        self.kill_server();
    }
}

/// How long to wait for what must come: a busy machine takes its time.
const PATIENCE: Duration = Duration::from_mins(1);
/// What is under way between server and clients is over by then: a message that was repeated though
/// the dying server had it, for one, and the receipt for it.
const A_MOMENT: Duration = Duration::from_millis(300);
/// Bytes that a relay carries at once, if nothing else is asked for.
const BUFFER: usize = 64 * 1024;
