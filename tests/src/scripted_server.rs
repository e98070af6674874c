//! A server whose every packet the test writes itself: correct, careless or hostile.

use sealpost_core::crypto::{Crypto, Draft, Job, Outcome, OwnKey, Part, RequestKind};
use sealpost_core::ids::{MessageId, Phone, ReceiptId, UserId, UserRef};
use sealpost_core::keys::{Fingerprint, Plaintext, PublicKey, SymmetricKey};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{
    ConfirmRequest, ErrorCode, ErrorForm, ErrorReply, FromClient, Header, InReplyTo, Invitation,
    Lookup, NoMoreMessages, Op, Otp, OtpIssued, Packet, Profile, PublicKeyAnswer, Receipt,
    ReceiptsTaken, ReconnectRequest, RegisterRequest, RegistrationRejected, SessionGrant,
    SessionResumed, StoredAck, Write, emit_server_key,
};

use crate::beds::ClientBed;
use crate::scripted_packet::emit;
use crate::scripted_peer::ScriptedPeer;
use crate::test_keys::crypto;

/// The server of one client under test.
pub struct ScriptedServer {
    crypto: Crypto,
    profile: Profile,
    client_key: PublicKey,
    /// User id of the client.
    pub user: UserId,
    reply_key: SymmetricKey,
    session_key: SymmetricKey,
    /// Last packet from the client.
    last: Option<Packet>,
    invitation: Option<Invitation>,
    /// Fingerprint that its 201s and 206s name.
    pub successor: Option<Fingerprint>,
}

/// A packet from the client, verified and opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Empty 105 before a session.
    ServerKey,
    /// 105 before a session that names a key.
    NamedKey(Fingerprint),
    /// 100.
    Register(Phone),
    /// 101.
    Confirm(Phone, Otp),
    /// 106 with its sender and timestamp.
    Reconnect(Option<UserId>, Phone, Timestamp),
    /// 105.
    Lookup(UserRef),
    /// 102.
    Message(UserId, MessageId),
    /// 203 to the sender of messages.
    Receipt(UserId, Receipt),
    /// 203 to the server.
    Taken(Vec<(UserId, ReceiptId)>),
    /// 222.
    Disconnect,
}

impl ScriptedServer {
    /// A server with test key 0, for the client with this key. The client's user id is 1.
    pub fn new(profile: Profile, client_key: &PublicKey) -> Self {
        Self {
            crypto: crypto(0),
            profile,
            client_key: client_key.clone(),
            user: UserId::new(1).unwrap(),
            reply_key: SymmetricKey::from_bytes([0; 32]),
            session_key: SymmetricKey::from_bytes([5; 32]),
            last: None,
            invitation: None,
            successor: None,
        }
    }

    /// Public key of the server.
    pub fn public_key(&self) -> &PublicKey {
        self.crypto.public_key()
    }

    /// Next packet from the client, on any connection, verified and opened.
    pub fn receive(&mut self, bed: &mut ClientBed) -> Option<Request> {
        let (_, packet) = bed.next_sent()?;
        Some(self.open(packet))
    }

    /// All packets from the client, verified and opened.
    pub fn receive_all(&mut self, bed: &mut ClientBed) -> Vec<Request> {
        std::iter::from_fn(|| self.receive(bed)).collect()
    }

    /// Last packet received.
    pub fn last_request(&self) -> &Packet {
        self.last.as_ref().unwrap()
    }

    /// Code of the invitation in the last 100.
    pub fn invitation(&self) -> Option<&str> {
        self.invitation.as_ref().map(Invitation::code)
    }

    fn in_reply_to(&self) -> InReplyTo {
        self.last_request().request_hash().in_reply_to()
    }

    fn open(&mut self, packet: Packet) -> Request {
        self.last = Some(packet.clone());
        match FromClient::parse(packet).expect("a packet for a server") {
            FromClient::ServerKey { expected: None, .. } => Request::ServerKey,
            FromClient::ServerKey { expected: Some(expected), .. } => Request::NamedKey(expected),
            FromClient::Register(packet) => {
                let at = packet.header().timestamp;
                let open = self.request(packet, None, RequestKind::Register);
                let request = RegisterRequest::parse(open.expose()).unwrap();
                assert_eq!(request.timestamp, at);
                self.invitation = request.invitation;
                self.reply_key = request.reply_key;
                Request::Register(request.phone)
            }
            FromClient::Confirm { packet, public_key_der } => {
                let key = PublicKey::from_der(&public_key_der).unwrap();
                assert_eq!(key, self.client_key);
                let open = self.request(packet, Some(key.clone()), RequestKind::Confirm);
                let request = ConfirmRequest::parse(open.expose()).unwrap();
                assert_eq!(request.fingerprint, *key.fingerprint());
                self.reply_key = request.reply_key.clone();
                Request::Confirm(request.phone, request.otp.clone())
            }
            FromClient::Reconnect(packet) => {
                let (sender, at) = (packet.header().sender, packet.header().timestamp);
                let signer = self.client_key.clone();
                let open = self.request(packet, Some(signer), RequestKind::Reconnect);
                let ReconnectRequest { reply_key, phone } =
                    ReconnectRequest::parse(open.expose()).unwrap();
                self.reply_key = reply_key;
                Request::Reconnect(sender, phone, at)
            }
            FromClient::Lookup(packet) => {
                match Lookup::parse(self.sealed(packet).expose()).unwrap() {
                    Lookup::Phone(phone) => Request::Lookup(UserRef::Phone(phone)),
                    Lookup::Id(user) => Request::Lookup(UserRef::Id(user)),
                }
            }
            FromClient::Message { packet, recipient, message_id } => {
                self.verify(&packet);
                Request::Message(recipient, message_id)
            }
            FromClient::Receipt { packet, sender, receipt, .. } => {
                self.verify(&packet);
                Request::Receipt(sender, receipt)
            }
            FromClient::ReceiptsTaken(packet) => {
                Request::Taken(ReceiptsTaken::parse(self.sealed(packet).expose()).unwrap().items)
            }
            FromClient::Disconnect(packet) => {
                self.verify(&packet);
                Request::Disconnect
            }
        }
    }

