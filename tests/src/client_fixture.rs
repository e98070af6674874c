//! A client under test between a scripted server and scripted peers.

use sealpost_core::client::store::{Content, InboxItem, ReceivedContent};
use sealpost_core::client::{Command, Limits};
use sealpost_core::ids::{ConnId, MessageId, ReceiptId, UserId, UserRef};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{ErrorCode, ErrorForm, Otp, Packet, Profile, Receipt};

use crate::beds::ClientBed;
use crate::scripted_peer::ScriptedPeer;
use crate::scripted_server::{Request, ScriptedServer};
use crate::test_keys::crypto;

/// A client under test, its scripted server, and the connection between them.
pub struct ClientFixture {
    /// Bed of the client.
    pub bed: ClientBed,
    /// Scripted server of the client.
    pub server: ScriptedServer,
    /// Latest connection.
    pub conn: ConnId,
}

impl ClientFixture {
    /// An unregistered client with test key 1, offline.
    pub fn new() -> Self {
        Self::with(Limits::default())
    }

    /// An unregistered client with other limits.
    pub fn with(limits: Limits) -> Self {
        let profile = Profile::Compact;
        let server = *crypto(0).public_key().fingerprint();
        let bed = ClientBed::with(profile, 1, server, limits);
        let server = ScriptedServer::new(profile, bed.public_key());
        Self { bed, server, conn: ConnId(0) }
    }

    /// Wall clock of the client, which the server shares unless a test says otherwise.
    pub fn now(&self) -> Timestamp {
        self.bed.now().wall
    }

    /// Next packet that the server receives from the client.
    pub fn receive(&mut self) -> Option<Request> {
        self.server.receive(&mut self.bed)
    }

    /// All packets that the server receives from the client.
    pub fn receive_all(&mut self) -> Vec<Request> {
        self.server.receive_all(&mut self.bed)
    }

    /// Sends a packet to the client.
    pub fn send(&mut self, packet: &Packet) {
        self.bed.input_packet(self.conn, packet);
    }

    /// Establishes the connection that the client dials.
    pub fn connect(&mut self) {
        self.conn = self.bed.accept_dial();
    }

    /// A registered client that is online. Its packets and notices so far are taken.
    pub fn online(limits: Limits) -> Self {
        let mut fixture = Self::with(limits);
        fixture.bed.command(Command::Register { invitation: None });
        fixture.connect();
        assert_eq!(fixture.receive(), Some(Request::ServerKey));
        let key = fixture.server.server_key(fixture.now());
        fixture.send(&key);
        fixture.receive();
        let otp = fixture.server.otp_issued(fixture.now(), Otp::from_number(42_137));
        fixture.send(&otp);
        fixture.receive();
        let issued = fixture.server.session_issued(fixture.now());
        fixture.send(&issued);
        fixture.bed.take_notices();
        fixture
    }

    /// Establishes the connection that the client dials after its pause.
    pub fn redial(&mut self) {
        while self.bed.deadline().is_some() {
            self.bed.advance_to_deadline();
            if let Some(conn) = self.bed.try_accept_dial() {
                self.conn = conn;
                return;
            }
        }
        panic!("the client did not dial");
    }

    /// Brings the client back online on a new connection, with nothing pending.
    pub fn reconnect(&mut self) {
        self.redial();
        self.grant_session(0);
    }

    /// Answers the client's 106 with a 206.
    pub fn grant_session(&mut self, pending: u32) {
        let asked = self.receive();
        assert!(matches!(asked, Some(Request::Reconnect(..))), "{asked:?}");
        let resumed = self.server.session_resumed(self.now(), pending);
        self.send(&resumed);
    }

    /// Makes a peer a contact of the client through a look-up.
    pub fn add_contact(&mut self, peer: &ScriptedPeer) {
        self.bed.command(Command::Lookup { phone: peer.phone });
        assert_eq!(self.receive(), Some(Request::Lookup(UserRef::Phone(peer.phone))));
        let answer = self.server.public_key_of(self.now(), peer);
        self.send(&answer);
        self.bed.take_notices();
    }
}

impl Default for ClientFixture {
    fn default() -> Self {
        Self::new()
    }
}

/// User id of the client.
pub fn me() -> UserId {
    UserId::new(1).unwrap()
}

/// Message ids.
pub fn ids(ids: &[u64]) -> Vec<MessageId> {
    ids.iter().copied().map(MessageId).collect()
}

/// A peer that is not a contact of the client yet.
pub fn bob() -> ScriptedPeer {
    ScriptedPeer::new(Profile::Compact, 2)
}

/// An online client with bob as a contact.
pub fn client_knowing_bob() -> (ClientFixture, ScriptedPeer) {
    client_knowing_bob_with(Limits::default())
}

/// An online client with other limits and bob as a contact.
pub fn client_knowing_bob_with(limits: Limits) -> (ClientFixture, ScriptedPeer) {
    let mut fixture = ClientFixture::online(limits);
    let bob = bob();
    fixture.add_contact(&bob);
    (fixture, bob)
}

/// The request by which the client sends a message.
pub fn message(to: &ScriptedPeer, id: u64) -> Request {
    Request::Message(to.id, MessageId(id))
}

/// The request by which the client acknowledges messages.
pub fn receipt(to: &ScriptedPeer, receipt_id: u64, messages: &[u64]) -> Request {
    Request::Receipt(
        to.id,
        Receipt { receipt_id: ReceiptId(receipt_id), message_ids: ids(messages) },
    )
}

/// Sends a peer's message to the client. `numbers` are its id and that of the message before it.
pub fn receive_message(
    fixture: &mut ClientFixture,
    peer: &mut ScriptedPeer,
    numbers: (u64, u64),
    text: &str,
) -> Packet {
    let key = fixture.bed.public_key().clone();
    let packet = peer.message(fixture.now(), (me(), &key), numbers, text);
    fixture.send(&packet);
    packet
}

/// Texts of delivered messages.
pub fn texts(items: &[InboxItem]) -> Vec<&str> {
    items
        .iter()
        .map(|item| match &item.message.content {
            ReceivedContent::Opened(Content::Text(text)) => text,
            ReceivedContent::Opened(Content::Bytes(_)) => "(bytes)",
            ReceivedContent::Opened(Content::Event(_)) => "(event)",
            ReceivedContent::Undecryptable => "(undecryptable)",
        })
        .collect()
}

/// Answers the client's last request in the session with an error.
pub fn session_error(fixture: &mut ClientFixture, code: ErrorCode) {
    let error = fixture.server.error(fixture.now(), ErrorForm::SessionKey, code);
    fixture.send(&error);
}
