//! The client's side of the test bed.

use std::net::{IpAddr, Ipv4Addr};

use sealpost_core::address::Transport;
use sealpost_core::client::store::{ClientReply, Content, InboxItem};
use sealpost_core::client::{Client, Command, Config, Limits, Notice, OfflineReason, Token};
use sealpost_core::entropy::Entropy;
use sealpost_core::frame::Event;
use sealpost_core::ids::{ConnId, EndpointIndex, Phone, UserRef};
use sealpost_core::keys::Fingerprint;
use sealpost_core::time::Now;
use sealpost_core::wire::{FromClient, Packet, Profile};
use sealpost_storage::Faulty;
use sealpost_storage::client::{ClientStorage, Identity, MemoryClientStorage};

use super::bed::Bed;
use super::machine::TestedMachine;
use crate::test_keys::crypto;

/// A client machine in a test bed. The server is the test.
pub type ClientBed = Bed<Client>;

/// State of a client's bed.
pub struct ClientSetup {
    /// Index of the test key.
    key: usize,
    limits: Limits,
    /// Number of texts sent so far, in this process and earlier ones.
    tokens: u64,
}

impl TestedMachine for Client {
    const DIALS: bool = true;
    type StoreReply = ClientReply;
    type Store = MemoryClientStorage;
    type Setup = ClientSetup;

    fn accept(_: &InboxItem) -> Option<Command> {
        None
    }

    fn check_sent(packet: &Packet) {
        FromClient::parse(packet.clone()).expect("a packet for a server");
    }

    fn check_notice(_: &Notice) {}
}

impl ClientBed {
    /// Phone number that belongs to the `key`-th test key.
    pub fn phone(key: usize) -> Phone {
        format!("+4915100000{key:02}").parse().unwrap()
    }

    /// A client with the `key`-th test key (1 to 4), an empty store, and the server of this
    /// fingerprint as its own.
    pub fn new(profile: Profile, key: usize, server: Fingerprint) -> Self {
        Self::with(profile, key, server, Limits::default())
    }

    /// A client like [`new`](Self::new)'s with other limits.
    pub fn with(profile: Profile, key: usize, server: Fingerprint, limits: Limits) -> Self {
        let identity = Identity {
            phone: Self::phone(key),
            server,
            profile,
            transport: Transport::Tcp,
            endpoints: "localhost:7465".parse().unwrap(),
        };
        Self::on_store(Faulty::new(MemoryClientStorage::new(identity)), profile, key, limits)
    }

    fn on_store(
        store: Faulty<MemoryClientStorage>,
        profile: Profile,
        key: usize,
        limits: Limits,
    ) -> Self {
        let crypto = crypto(key);
        let config = Config {
            profile,
            public_key: crypto.public_key().clone(),
            endpoints: store.inner().identity().unwrap().endpoints.count(),
            limits: limits.clone(),
        };
        let seed = [u8::try_from(key).unwrap(); 32];
        let snapshot = store.inner().load().unwrap();
        let client = Client::new(config, snapshot, Entropy::from_seed(seed)).unwrap();
        Self::around(client, crypto, profile, store, ClientSetup { key, limits, tokens: 0 })
    }

    fn at(mut self, now: Now, tokens: u64) -> Self {
        self.set_now(now);
        self.setup.tokens = tokens;
        self
    }

    /// A restarted client on the same store: what was not committed is lost.
    #[must_use]
    pub fn restart(self) -> Self {
        let ClientSetup { key, limits, tokens } = self.setup;
        Self::on_store(self.store, self.profile, key, limits).at(self.now, tokens)
    }

    /// A restarted client whose server's address has these endpoints from now on.
    #[must_use]
    pub fn restart_with(mut self, endpoints: &str) -> Self {
        let mut store = self.store.inner().clone();
        let Identity { server, transport, .. } = store.identity().unwrap();
        store.move_server(&server, transport, &endpoints.parse().unwrap()).unwrap();
        self.store = Faulty::new(store);
        self.restart()
    }

    /// A second client with the same key and a copy of the store, offline.
    #[must_use]
    pub fn second_device(&self) -> Self {
        let store = Faulty::new(self.store.inner().clone());
        let ClientSetup { key, limits, tokens } = &self.setup;
        Self::on_store(store, self.profile, *key, limits.clone()).at(self.now, *tokens)
    }

    /// Gives the client a command of its application.
    pub fn command(&mut self, command: Command) {
        self.input_event(Event::Command(command));
    }

    /// Sends a text. Returns the application's token for it.
    pub fn send_text(&mut self, to: UserRef, text: &str) -> Token {
        self.setup.tokens += 1;
        let token = Token(self.setup.tokens);
        let content = Content::Text(text.to_owned());
        self.command(Command::Send { token, to, content });
        token
    }

    /// Next connection that the client dials.
    pub fn next_dial(&mut self) -> Option<ConnId> {
        self.next_dial_to().map(|(conn, _)| conn)
    }

    /// Next connection that the client dials, and the server that it is to lead to.
    pub fn next_dial_to(&mut self) -> Option<(ConnId, EndpointIndex)> {
        self.recorder.dials.pop_front()
    }

    /// Establishes the connection that the client dials.
    pub fn accept_dial(&mut self) -> ConnId {
        self.try_accept_dial().expect("the client dials")
    }

    /// Establishes the connection that the client dials, if there is one.
    pub fn try_accept_dial(&mut self) -> Option<ConnId> {
        let conn = self.next_dial()?;
        self.opened(conn);
        Some(conn)
    }

    /// Tells the client that a connection was established.
    pub fn opened(&mut self, conn: ConnId) {
        self.input_event(Event::Opened { conn, peer: IpAddr::V4(Ipv4Addr::LOCALHOST) });
    }

    /// Next packet that the client sent.
    pub fn next_sent(&mut self) -> Option<(ConnId, Packet)> {
        self.recorder.sent.pop_front()
    }

    /// Messages delivered since the last call.
    pub fn take_delivered(&mut self) -> Vec<InboxItem> {
        std::mem::take(&mut self.recorder.deliveries)
    }
}

/// The reason of the first offline notice, and whether the client will dial again by itself.
pub fn offline(notices: &[Notice]) -> Option<(OfflineReason, bool)> {
    notices.iter().find_map(|notice| {
        let Notice::Offline { reason, retry_in } = notice else { return None };
        Some((*reason, retry_in.is_some()))
    })
}
