//! A client whose every packet the test writes itself: honest, careless or hostile.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use sealpost_core::crypto::{
    Crypto, Draft, Job, OpenedMessage, Outcome, Part, PrivateKey, Provider, RequestKind, RustCrypto,
};
use sealpost_core::ids::{ConnId, MessageId, Phone, ReceiptId, UserId};
use sealpost_core::keys::{Plaintext, PublicKey, SymmetricKey};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{
    ConfirmRequest, ContentKind, ErrorForm, ErrorReply, FromServer, Header, Inner, Lookup,
    MessageHead, NoMoreMessages, Op, Otp, OtpIssued, Packet, Profile, PublicKeyAnswer, Receipt,
    ReceiptsTaken, ReconnectRequest, RegisterRequest, RegistrationRejected, SEALED_ERROR_AT,
    SessionResumed, StoredAck,
};

use crate::stage::Stage;

/// How many keys there are to draw from: generating one takes a while, so tests share them.
const KEYS: usize = 5;

/// A runner with the `index`-th test key (0 is the server's).
pub fn crypto(index: usize) -> Crypto {
    static POOL: OnceLock<Vec<Arc<dyn PrivateKey>>> = OnceLock::new();
    let pool = POOL.get_or_init(|| {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut key = || {
            let der = RustCrypto.generate_key(&mut rng).unwrap();
            RustCrypto.load_key(der.expose()).unwrap()
        };
        (0..KEYS).map(|_| key()).collect()
    });
    let seed = u8::try_from(index).unwrap();
    let rng = Box::new(ChaCha20Rng::from_seed([seed; 32]));
    let wrapping_key = SymmetricKey::from_bytes([9; 32]);
    Crypto::new(Arc::new(RustCrypto), Arc::clone(&pool[index]), wrapping_key, rng)
}

/// One user, or somebody who would like to be.
pub struct Actor {
    crypto: Crypto,
    server_key: PublicKey,
    profile: Profile,
    /// This one's phone.
    pub phone: Phone,
    /// Known since the 201 or 206.
    pub id: Option<UserId>,
    /// The connection in use.
    pub conn: ConnId,
    session_key: SymmetricKey,
    reply_key: SymmetricKey,
    last_message: u64,
}

/// What reached an actor, verified and opened.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// 204 before a session.
    ServerKey(PublicKey),
    /// 200.
    OtpIssued(OtpIssued),
    /// 150.
    RegistrationRejected(RegistrationRejected),
    /// 201.
    SessionIssued,
    /// 206.
    SessionResumed(SessionResumed),
    /// 204.
    PublicKey(PublicKeyAnswer),
    /// 102, as it is.
    Message(UserId, MessageId),
    /// 203 of a reader.
    Delivered(UserId, Receipt),
    /// 203 of the server.
    Stored(Vec<(UserId, MessageId)>),
    /// 255.
    NoMoreMessages(NoMoreMessages),
    /// 222.
    Disconnect,
    /// 244.
    Error(ErrorForm, ErrorReply),
}

impl Actor {
    /// Somebody who is not registered yet.
    pub const fn new(
        crypto: Crypto,
        server_key: PublicKey,
        profile: Profile,
        phone: Phone,
        conn: ConnId,
    ) -> Self {
        Self {
            crypto,
            server_key,
            profile,
            phone,
            id: None,
            conn,
            session_key: SymmetricKey::from_bytes([0; 32]),
            reply_key: SymmetricKey::from_bytes([7; 32]),
            last_message: 0,
        }
    }

    /// Somebody with the `key`-th test key (1 to 4), not registered yet, on a new connection.
    pub fn stranger(stage: &mut Stage, key: usize) -> Self {
        let conn = stage.connect();
        let phone = format!("+4915100000{key:02}").parse().unwrap();
        Self::new(crypto(key), stage.server_key().clone(), stage.profile(), phone, conn)
    }

    /// Somebody registered, with a session.
    pub fn registered(stage: &mut Stage, key: usize) -> Self {
        let mut actor = Self::stranger(stage, key);
        let request = actor.register(stage.now().wall);
        stage.packet(actor.conn, &request);
        let Some(Heard::OtpIssued(OtpIssued { otp: Some(otp), .. })) = actor.hear(stage) else {
            panic!("no one-time password");
        };
        let confirm = actor.confirm(stage.now().wall, &otp);
        stage.packet(actor.conn, &confirm);
        assert_eq!(actor.hear(stage), Some(Heard::SessionIssued));
        actor
    }

    /// Comes back on a new connection, a second later, and returns how much is pending. What is
    /// stored may have arrived already.
    pub fn return_to(&mut self, stage: &mut Stage) -> u32 {
        stage.pass(std::time::Duration::from_secs(1));
        self.conn = stage.connect();
        let request = self.reconnect(stage.now().wall);
        stage.packet(self.conn, &request);
        match self.hear(stage) {
            Some(Heard::SessionResumed(SessionResumed { pending })) => pending,
            other => panic!("{other:?}"),
        }
    }

