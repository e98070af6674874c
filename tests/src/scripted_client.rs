//! A client whose every packet the test writes itself: correct, careless or hostile.

use bytes::Bytes;
use sealpost_core::crypto::{
    Crypto, Draft, Job, OpenedMessage, Outcome, OwnKey, Part, RequestKind,
};
use sealpost_core::ids::{ConnId, MessageId, Phone, ReceiptId, UserId};
use sealpost_core::keys::{Fingerprint, Plaintext, PublicKey, SymmetricKey};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{
    ConfirmRequest, ContentKind, ErrorForm, ErrorReply, FromServer, Header, Inner, Invitation,
    Lookup, MessageHead, NoMoreMessages, Op, Otp, OtpIssued, Packet, Profile, PublicKeyAnswer,
    Receipt, ReceiptsTaken, ReconnectRequest, RegisterRequest, RegistrationRejected,
    SEALED_ERROR_AT, SessionResumed, StoredAck,
};

use crate::beds::ServerBed;
use crate::scripted_packet::emit;
use crate::test_keys::crypto;

/// A client of the server under test, registered or not.
pub struct ScriptedClient {
    crypto: Crypto,
    /// Key that requests are sealed for, and answers verified with.
    pub server_key: PublicKey,
    profile: Profile,
    /// Phone number of the client.
    pub phone: Phone,
    /// User id, known once a 201 or 206 has arrived.
    pub id: Option<UserId>,
    /// Connection in use.
    pub conn: ConnId,
    /// Code of the invitation that the client registers with.
    pub invitation: Option<Invitation>,
    session_key: SymmetricKey,
    reply_key: SymmetricKey,
    last_message: u64,
    /// Fingerprint that the last 201 or 206 named.
    pub successor: Option<Fingerprint>,
}

/// A packet that the client received, verified and opened.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
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
    /// 102, still sealed.
    Message(UserId, MessageId),
    /// 203 from a recipient.
    Delivered(UserId, Receipt),
    /// 203 from the server.
    Stored(Vec<(UserId, MessageId)>),
    /// 255.
    NoMoreMessages(NoMoreMessages),
    /// 222.
    Disconnect,
    /// 244.
    Error(ErrorForm, ErrorReply),
}

