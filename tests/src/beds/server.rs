//! The server's side of the test bed.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use sealpost_core::crypto::Crypto;
use sealpost_core::frame::Event;
use sealpost_core::ids::ConnId;
use sealpost_core::server::limits::Limits;
use sealpost_core::server::store::StoreReply;
use sealpost_core::server::{
    Command, Config, Counters, DeliveryId, DeliveryOutcome, Held, Notice, OtpChannel, OtpDelivery,
    Reconfiguration, RegisteredPhones, Registration, Server, Servers, Stats,
};
use sealpost_core::wire::{FromServer, Packet, Profile};
use sealpost_storage::{Faulty, MemoryStorage, Quota};

use super::bed::Bed;
use super::machine::TestedMachine;
use crate::recorded::{ReplayedAtTheEnd, record};
use crate::test_keys::{crypto, private_key};

/// A server machine in a test bed. Clients are connections that the test opens.
pub type ServerBed = Bed<Server>;

/// State of a server's bed.
pub struct ServerSetup {
    /// Number of connections opened so far.
    conns: u64,
}

/// Test key of a server that does not change its key.
const ONE_KEY: (usize, Option<usize>) = (0, None);

impl TestedMachine for Server {
    const DIALS: bool = false;
    type StoreReply = StoreReply;
    type Store = MemoryStorage;
    type Setup = ServerSetup;

    fn accept(delivery: &OtpDelivery) -> Option<Command> {
        let outcome = DeliveryOutcome::Accepted;
        Some(Command::OtpDelivery { id: delivery.id, outcome })
    }

    fn check_sent(packet: &Packet) {
        FromServer::parse(packet.clone()).expect("a packet for a client");
    }

    fn check_notice(notice: &Notice) {
        assert!(!matches!(notice, Notice::Misuse { .. }), "{notice:?}");
    }
}

impl ServerBed {
    /// A server with an empty store, in-band one-time passwords and no rate limits.
    pub fn new(profile: Profile) -> Self {
        Self::with(profile, OtpChannel::InBand, Limits::without_rates(), Quota::default())
    }

    /// A server with an empty store that keeps to itself who is registered.
    pub fn secretive(otp_channel: OtpChannel) -> Self {
        let hidden = RegisteredPhones::Hidden;
        let limits = Limits::without_rates();
        let open = Registration::default();
        Self::with_all(
            [7; 32],
            Profile::Compact,
            otp_channel,
            (hidden, open),
            limits,
            Quota::default(),
            ONE_KEY,
        )
    }

    /// A server without rate limits, and with an empty store, that sends one-time passwords out of
    /// band to those who need no invitation.
    pub fn registering(registered_phones: RegisteredPhones, registration: Registration) -> Self {
        let (limits, quota) = (Limits::without_rates(), Quota::default());
        let policy = (registered_phones, registration);
        Self::with_all(
            [7; 32],
            Profile::Compact,
            OtpChannel::OutOfBand,
            policy,
            limits,
            quota,
            ONE_KEY,
        )
    }

    /// A server with an empty store.
    pub fn with(profile: Profile, otp_channel: OtpChannel, limits: Limits, quota: Quota) -> Self {
        Self::seeded([7; 32], profile, otp_channel, limits, quota)
    }

    /// A server with an empty store, whose own randomness has this seed.
    pub fn seeded(
        seed: [u8; 32],
        profile: Profile,
        otp_channel: OtpChannel,
        limits: Limits,
        quota: Quota,
    ) -> Self {
        let policy = (RegisteredPhones::Told, Registration::default());
        Self::with_all(seed, profile, otp_channel, policy, limits, quota, ONE_KEY)
    }

    fn with_all(
        seed: [u8; 32],
        profile: Profile,
        otp_channel: OtpChannel,
        (registered_phones, registration): (RegisteredPhones, Registration),
        limits: Limits,
        quota: Quota,
        (first, successor): (usize, Option<usize>),
    ) -> Self {
        let successor = successor.map(private_key);
        let mut crypto = crypto(first);
        let server_key = crypto.public_key().clone();
        if let Some(successor) = &successor {
            crypto = crypto.with_successor(Arc::clone(successor));
        }
        let config = Config {
            profile,
            server_key,
            successor: successor.map(|successor| successor.public_key().clone()),
            servers: Servers::One,
            otp_channel,
            registered_phones,
            registration,
            exempt_networks: Vec::new(),
            limits,
        };
        Self::configured(seed, config, crypto, quota)
    }

