//! A server whose every packet the test writes itself, and peers of the same kind: honest, careless
//! or hostile.

use sealpost_core::crypto::{Crypto, Draft, Job, OpenedMessage, Outcome, Part, RequestKind};
use sealpost_core::ids::{ConnId, MessageId, Phone, ReceiptId, UserId, UserRef};
use sealpost_core::keys::{Plaintext, PublicKey, SymmetricKey};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{
    ConfirmRequest, ContentKind, ErrorCode, ErrorForm, ErrorReply, FromClient, Header, InReplyTo,
    Inner, Lookup, MessageHead, NoMoreMessages, Op, Otp, OtpIssued, Packet, Profile,
    PublicKeyAnswer, Receipt, ReceiptsTaken, ReconnectRequest, RegisterRequest,
    RegistrationRejected, SessionGrant, SessionResumed, StoredAck, Write, emit_server_key,
};

use crate::actor::crypto;
use crate::client_stage::ClientStage;

/// A server for one client.
pub struct Clerk {
    crypto: Crypto,
    profile: Profile,
    client_key: PublicKey,
    /// The client's id.
    pub user: UserId,
    reply_key: SymmetricKey,
    session_key: SymmetricKey,
    /// The last request.
    last: Option<Packet>,
}

/// What a client has asked for, verified and opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// 105 before a session.
    ServerKey,
    /// 100.
    Register(Phone),
    /// 101.
    Confirm(Phone, Otp),
    /// 106, with its sender and date.
    Reconnect(Option<UserId>, Phone, Timestamp),
    /// 105.
    Lookup(UserRef),
    /// 102.
    Message(UserId, MessageId),
    /// 203 to a sender.
    Receipt(UserId, Receipt),
    /// 203 to the server.
    Taken(Vec<(UserId, ReceiptId)>),
    /// 222.
    Disconnect,
}

impl Clerk {
    /// The server with test key 0, for the client with this key; the client's id is 1.
    pub fn new(profile: Profile, client_key: &PublicKey) -> Self {
        Self {
            crypto: crypto(0),
            profile,
            client_key: client_key.clone(),
            user: UserId::new(1).unwrap(),
            reply_key: SymmetricKey::from_bytes([0; 32]),
            session_key: SymmetricKey::from_bytes([5; 32]),
            last: None,
        }
    }

    /// The server's key.
    pub fn public_key(&self) -> &PublicKey {
        self.crypto.public_key()
    }

    /// The next packet that the client has sent, on whatever connection.
    pub fn hear(&mut self, stage: &mut ClientStage) -> Option<Asked> {
        let (_, packet) = stage.sent()?;
        Some(self.open(packet))
    }

    /// Everything that the client has sent.
    pub fn hear_all(&mut self, stage: &mut ClientStage) -> Vec<Asked> {
        std::iter::from_fn(|| self.hear(stage)).collect()
    }

    /// The last packet that was heard.
    pub fn last(&self) -> &Packet {
        self.last.as_ref().unwrap()
    }

    fn in_reply_to(&self) -> InReplyTo {
        self.last().request_hash().in_reply_to()
    }

    fn open(&mut self, packet: Packet) -> Asked {
        self.last = Some(packet.clone());
        match FromClient::parse(packet).expect("a packet for a server") {
            FromClient::ServerKey(_) => Asked::ServerKey,
            FromClient::Register(packet) => {
                let open = self.request(packet, None, RequestKind::Register);
                let RegisterRequest { reply_key, phone } =
                    RegisterRequest::parse(open.expose()).unwrap();
                self.reply_key = reply_key;
                Asked::Register(phone)
            }
            FromClient::Confirm { packet, public_key_der } => {
                let key = PublicKey::from_der(&public_key_der).unwrap();
                assert_eq!(key, self.client_key);
                let open = self.request(packet, Some(key.clone()), RequestKind::Confirm);
                let request = ConfirmRequest::parse(open.expose()).unwrap();
                assert_eq!(request.fingerprint, *key.fingerprint());
                self.reply_key = request.reply_key.clone();
                Asked::Confirm(request.phone, request.otp.clone())
            }
            FromClient::Reconnect(packet) => {
                let (sender, at) = (packet.header().sender, packet.header().timestamp);
                let signer = self.client_key.clone();
                let open = self.request(packet, Some(signer), RequestKind::Reconnect);
                let ReconnectRequest { reply_key, phone } =
                    ReconnectRequest::parse(open.expose()).unwrap();
                self.reply_key = reply_key;
                Asked::Reconnect(sender, phone, at)
            }
            FromClient::Lookup(packet) => {
                match Lookup::parse(self.sealed(packet).expose()).unwrap() {
                    Lookup::Phone(phone) => Asked::Lookup(UserRef::Phone(phone)),
                    Lookup::Id(user) => Asked::Lookup(UserRef::Id(user)),
                }
            }
            FromClient::Message { packet, recipient, message_id } => {
                self.verify(&packet);
                Asked::Message(recipient, message_id)
            }
            FromClient::Receipt { packet, sender, receipt, .. } => {
                self.verify(&packet);
                Asked::Receipt(sender, receipt)
            }
            FromClient::ReceiptsTaken(packet) => {
                Asked::Taken(ReceiptsTaken::parse(self.sealed(packet).expose()).unwrap().items)
            }
            FromClient::Disconnect(packet) => {
                self.verify(&packet);
                Asked::Disconnect
            }
        }
    }