    /// This one's public key.
    pub fn public_key(&self) -> &PublicKey {
        self.crypto.public_key()
    }

    /// Puts a packet to the server or to a user together, and signs it.
    pub fn packet(
        &mut self,
        op: Op,
        recipient: Option<UserId>,
        at: Timestamp,
        parts: Vec<Part>,
    ) -> Packet {
        self.emit(Header { sender: self.id, recipient, timestamp: at, op }, parts, Signed::Yes)
    }

    /// Puts a packet with any header together, and signs it.
    pub fn sign(&mut self, header: Header, parts: Vec<Part>) -> Packet {
        self.emit(header, parts, Signed::Yes)
    }

    fn emit(&mut self, header: Header, parts: Vec<Part>, signed: Signed) -> Packet {
        let draft = Draft { profile: self.profile, header, parts, signed: signed == Signed::Yes };
        match self.crypto.run(Job::Emit(Box::new(draft))) {
            Outcome::Emitted(packet) => packet.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// 105 before a session.
    pub fn ask_server_key(&mut self, at: Timestamp) -> Packet {
        let header =
            Header { sender: None, recipient: None, timestamp: at, op: Op::RequestPublicKey };
        self.emit(header, Vec::new(), Signed::No)
    }

    /// 100.
    pub fn register(&mut self, at: Timestamp) -> Packet {
        let plaintext =
            RegisterRequest { reply_key: self.reply_key.clone(), phone: self.phone }.emit();
        let header = Header { sender: None, recipient: None, timestamp: at, op: Op::Register };
        let part = self.oaep(RequestKind::Register, plaintext);
        self.emit(header, vec![part], Signed::No)
    }

    /// 101, with this one's key.
    pub fn confirm(&mut self, at: Timestamp, otp: &Otp) -> Packet {
        let key = self.public_key().clone();
        self.confirm_key(at, otp, key.der(), &key)
    }

    /// 101, with any key, and with the fingerprint of another.
    pub fn confirm_key(
        &mut self,
        at: Timestamp,
        otp: &Otp,
        der: &[u8],
        sworn: &PublicKey,
    ) -> Packet {
        let request = ConfirmRequest {
            reply_key: self.reply_key.clone(),
            otp: otp.clone(),
            fingerprint: *sworn.fingerprint(),
            phone: self.phone,
        };
        let header = Header { sender: None, recipient: None, timestamp: at, op: Op::Confirm };
        let parts = vec![
            self.oaep(RequestKind::Confirm, request.emit()),
            Part::Clear(Bytes::copy_from_slice(der)),
        ];
        self.emit(header, parts, Signed::Yes)
    }

    /// 106.
    pub fn reconnect(&mut self, at: Timestamp) -> Packet {
        let plaintext =
            ReconnectRequest { reply_key: self.reply_key.clone(), phone: self.phone }.emit();
        let part = self.oaep(RequestKind::Reconnect, plaintext);
        self.packet(Op::Reconnect, None, at, vec![part])
    }

    /// 105 in a session.
    pub fn lookup(&mut self, at: Timestamp, lookup: &Lookup) -> Packet {
        let part = self.sealed(lookup.emit());
        self.packet(Op::RequestPublicKey, None, at, vec![part])
    }

    /// 102 with the next number, to somebody with this key.
    pub fn message(&mut self, at: Timestamp, to: UserId, key: &PublicKey, text: &str) -> Packet {
        self.last_message += 1;
        self.message_numbered(self.last_message, at, to, key, text)
    }

    /// 102.
    pub fn message_numbered(
        &mut self,
        id: u64,
        at: Timestamp,
        to: UserId,
        key: &PublicKey,
        text: &str,
    ) -> Packet {
        let head = MessageHead { message_id: MessageId(id), suite: MessageHead::SUITE_1 };
        let inner = Inner::new(ContentKind::Text, None, text.as_bytes().to_vec()).unwrap();
        let envelope = Part::Envelope { to: key.clone(), inner: inner.emit() };
        self.packet(Op::Message, Some(to), at, vec![Part::Clear(head.emit().into()), envelope])
    }

    /// 203 to a sender.
    pub fn receipt(
        &mut self,
        at: Timestamp,
        to: UserId,
        receipt_id: u64,
        messages: &[u64],
    ) -> Packet {
        let message_ids = messages.iter().copied().map(MessageId).collect();
        let receipt = Receipt { receipt_id: ReceiptId(receipt_id), message_ids };
        self.packet(Op::DeliveryAck, Some(to), at, vec![Part::Clear(receipt.emit().into())])
    }

    /// 203 to the server.
    pub fn taken(&mut self, at: Timestamp, receipts: &[(UserId, u64)]) -> Packet {
        let items = receipts.iter().map(|(user, id)| (*user, ReceiptId(*id))).collect();
        let part = self.sealed(ReceiptsTaken { items }.emit());
        self.packet(Op::DeliveryAck, None, at, vec![part])
    }

    /// 222.
    pub fn disconnect(&mut self, at: Timestamp) -> Packet {
        self.packet(Op::Disconnect, None, at, Vec::new())
    }

    fn oaep(&self, kind: RequestKind, plaintext: Plaintext) -> Part {
        Part::Oaep { to: self.server_key.clone(), label: kind.label(), plaintext }
    }

    fn sealed(&self, plaintext: Plaintext) -> Part {
        Part::Sealed { key: self.session_key.clone(), plaintext }
    }

    /// The next packet that has reached this one, verified and opened.
    pub fn hear(&mut self, stage: &mut Stage) -> Option<Heard> {
        let packet = stage.receive(self.conn)?;
        Some(self.open(packet))
    }

    /// Everything that has reached this one.
    pub fn hear_all(&mut self, stage: &mut Stage) -> Vec<Heard> {
        std::iter::from_fn(|| self.hear(stage)).collect()
    }

    /// Verifies and opens a packet that has come.
    pub fn open(&mut self, packet: Packet) -> Heard {
        let reply_key = self.reply_key.clone();
        let session_key = self.session_key.clone();
        match FromServer::parse(packet).expect("a packet for a client") {
            FromServer::ServerKey { packet, public_key } => {
                self.verify(&packet, &public_key);
                Heard::ServerKey(public_key)
            }
            FromServer::OtpIssued(packet) => Heard::OtpIssued(
                OtpIssued::parse(self.opened(packet, reply_key, 0).expose()).unwrap(),
            ),
            FromServer::RegistrationRejected(packet) => Heard::RegistrationRejected(
                RegistrationRejected::parse(self.opened(packet, reply_key, 0).expose()).unwrap(),
            ),
            FromServer::SessionIssued { packet, user } => {
                assert_eq!(self.granted(packet, user), None);
                Heard::SessionIssued
            }
            FromServer::SessionResumed { packet, user } => {
                let sealed = self.granted(packet, user).expect("a 206 says how much is pending");
                Heard::SessionResumed(SessionResumed::parse(sealed.expose()).unwrap())
            }
            FromServer::PublicKey(packet) => Heard::PublicKey(
                PublicKeyAnswer::parse(self.opened(packet, session_key, 0).expose()).unwrap(),
            ),
            FromServer::Message { sender, message_id, .. } => Heard::Message(sender, message_id),
            FromServer::Receipt { recipient, receipt, .. } => Heard::Delivered(recipient, receipt),
            FromServer::Stored(packet) => Heard::Stored(
                StoredAck::parse(self.opened(packet, session_key, 0).expose()).unwrap().items,
            ),
            FromServer::NoMoreMessages(packet) => Heard::NoMoreMessages(
                NoMoreMessages::parse(self.opened(packet, session_key, 0).expose()).unwrap(),
            ),
            FromServer::Disconnect(packet) => {
                self.verify(&packet, &self.server_key.clone());
                Heard::Disconnect
            }
            FromServer::Error { packet, form } => {
                let error = match form {
                    ErrorForm::Clear => {
                        self.verify(&packet, &self.server_key.clone());
                        ErrorReply::parse_clear(packet.payload())
                    }
                    ErrorForm::ReplyKey => {
                        ErrorReply::parse(self.opened(packet, reply_key, SEALED_ERROR_AT).expose())
                    }
                    ErrorForm::SessionKey => ErrorReply::parse(
                        self.opened(packet, session_key, SEALED_ERROR_AT).expose(),
                    ),
                };
                Heard::Error(form, error.unwrap())
            }
        }
    }

    /// Opens a message as its reader.
    pub fn read(&mut self, packet: Packet, sender: &PublicKey) -> Option<Vec<u8>> {
        match self.crypto.run(Job::OpenMessage { packet, signer: sender.clone() }) {
            Outcome::MessageOpened(Ok(OpenedMessage::Inner(inner))) => {
                Some(Inner::parse(inner.expose()).unwrap().into_content())
            }
            Outcome::MessageOpened(_) => None,
            other => panic!("{other:?}"),
        }
    }

    fn verify(&mut self, packet: &Packet, signer: &PublicKey) {
        let job = Job::Verify { packet: packet.clone(), signer: signer.clone() };
        assert!(
            matches!(self.crypto.run(job), Outcome::Verified(Ok(()))),
            "a signature does not hold"
        );
    }

    fn opened(&mut self, packet: Packet, key: SymmetricKey, at: usize) -> Plaintext {
        match self.crypto.run(Job::OpenSealed { packet, signer: self.server_key.clone(), key, at })
        {
            Outcome::Opened(opened) => opened.expect("signed and sealed rightly"),
            other => panic!("{other:?}"),
        }
    }

    fn granted(&mut self, packet: Packet, user: UserId) -> Option<Plaintext> {
        let job = Job::OpenGrant { packet, signer: self.server_key.clone() };
        let Outcome::GrantOpened(Ok(grant)) = self.crypto.run(job) else { panic!("no grant") };
        self.session_key = grant.session_key;
        self.id = Some(user);
        grant.sealed
    }
}

/// Whether a packet carries its maker's signature, or zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signed {
    Yes,
    No,
}