impl ScriptedClient {
    /// A client that is not registered yet.
    pub fn new(
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
            invitation: None,
            session_key: SymmetricKey::from_bytes([0; 32]),
            reply_key: SymmetricKey::from_bytes([7; 32]),
            last_message: 0,
            successor: None,
        }
    }

    /// A client with the `key`-th test key (1 to 4) on a new connection, not registered yet.
    pub fn unregistered(bed: &mut ServerBed, key: usize) -> Self {
        let conn = bed.connect();
        let phone = format!("+4915100000{key:02}").parse().unwrap();
        Self::new(crypto(key), bed.public_key().clone(), bed.profile(), phone, conn)
    }

    /// A registered client in session.
    pub fn registered(bed: &mut ServerBed, key: usize) -> Self {
        let mut client = Self::unregistered(bed, key);
        let request = client.register(bed.now().wall);
        bed.input_packet(client.conn, &request);
        let Some(Received::OtpIssued(OtpIssued { otp: Some(otp), .. })) = client.receive(bed)
        else {
            panic!("no one-time password");
        };
        let confirm = client.confirm(bed.now().wall, &otp);
        bed.input_packet(client.conn, &confirm);
        assert_eq!(client.receive(bed), Some(Received::SessionIssued));
        client
    }

    /// Reconnects on a new connection a second later, and returns the number of pending items.
    /// Stored items may already have arrived when it returns.
    pub fn reconnect_to(&mut self, bed: &mut ServerBed) -> u32 {
        bed.advance(std::time::Duration::from_secs(1));
        self.conn = bed.connect();
        let request = self.reconnect(bed.now().wall);
        bed.input_packet(self.conn, &request);
        match self.receive(bed) {
            Some(Received::SessionResumed(SessionResumed { pending })) => pending,
            other => panic!("{other:?}"),
        }
    }

    /// Public key of the client.
    pub fn public_key(&self) -> &PublicKey {
        self.crypto.public_key()
    }

    /// Uses another reply key from now on, and so no longer the password of the earlier ones.
    pub fn use_reply_key(&mut self, byte: u8) {
        self.reply_key = SymmetricKey::from_bytes([byte; 32]);
    }

    /// Builds and signs a packet to the server or to a user.
    pub fn packet(
        &mut self,
        op: Op,
        recipient: Option<UserId>,
        at: Timestamp,
        parts: Vec<Part>,
    ) -> Packet {
        self.emit(Header { sender: self.id, recipient, timestamp: at, op }, parts, Signed::Yes)
    }

    /// Builds and signs a packet with any header.
    pub fn sign(&mut self, header: Header, parts: Vec<Part>) -> Packet {
        self.emit(header, parts, Signed::Yes)
    }

    fn emit(&mut self, header: Header, parts: Vec<Part>, signed: Signed) -> Packet {
        let draft = Draft {
            profile: self.profile,
            header,
            parts,
            signer: (signed == Signed::Yes).then_some(OwnKey::First),
        };
        emit(&mut self.crypto, draft)
    }

    /// 105 before a session.
    pub fn request_server_key(&mut self, at: Timestamp) -> Packet {
        let header =
            Header { sender: None, recipient: None, timestamp: at, op: Op::RequestPublicKey };
        self.emit(header, Vec::new(), Signed::No)
    }

    /// 105 before a session that names a key.
    pub fn request_named_key(&mut self, at: Timestamp, key: &PublicKey) -> Packet {
        let header =
            Header { sender: None, recipient: None, timestamp: at, op: Op::RequestPublicKey };
        let name = Bytes::copy_from_slice(&key.fingerprint().0);
        self.emit(header, vec![Part::Clear(name)], Signed::No)
    }

    /// 100.
    pub fn register(&mut self, at: Timestamp) -> Packet {
        self.register_dated(at, at, self.invitation.clone())
    }

    /// 100 whose header and sealed part may have different dates, with any invitation.
    pub fn register_dated(
        &mut self,
        at: Timestamp,
        sealed: Timestamp,
        invitation: Option<Invitation>,
    ) -> Packet {
        let (reply_key, phone) = (self.reply_key.clone(), self.phone);
        let request = RegisterRequest { reply_key, phone, timestamp: sealed, invitation };
        let header = Header { sender: None, recipient: None, timestamp: at, op: Op::Register };
        let part = self.oaep(RequestKind::Register, request.emit());
        self.emit(header, vec![part], Signed::No)
    }

    /// 101 with the client's own key.
    pub fn confirm(&mut self, at: Timestamp, otp: &Otp) -> Packet {
        let key = self.public_key().clone();
        self.confirm_key(at, otp, key.der(), &key)
    }

    /// 101 with any key, and with the fingerprint of another.
    pub fn confirm_key(
        &mut self,
        at: Timestamp,
        otp: &Otp,
        der: &[u8],
        claimed: &PublicKey,
    ) -> Packet {
        let request = ConfirmRequest {
            reply_key: self.reply_key.clone(),
            otp: otp.clone(),
            fingerprint: *claimed.fingerprint(),
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

    /// 102 with the next message id, to the user with this key.
    pub fn message(&mut self, at: Timestamp, to: UserId, key: &PublicKey, text: &str) -> Packet {
        self.last_message += 1;
        self.message_numbered(self.last_message, at, to, key, text)
    }

    /// 102 with any message id.
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

    /// 203 to the sender of messages.
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
    pub fn receipts_taken(&mut self, at: Timestamp, receipts: &[(UserId, u64)]) -> Packet {
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

    /// Next packet from the server, verified and opened.
    pub fn receive(&mut self, bed: &mut ServerBed) -> Option<Received> {
        let packet = bed.receive(self.conn)?;
        Some(self.open(packet))
    }

    /// All packets from the server, verified and opened.
    pub fn receive_all(&mut self, bed: &mut ServerBed) -> Vec<Received> {
        std::iter::from_fn(|| self.receive(bed)).collect()
    }

    /// Verifies and opens a packet from the server.
    pub fn open(&mut self, packet: Packet) -> Received {
        let reply_key = self.reply_key.clone();
        let session_key = self.session_key.clone();
        match FromServer::parse(packet).expect("a packet for a client") {
            FromServer::ServerKey { packet, public_key } => {
                self.verify(&packet, &public_key);
                Received::ServerKey(public_key)
            }
            FromServer::OtpIssued(packet) => Received::OtpIssued(
                OtpIssued::parse(self.opened(packet, reply_key, 0).expose()).unwrap(),
            ),
            FromServer::RegistrationRejected(packet) => Received::RegistrationRejected(
                RegistrationRejected::parse(self.opened(packet, reply_key, 0).expose()).unwrap(),
            ),
            FromServer::SessionIssued { packet, user } => {
                assert_eq!(self.granted(packet, user), None);
                Received::SessionIssued
            }
            FromServer::SessionResumed { packet, user } => {
                let sealed = self.granted(packet, user).expect("a 206 announces what is pending");
                Received::SessionResumed(SessionResumed::parse(sealed.expose()).unwrap())
            }
            FromServer::PublicKey(packet) => Received::PublicKey(
                PublicKeyAnswer::parse(self.opened(packet, session_key, 0).expose()).unwrap(),
            ),
            FromServer::Message { sender, message_id, .. } => Received::Message(sender, message_id),
            FromServer::Receipt { recipient, receipt, .. } => {
                Received::Delivered(recipient, receipt)
            }
            FromServer::Stored(packet) => Received::Stored(
                StoredAck::parse(self.opened(packet, session_key, 0).expose()).unwrap().items,
            ),
            FromServer::NoMoreMessages(packet) => Received::NoMoreMessages(
                NoMoreMessages::parse(self.opened(packet, session_key, 0).expose()).unwrap(),
            ),
            FromServer::Disconnect(packet) => {
                self.verify(&packet, &self.server_key.clone());
                Received::Disconnect
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
                Received::Error(form, error.unwrap())
            }
        }
    }

    /// Opens a message as its recipient; `None` if it does not verify or open.
    pub fn open_message(&mut self, packet: Packet, sender: &PublicKey) -> Option<Vec<u8>> {
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
        assert!(matches!(self.crypto.run(job), Outcome::Verified(Ok(()))), "invalid signature");
    }

    fn opened(&mut self, packet: Packet, key: SymmetricKey, at: usize) -> Plaintext {
        match self.crypto.run(Job::OpenSealed { packet, signer: self.server_key.clone(), key, at })
        {
            Outcome::Opened(opened) => opened.expect("correctly signed and sealed"),
            other => panic!("{other:?}"),
        }
    }

    fn granted(&mut self, packet: Packet, user: UserId) -> Option<Plaintext> {
        let job = Job::OpenGrant { packet, signer: self.server_key.clone() };
        let Outcome::GrantOpened(Ok(grant)) = self.crypto.run(job) else {
            panic!("not a valid grant")
        };
        self.session_key = grant.session_key;
        self.successor = grant.successor;
        self.id = Some(user);
        grant.sealed
    }
}

/// Whether a packet carries its sender's signature, or zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signed {
    Yes,
    No,
}
