//! A deployment over real sockets on 127.0.0.1: both machines under `sealpost-mio`, stores in SQLite
//! or, for the server, in NATS JetStream, real cryptography, and a relay between each client and the
//! server.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sealpost_core::address::Transport;
use sealpost_core::client::{self, Client, Command};
use sealpost_core::entropy::Entropy;
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;
use sealpost_core::server::limits::Limits;
use sealpost_core::server::{self, OtpChannel, RegisteredPhones, Registration, Server};
use sealpost_mio::{
    CertificateChain, ClientHost, Destination, HostConfig, ListeningSocket, LocalAddress,
    ServerHost, TlsClient, TlsServer,
};
use sealpost_storage::Usage;
use sealpost_storage::client::{ClientStorage, HistoryEntry, Identity, SqliteClientStorage};
use sealpost_tests::scenarios::{Deployment, Device, Observation, Reachability};
use sealpost_tests::sim::{CryptoKind, Otps, Settings};

use crate::certificates::{TestAuthority, TestCertificate};
use crate::process::{ClientApplication, Disk, Process, Reporter, ServerApplication};
use crate::relay::{Relay, ServerAddr};
use crate::server_disk::{ServerDisk, ServerStore};

/// A server, its clients and their relays, all in this process.
pub(crate) struct Loopback {
    settings: Settings,
    started: Instant,
    server: Option<Process<Server, ServerStore>>,
    server_disk: ServerDisk,
    server_addr: ServerAddr,
    clients: Vec<ClientSlot>,
    sender: Sender<Observation>,
    receiver: Receiver<Observation>,
    /// Number of machines started so far; seeds the next one's randomness.
    started_machines: u64,
    tls: Option<Tls>,
    folder: tempfile::TempDir,
}

/// The server's certificate, and how clients recognize it.
struct Tls {
    server: TlsServer,
    client: TlsClient,
}

impl Tls {
    fn new() -> Self {
        let authority = TestAuthority::new();
        let TestCertificate { chain, key } = authority.issue(&["127.0.0.1"]);
        let chain = CertificateChain::from_pem(chain.as_bytes()).unwrap();
        let server = TlsServer::new(chain, key.as_bytes()).unwrap();
        let authorities = authority.pem();
        let client = TlsClient::with_authorities("127.0.0.1", authorities.as_bytes()).unwrap();
        Self { server, client }
    }
}

/// A client's process, and what outlives it: its account, database and relay.
struct ClientSlot {
    phone: Phone,
    key: usize,
    path: PathBuf,
    relay: Relay,
    process: Option<Process<Client, SqliteClientStorage>>,
}

impl Loopback {
    /// Starts the server and the clients, which are offline, with fresh databases.
    pub(crate) fn new(settings: &Settings, transport: Transport, server_disk: ServerDisk) -> Self {
        let (sender, receiver) = mpsc::channel();
        let mut this = Self {
            settings: settings.clone(),
            started: Instant::now(),
            server: None,
            server_disk,
            server_addr: Arc::new(Mutex::new(None)),
            clients: Vec::new(),
            sender,
            receiver,
            started_machines: 0,
            tls: (transport == Transport::Tls).then(Tls::new),
            folder: tempfile::tempdir().unwrap(),
        };
        this.start_server();
        for index in 0..settings.clients {
            let (phone, key) = (format!("+49151{index:08}").parse().unwrap(), index + 1);
            let slot = this.slot(phone, key);
            let identity = Identity {
                phone,
                server: *CryptoKind::Real.public_key(0).fingerprint(),
                profile: settings.profile(),
                transport,
                endpoints: slot.relay.addr().to_string().parse().unwrap(),
            };
            SqliteClientStorage::create(&slot.path, &identity).unwrap();
            this.clients.push(slot);
            this.start(Device(index));
        }
        this
    }

    fn slot(&self, phone: Phone, key: usize) -> ClientSlot {
        let piece = if self.settings.piece == 0 { BUFFER } else { self.settings.piece };
        let relay = Relay::start(Arc::clone(&self.server_addr), piece);
        let path = self.folder.path().join(format!("client-{}.db", self.clients.len()));
        ClientSlot { phone, key, path, relay, process: None }
    }

    fn entropy(&mut self) -> Entropy {
        self.started_machines += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.started_machines.to_le_bytes());
        Entropy::from_seed(seed)
    }

    /// On a computer busy with other tests, a recipient's receipt may be late. Only a recipient
    /// that has left may make the server store what is in flight to it, so the timeout is long.
    fn server_limits(&self) -> Limits {
        Limits { in_flight_timeout: TIMEOUT, ..self.settings.server_limits() }
    }

    /// Pauses are short, because time is real.
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

    /// Makes the server unreachable, and breaks all its connections.
    fn isolate_server(server_addr: &ServerAddr, clients: &[ClientSlot]) {
        *server_addr.lock().unwrap() = None;
        for slot in clients {
            slot.relay.cut();
        }
    }
}