    fn request(
        &mut self,
        packet: Packet,
        signer: Option<PublicKey>,
        kind: RequestKind,
    ) -> Plaintext {
        match self.crypto.run(Job::OpenRequest { packet, signer, kind }) {
            Outcome::RequestOpened(opened) => opened.unwrap().plaintext,
            other => panic!("{other:?}"),
        }
    }

    fn sealed(&mut self, packet: Packet) -> Plaintext {
        let (signer, key) = (self.client_key.clone(), self.session_key.clone());
        match self.crypto.run(Job::OpenSealed { packet, signer, key, at: 0 }) {
            Outcome::Opened(opened) => opened.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn verify(&mut self, packet: &Packet) {
        let job = Job::Verify { packet: packet.clone(), signer: self.client_key.clone() };
        assert!(matches!(self.crypto.run(job), Outcome::Verified(Ok(()))));
    }

    /// Any packet of the server's.
    pub fn packet(
        &mut self,
        op: Op,
        recipient: Option<UserId>,
        at: Timestamp,
        parts: Vec<Part>,
    ) -> Packet {
        emit(
            &mut self.crypto,
            self.profile,
            Header { sender: None, recipient, timestamp: at, op },
            parts,
        )
    }

    /// 204 before a session.
    pub fn server_key(&mut self, at: Timestamp) -> Packet {
        let payload = emit_server_key(self.crypto.public_key());
        self.packet(Op::PublicKey, None, at, vec![Part::Clear(payload.into())])
    }

    /// 200.
    pub fn otp_issued(&mut self, at: Timestamp, otp: Option<Otp>) -> Packet {
        let in_reply_to = self.in_reply_to();
        let issued = OtpIssued { in_reply_to, ttl_secs: 300, attempts: 5, otp };
        self.replied(Op::OtpIssued, at, issued.emit())
    }

    /// 150.
    pub fn rejected(&mut self, at: Timestamp) -> Packet {
        let in_reply_to = self.in_reply_to();
        self.replied(Op::RegistrationRejected, at, RegistrationRejected { in_reply_to }.emit())
    }

    fn replied(&mut self, op: Op, at: Timestamp, plaintext: Plaintext) -> Packet {
        let key = self.reply_key.clone();
        self.packet(op, None, at, vec![Part::Sealed { key, plaintext }])
    }

    /// 201.
    pub fn session_issued(&mut self, at: Timestamp) -> Packet {
        let grant = self.grant();
        self.packet(Op::SessionIssued, Some(self.user), at, vec![grant])
    }

    /// 206.
    pub fn session_resumed(&mut self, at: Timestamp, pending: u32) -> Packet {
        let (grant, key) = (self.grant(), self.session_key.clone());
        let resumed = Part::Sealed { key, plaintext: SessionResumed { pending }.emit() };
        self.packet(Op::SessionResumed, Some(self.user), at, vec![grant, resumed])
    }

    fn grant(&self) -> Part {
        let grant = SessionGrant {
            session_key: self.session_key.clone(),
            request_hash: self.last().request_hash(),
        };
        Part::Oaep {
            to: self.client_key.clone(),
            label: "sealpost/1/session",
            plaintext: grant.emit(),
        }
    }

    /// Any packet that is sealed with the session's key.
    pub fn said(&mut self, op: Op, at: Timestamp, plaintext: Plaintext) -> Packet {
        let key = self.session_key.clone();
        self.packet(op, Some(self.user), at, vec![Part::Sealed { key, plaintext }])
    }

    /// 204, to the last request.
    pub fn key_of(&mut self, at: Timestamp, peer: &Peer) -> Packet {
        let answer = PublicKeyAnswer {
            in_reply_to: self.in_reply_to(),
            user: peer.id,
            phone: peer.phone,
            public_key: peer.public_key().clone(),
        };
        self.said(Op::PublicKey, at, answer.emit())
    }

    /// 203: stored.
    pub fn stored(&mut self, at: Timestamp, items: &[(UserId, MessageId)]) -> Packet {
        self.said(Op::DeliveryAck, at, StoredAck { items: items.to_vec() }.emit())
    }

    /// 255.
    pub fn no_more(&mut self, at: Timestamp, drained: u32) -> Packet {
        self.said(Op::NoMoreMessages, at, NoMoreMessages { drained }.emit())
    }

    /// 222.
    pub fn goodbye(&mut self, at: Timestamp) -> Packet {
        self.packet(Op::Disconnect, Some(self.user), at, Vec::new())
    }

    /// 244 to the last request.
    pub fn error(&mut self, at: Timestamp, form: ErrorForm, code: ErrorCode) -> Packet {
        let in_reply_to = self.in_reply_to();
        self.error_to(at, form, code, in_reply_to)
    }

    /// 244 to the last request before a session: come back after a pause.
    pub fn rate_limited(&mut self, at: Timestamp, retry_after_secs: u32) -> Packet {
        let (code, in_reply_to) = (ErrorCode::RateLimited, self.in_reply_to());
        let text = String::new();
        let reply = ErrorReply { code, in_reply_to, retry_after_secs, server_time: at, text };
        let form = ErrorForm::ReplyKey;
        let parts = sealed_error(form, self.reply_key.clone(), &reply);
        self.packet(Op::Error, None, at, parts)
    }

    /// 244 to any request, or to none.
    pub fn error_to(
        &mut self,
        at: Timestamp,
        form: ErrorForm,
        code: ErrorCode,
        in_reply_to: InReplyTo,
    ) -> Packet {
        let text = "four attempts left".to_owned();
        let reply = ErrorReply { code, in_reply_to, retry_after_secs: 0, server_time: at, text };
        let (recipient, parts) = match form {
            ErrorForm::Clear => (None, vec![Part::Clear(reply.emit_clear().into())]),
            ErrorForm::ReplyKey => (None, sealed_error(form, self.reply_key.clone(), &reply)),
            ErrorForm::SessionKey => {
                (Some(self.user), sealed_error(form, self.session_key.clone(), &reply))
            }
        };
        self.packet(Op::Error, recipient, at, parts)
    }
}

/// Another user, beyond the server.
pub struct Peer {
    crypto: Crypto,
    profile: Profile,
    /// This one's id.
    pub id: UserId,
    /// This one's phone.
    pub phone: Phone,
}

impl Peer {
    /// The peer with the `key`-th test key (1 to 4), whose id is that number.
    pub fn new(profile: Profile, key: usize) -> Self {
        let id = UserId::new(u64::try_from(key).unwrap()).unwrap();
        Self { crypto: crypto(key), profile, id, phone: ClientStage::phone(key) }
    }

    /// This one's key.
    pub fn public_key(&self) -> &PublicKey {
        self.crypto.public_key()
    }

    /// 102.
    pub fn message(
        &mut self,
        at: Timestamp,
        to: (UserId, &PublicKey),
        (id, previous): (u64, u64),
        text: &str,
    ) -> Packet {
        let head = MessageHead { message_id: MessageId(id), suite: MessageHead::SUITE_1 };
        let previous = (previous != 0).then_some(MessageId(previous));
        let inner = Inner::new(ContentKind::Text, previous, text.as_bytes().to_vec()).unwrap();
        let envelope = Part::Envelope { to: to.1.clone(), inner: inner.emit() };
        let parts = vec![Part::Clear(head.emit().into()), envelope];
        self.packet(Op::Message, to.0, at, parts)
    }

    /// 203 to a sender.
    pub fn receipt(&mut self, at: Timestamp, to: UserId, id: u64, messages: &[u64]) -> Packet {
        let message_ids = messages.iter().copied().map(MessageId).collect();
        let receipt = Receipt { receipt_id: ReceiptId(id), message_ids };
        self.packet(Op::DeliveryAck, to, at, vec![Part::Clear(receipt.emit().into())])
    }

    /// Opens a message to this one.
    pub fn read(&mut self, packet: Packet, sender: &PublicKey) -> Inner {
        match self.crypto.run(Job::OpenMessage { packet, signer: sender.clone() }) {
            Outcome::MessageOpened(Ok(OpenedMessage::Inner(inner))) => {
                Inner::parse(inner.expose()).unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    fn packet(&mut self, op: Op, to: UserId, at: Timestamp, parts: Vec<Part>) -> Packet {
        let header = Header { sender: Some(self.id), recipient: Some(to), timestamp: at, op };
        emit(&mut self.crypto, self.profile, header, parts)
    }
}

fn sealed_error(form: ErrorForm, key: SymmetricKey, reply: &ErrorReply) -> Vec<Part> {
    let mut clear = Vec::new();
    clear.put_u8(form.code());
    vec![Part::Clear(clear.into()), Part::Sealed { key, plaintext: reply.emit() }]
}

fn emit(crypto: &mut Crypto, profile: Profile, header: Header, parts: Vec<Part>) -> Packet {
    let draft = Draft { profile, header, parts, signed: true };
    match crypto.run(Job::Emit(Box::new(draft))) {
        Outcome::Emitted(packet) => packet.unwrap(),
        other => panic!("{other:?}"),
    }
}

/// One client with a clerk for its server, and the connection between them.
pub struct Counter {
    /// The client.
    pub stage: ClientStage,
    /// Its server.
    pub clerk: Clerk,
    /// The last connection.
    pub conn: ConnId,
}

impl Counter {
    /// A client with test key 1 that is offline and not registered.
    pub fn new() -> Self {
        Self::with(sealpost_core::client::Limits::default())
    }

    /// The same with other limits.
    pub fn with(limits: sealpost_core::client::Limits) -> Self {
        let profile = Profile::Compact;
        let server = *crypto(0).public_key().fingerprint();
        let stage = ClientStage::with(profile, 1, server, limits);
        let clerk = Clerk::new(profile, stage.public_key());
        Self { stage, clerk, conn: ConnId(0) }
    }

    /// The server's clock, which is the client's unless a test says otherwise.
    pub fn at(&self) -> Timestamp {
        self.stage.now().wall
    }

    /// The next request of the client.
    pub fn hear(&mut self) -> Option<Asked> {
        self.clerk.hear(&mut self.stage)
    }

    /// All requests of the client.
    pub fn hear_all(&mut self) -> Vec<Asked> {
        self.clerk.hear_all(&mut self.stage)
    }

    /// Something reaches the client.
    pub fn say(&mut self, packet: &Packet) {
        self.stage.packet(self.conn, packet);
    }

    /// Makes the connection that the client dials.
    pub fn open(&mut self) {
        self.conn = self.stage.open();
    }

    /// The client that is registered and online. Nothing that happened until then is left to see.
    pub fn online(limits: sealpost_core::client::Limits) -> Self {
        use sealpost_core::client::Command;
        let mut counter = Self::with(limits);
        counter.stage.command(Command::Register);
        counter.open();
        assert_eq!(counter.hear(), Some(Asked::ServerKey));
        let key = counter.clerk.server_key(counter.at());
        counter.say(&key);
        counter.hear();
        let otp = counter.clerk.otp_issued(counter.at(), Otp::from_number(42_137));
        counter.say(&otp);
        counter.hear();
        let issued = counter.clerk.session_issued(counter.at());
        counter.say(&issued);
        counter.stage.notices();
        counter
    }

    /// Makes the connection that the client dials after whatever pause it makes.
    pub fn redial(&mut self) {
        while self.stage.deadline().is_some() {
            self.stage.pass_to_alarm();
            if let Some(conn) = self.stage.open_if_dialled() {
                self.conn = conn;
                return;
            }
        }
        panic!("the client does not dial");
    }

    /// The client comes back on a new connection.
    pub fn come_back(&mut self) {
        self.redial();
        self.resume(0);
    }

    /// Answers the client's 106.
    pub fn resume(&mut self, pending: u32) {
        let asked = self.hear();
        assert!(matches!(asked, Some(Asked::Reconnect(..))), "{asked:?}");
        let resumed = self.clerk.session_resumed(self.at(), pending);
        self.say(&resumed);
    }

    /// Makes a peer known to the client, by a look-up of the application's.
    pub fn introduce(&mut self, peer: &Peer) {
        use sealpost_core::client::Command;
        self.stage.command(Command::Lookup { phone: peer.phone });
        assert_eq!(self.hear(), Some(Asked::Lookup(UserRef::Phone(peer.phone))));
        let answer = self.clerk.key_of(self.at(), peer);
        self.say(&answer);
        self.stage.notices();
    }
}

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}