    /// A server without rate limits, and with an empty store that it shares with others, which are up to
    /// the test.
    pub fn sharing(look_again: Duration) -> Self {
        let crypto = crypto(0);
        let config = Config {
            profile: Profile::Compact,
            server_key: crypto.public_key().clone(),
            successor: None,
            servers: Servers::Several { look_again },
            otp_channel: OtpChannel::InBand,
            registered_phones: RegisteredPhones::Told,
            registration: Registration::default(),
            exempt_networks: Vec::new(),
            limits: Limits::without_rates(),
        };
        Self::configured([7; 32], config, crypto, Quota::default())
    }

    fn configured(seed: [u8; 32], config: Config, crypto: Crypto, quota: Quota) -> Self {
        let profile = config.profile;
        let store = Faulty::new(MemoryStorage::new(profile, quota));
        let (entropy, recorder) = record(&config, Box::new(ChaCha20Rng::from_seed(seed)));
        let server = Server::new(config, entropy).expect("the limits are valid");
        let mut bed = Self::around(server, crypto, profile, store, ServerSetup { conns: 0 });
        let at_the_end = ReplayedAtTheEnd(recorder);
        bed.recorder.watcher = Some(Box::new(move |seen| at_the_end.0.borrow_mut().watch(seen)));
        bed
    }

    /// A restarted server on the same store, without connections.
    #[must_use]
    pub fn restart(self, otp_channel: OtpChannel, limits: Limits) -> Self {
        let mut next = Self::with(self.profile, otp_channel, limits, Quota::default());
        next.store = self.store;
        next.now = self.now;
        next.setup = self.setup;
        next
    }

    /// A restarted server without rate limits on the same store, whose keys are these test keys.
    #[must_use]
    pub fn restart_with_keys(self, first: usize, successor: Option<usize>) -> Self {
        let mut next = Self::with_all(
            [7; 32],
            self.profile,
            OtpChannel::InBand,
            (RegisteredPhones::Told, Registration::default()),
            Limits::without_rates(),
            Quota::default(),
            (first, successor),
        );
        next.store = self.store;
        next.now = self.now;
        next.setup = self.setup;
        next
    }

    /// A restarted [`registering`](Self::registering) server on the same store, without connections.
    #[must_use]
    pub fn restart_registering(
        self,
        registered_phones: RegisteredPhones,
        registration: Registration,
    ) -> Self {
        let mut next = Self::registering(registered_phones, registration);
        next.store = self.store;
        next.now = self.now;
        next.setup = self.setup;
        next
    }

    /// Opens a connection from 192.0.2.1.
    pub fn connect(&mut self) -> ConnId {
        self.connect_from(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)))
    }

    /// Opens a connection from an address.
    pub fn connect_from(&mut self, peer: IpAddr) -> ConnId {
        self.setup.conns += 1;
        let conn = ConnId(self.setup.conns);
        self.input_event(Event::Opened { conn, peer });
        conn
    }

    /// Next packet that the server sent on a connection.
    pub fn receive(&mut self, conn: ConnId) -> Option<Packet> {
        let sent = &mut self.recorder.sent;
        let index = sent.iter().position(|(to, _)| *to == conn)?;
        sent.remove(index).map(|(_, packet)| packet)
    }

    /// One-time passwords for out-of-band delivery since the last call.
    pub fn take_otps(&mut self) -> Vec<OtpDelivery> {
        std::mem::take(&mut self.recorder.deliveries)
    }

    /// Answers a delivery that was held back.
    pub fn answer_delivery(&mut self, id: DeliveryId, outcome: DeliveryOutcome) {
        self.recorder.answers.clear();
        self.input_event(Event::Command(Command::OtpDelivery { id, outcome }));
    }

    /// Gives the server new limits. Returns whether it has taken them over.
    pub fn set_limits(&mut self, limits: Limits) -> bool {
        let new = Reconfiguration {
            otp_channel: OtpChannel::InBand,
            registered_phones: RegisteredPhones::Told,
            registration: Registration::default(),
            exempt_networks: Vec::new(),
            limits,
        };
        self.recorder.notices.clear();
        self.input_event(Event::Command(Command::Reconfigure(Box::new(new))));
        self.recorder.notices.contains(&Notice::Reconfigured)
    }

    /// Counters of the server.
    pub fn stats(&self) -> Stats {
        self.machine.stats()
    }

    /// What the server has counted.
    pub fn counters(&self) -> Counters {
        *self.machine.counters()
    }

    /// What the server holds in memory.
    pub fn held(&self) -> Held {
        self.machine.held()
    }
}