    fn request(
        &mut self,
        packet: Packet,
        signer: Option<PublicKey>,
        kind: RequestKind,
    ) -> Plaintext {
        match self.crypto.run(Job::OpenRequest { packet, signer, kind, key: OwnKey::First }) {
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

    /// Signs and opens with this test key from now on.
    pub fn change_key(&mut self, index: usize) {
        self.crypto = crypto(index);
    }

    /// Reply key of the last request before a session.
    pub const fn reply_key(&self) -> &SymmetricKey {
        &self.reply_key
    }

    /// Any packet, signed by the server.
    pub fn packet(
        &mut self,
        op: Op,
        recipient: Option<UserId>,
        at: Timestamp,
        parts: Vec<Part>,
    ) -> Packet {
        let header = Header { sender: None, recipient, timestamp: at, op };
        let draft = Draft { profile: self.profile, header, parts, signer: Some(OwnKey::First) };
        emit(&mut self.crypto, draft)
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
        self.reply(Op::OtpIssued, at, issued.emit())
    }

    /// 150.
    pub fn registration_rejected(&mut self, at: Timestamp) -> Packet {
        let in_reply_to = self.in_reply_to();
        self.reply(Op::RegistrationRejected, at, RegistrationRejected { in_reply_to }.emit())
    }

    fn reply(&mut self, op: Op, at: Timestamp, plaintext: Plaintext) -> Packet {
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
            request_hash: self.last_request().request_hash(),
            successor: self.successor,
        };
        Part::Oaep {
            to: self.client_key.clone(),
            label: "sealpost/1/session",
            plaintext: grant.emit(),
        }
    }

    /// Any packet that is sealed with the session key.
    pub fn sealed_packet(&mut self, op: Op, at: Timestamp, plaintext: Plaintext) -> Packet {
        let key = self.session_key.clone();
        self.packet(op, Some(self.user), at, vec![Part::Sealed { key, plaintext }])
    }

    /// 204 with a peer's key, in reply to the last request.
    pub fn public_key_of(&mut self, at: Timestamp, peer: &ScriptedPeer) -> Packet {
        let answer = PublicKeyAnswer {
            in_reply_to: self.in_reply_to(),
            user: peer.id,
            phone: peer.phone,
            public_key: peer.public_key().clone(),
        };
        self.sealed_packet(Op::PublicKey, at, answer.emit())
    }

    /// 203 *stored*.
    pub fn stored(&mut self, at: Timestamp, items: &[(UserId, MessageId)]) -> Packet {
        self.sealed_packet(Op::DeliveryAck, at, StoredAck { items: items.to_vec() }.emit())
    }

    /// 255.
    pub fn no_more_messages(&mut self, at: Timestamp, drained: u32) -> Packet {
        self.sealed_packet(Op::NoMoreMessages, at, NoMoreMessages { drained }.emit())
    }

    /// 222.
    pub fn disconnect(&mut self, at: Timestamp) -> Packet {
        self.packet(Op::Disconnect, Some(self.user), at, Vec::new())
    }

    /// 244 in reply to the last request.
    pub fn error(&mut self, at: Timestamp, form: ErrorForm, code: ErrorCode) -> Packet {
        let in_reply_to = self.in_reply_to();
        self.error_to(at, form, code, in_reply_to)
    }

    /// 244 *rate limited* in reply to the last request before a session.
    pub fn rate_limited(&mut self, at: Timestamp, retry_after_secs: u32) -> Packet {
        let (code, in_reply_to) = (ErrorCode::RateLimited, self.in_reply_to());
        let text = String::new();
        let reply = ErrorReply { code, in_reply_to, retry_after_secs, server_time: at, text };
        let form = ErrorForm::ReplyKey;
        let parts = sealed_error(form, self.reply_key.clone(), &reply);
        self.packet(Op::Error, None, at, parts)
    }

    /// 244 in reply to any request.
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

fn sealed_error(form: ErrorForm, key: SymmetricKey, reply: &ErrorReply) -> Vec<Part> {
    let mut clear = Vec::new();
    clear.put_u8(form.code());
    vec![Part::Clear(clear.into()), Part::Sealed { key, plaintext: reply.emit() }]
}