impl Deployment for Loopback {
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
        self.started.elapsed()
    }

    fn timeout(&self) -> Duration {
        TIMEOUT
    }

    fn next_observation(&mut self, until: Duration) -> Option<Observation> {
        self.receiver.recv_timeout(until.saturating_sub(self.now())).ok()
    }

    fn let_settle(&mut self) {
        std::thread::sleep(SETTLE_TIME);
    }

    fn command(&mut self, device: Device, command: Command) {
        if let Some(process) = &self.clients[device.0].process {
            process.handle.command(command);
        }
    }

    fn set_reachability(&mut self, device: Device, reachability: Reachability) {
        self.clients[device.0].relay.set_reachability(reachability);
    }

    fn cut(&mut self, device: Device) {
        self.clients[device.0].relay.cut();
    }

    fn kill(&mut self, device: Device) {
        let ClientSlot { relay, process, .. } = &mut self.clients[device.0];
        if let Some(process) = process.take() {
            process.kill(|| relay.cut());
        }
    }

    fn start(&mut self, device: Device) {
        let (entropy, limits) = (self.entropy(), self.client_limits());
        let slot = &mut self.clients[device.0];
        let store = SqliteClientStorage::open(&slot.path).unwrap();
        let crypto = CryptoKind::Real.runner(slot.key, self.started_machines);
        let config = client::Config {
            profile: self.settings.profile(),
            public_key: crypto.public_key().clone(),
            endpoints: NonZeroUsize::MIN,
            limits,
        };
        let machine = Client::new(config, store.load().unwrap(), entropy).unwrap();
        let (disk, dead) = (Disk::new(store), Arc::default());
        let host_port = slot.relay.addr().to_string();
        let server = match &self.tls {
            None => Destination::from(host_port),
            Some(tls) => Destination::over_tls(host_port, tls.client.clone()),
        };
        let host = ClientHost::new(
            &HostConfig::default(),
            vec![server],
            disk.clone(),
            crypto,
            machine,
            ClientApplication(device, Reporter::new(self.sender.clone(), Arc::clone(&dead))),
        );
        let host = host.unwrap();
        slot.process = Some(Process::start(host.handle(), disk, dead, || host.run()));
    }

    fn second_device(&mut self, device: Device) -> Device {
        let ClientSlot { phone, key, .. } = self.clients[device.0];
        let second = self.slot(phone, key);
        let ClientSlot { path, process, .. } = &self.clients[device.0];
        {
            let mut disk = process.as_ref().unwrap().disk.lock();
            // Closing the database folds its write-ahead log into the one file that is copied.
            *disk = None;
            std::fs::copy(path, &second.path).unwrap();
            *disk = Some(SqliteClientStorage::open(path).unwrap());
        }
        self.clients.push(second);
        let second = Device(self.clients.len() - 1);
        self.start(second);
        second
    }

    fn stop_server(&mut self) {
        if let Some(process) = self.server.take() {
            process.stop();
        }
        *self.server_addr.lock().unwrap() = None;
    }

    fn kill_server(&mut self) {
        if let Some(process) = self.server.take() {
            process.kill(|| Self::isolate_server(&self.server_addr, &self.clients));
        }
    }

    fn start_server(&mut self) {
        let entropy = self.entropy();
        let store = self.server_disk.open(self.settings.profile(), self.settings.quota());
        let crypto = CryptoKind::Real.runner(0, self.started_machines);
        let config = server::Config {
            profile: self.settings.profile(),
            server_key: crypto.public_key().clone(),
            successor: None,
            servers: server::Servers::One,
            otp_channel: match self.settings.otps {
                Otps::InBand => OtpChannel::InBand,
                Otps::OutOfBand => OtpChannel::OutOfBand,
            },
            registered_phones: RegisteredPhones::Told,
            registration: Registration::default(),
            exempt_networks: Vec::new(),
            limits: self.server_limits(),
        };
        let (disk, dead) = (Disk::new(store), Arc::default());
        let tls = self.tls.as_ref().map(|tls| tls.server.clone());
        let socket = ListeningSocket::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let LocalAddress::Tcp(addr) = *socket.local_address() else { panic!("{socket:?}") };
        let host = ServerHost::new(
            &HostConfig { tls, ..HostConfig::default() },
            vec![socket],
            disk.clone(),
            crypto,
            Server::new(config, entropy).unwrap(),
            ServerApplication::new(Reporter::new(self.sender.clone(), Arc::clone(&dead))),
        );
        let host = host.unwrap();
        *self.server_addr.lock().unwrap() = Some(addr);
        self.server = Some(Process::start(host.handle(), disk, dead, || host.run()));
    }

    fn history(&self, device: Device, peer: Phone) -> Vec<HistoryEntry> {
        let process = self.clients[device.0].process.as_ref().unwrap();
        process.disk.lock().as_ref().unwrap().history(peer, None, u32::MAX).unwrap()
    }

    fn pending(&self) -> Usage {
        self.server_disk.pending(self.settings.profile())
    }
}

impl Drop for Loopback {
    /// Ends the processes that a failed test left running.
    fn drop(&mut self) {
        for slot in &mut self.clients {
            if let Some(process) = slot.process.take() {
                process.kill(|| slot.relay.cut());
            }
        }
        self.kill_server();
    }
}

/// Time to wait for an expected observation: long, because the computer may be busy.
const TIMEOUT: Duration = Duration::from_mins(1);
/// Time in which work between server and clients finishes. Example: a message that is repeated
/// although the killed server already had it, and its receipt.
const SETTLE_TIME: Duration = Duration::from_millis(300);
/// Bytes that a relay forwards at once, unless the settings say otherwise.
const BUFFER: usize = 64 * 1024;
