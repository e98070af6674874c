//! One registered user, and the packets that a user makes.

use bytes::Bytes;
use sealpost_core::crypto::{Crypto, Draft, Job, Outcome, Part, RequestKind};
use sealpost_core::ids::{MessageId, Phone, ReceiptId, UserId};
use sealpost_core::keys::{Plaintext, PublicKey, SymmetricKey};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{
    ContentKind, ErrorForm, ErrorReply, FromServer, Header, Inner, MessageHead, NoMoreMessages, Op,
    Packet, Receipt, ReceiptsTaken, ReconnectRequest, SEALED_ERROR_AT, SessionResumed,
};
use sealpost_programs::Failure;

use crate::PROFILE;
use crate::link::Frame;

/// A registered user.
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) phone: Phone,
    pub(crate) crypto: Crypto,
    pub(crate) server_key: PublicKey,
    /// Of the latest session that was granted.
    pub(crate) session_key: SymmetricKey,
    /// What the server seals errors with before a session.
    pub(crate) reply_key: SymmetricKey,
}

impl User {
    pub(crate) fn public_key(&self) -> &PublicKey {
        self.crypto.public_key()
    }

    /// 102: suite 1, sealed to its reader's key.
    pub(crate) fn message(
        &mut self,
        to: UserId,
        key: &PublicKey,
        number: u64,
        previous: Option<u64>,
        content: Vec<u8>,
    ) -> Result<Bytes, Failure> {
        let head = MessageHead { message_id: MessageId(number), suite: MessageHead::SUITE_1 };
        let inner = Inner::new(ContentKind::Bytes, previous.map(MessageId), content)
            .map_err(Failure::usage)?;
        let parts = vec![
            Part::Clear(head.emit().into()),
            Part::Envelope { to: key.clone(), inner: inner.emit() },
        ];
        self.packet(Op::Message, Some(to), now(), parts)
    }

    /// 203 to a sender: messages `first` to `last` are read.
    pub(crate) fn receipt(
        &mut self,
        to: UserId,
        number: u64,
        messages: impl Iterator<Item = u64>,
    ) -> Result<Bytes, Failure> {
        let message_ids = messages.map(MessageId).collect();
        let receipt = Receipt { receipt_id: ReceiptId(number), message_ids };
        let parts = vec![Part::Clear(receipt.emit().into())];
        self.packet(Op::DeliveryAck, Some(to), now(), parts)
    }

    /// 203 to the server: receipts of one reader are taken.
    pub(crate) fn taken(
        &mut self,
        reader: UserId,
        receipts: impl Iterator<Item = u64>,
    ) -> Result<Bytes, Failure> {
        let items = receipts.map(|number| (reader, ReceiptId(number))).collect();
        let part = self.sealed(ReceiptsTaken { items }.emit());
        self.packet(Op::DeliveryAck, None, now(), vec![part])
    }

    /// 106.
    pub(crate) fn reconnect(&mut self, at: Timestamp) -> Result<Bytes, Failure> {
        let request = ReconnectRequest { reply_key: self.reply_key.clone(), phone: self.phone };
        let part = Part::Oaep {
            to: self.server_key.clone(),
            label: RequestKind::Reconnect.label(),
            plaintext: request.emit(),
        };
        self.packet(Op::Reconnect, None, at, vec![part])
    }

    /// Checks a 206, takes its session key over, and returns how much is pending.
    pub(crate) fn resumed(&mut self, request: &[u8], answer: Packet) -> Result<u32, Failure> {
        let request = Packet::parse(PROFILE, Bytes::copy_from_slice(request))
            .ok_or_else(|| Failure::new("our own 106 does not parse"))?;
        let job = Job::OpenGrant { packet: answer, signer: self.server_key.clone() };
        let Outcome::GrantOpened(Ok(grant)) = self.crypto.run(job) else {
            return Err(Failure::new("a 206 is not authentic"));
        };
        let sealed = grant.sealed.filter(|_| grant.request_hash == request.request_hash().0);
        let Some(sealed) = sealed else {
            return Err(Failure::new("a 206 does not answer the request"));
        };
        self.session_key = grant.session_key;
        Ok(SessionResumed::parse(sealed.expose())?.pending)
    }

    /// Checks a 255, and returns how much it says was drained.
    pub(crate) fn drained(&mut self, packet: Packet) -> Result<u32, Failure> {
        Ok(NoMoreMessages::parse(self.opened(packet)?.expose())?.drained)
    }

    /// Checks what the server sealed for this session, and opens it.
    pub(crate) fn opened(&mut self, packet: Packet) -> Result<Plaintext, Failure> {
        let (signer, key) = (self.server_key.clone(), self.session_key.clone());
        let job = Job::OpenSealed { packet, signer, key, at: 0 };
        let Outcome::Opened(Ok(plaintext)) = self.crypto.run(job) else {
            return Err(Failure::new("a packet of the server's is not authentic"));
        };
        Ok(plaintext)
    }

    /// What a packet is, for a report of what went wrong; an error in its own words.
    pub(crate) fn describe(&mut self, frame: Frame<'_>) -> String {
        let Ok(packet) = frame.packet() else { return "what is no packet".into() };
        let code = packet.op().code();
        let Ok(FromServer::Error { packet, form }) = FromServer::parse(packet) else {
            return format!("a {code} of {} bytes", frame.bytes.len());
        };
        let opened = match form {
            ErrorForm::Clear => ErrorReply::parse_clear(packet.payload()).ok(),
            ErrorForm::ReplyKey => self.error(packet, self.reply_key.clone()),
            ErrorForm::SessionKey => self.error(packet, self.session_key.clone()),
        };
        opened.map_or_else(
            || "an error that does not open".into(),
            |error| format!("error {:?} {:?}", error.code, error.text),
        )
    }

    fn error(&mut self, packet: Packet, key: SymmetricKey) -> Option<ErrorReply> {
        let signer = self.server_key.clone();
        let job = Job::OpenSealed { packet, signer, key, at: SEALED_ERROR_AT };
        let Outcome::Opened(Ok(opened)) = self.crypto.run(job) else { return None };
        ErrorReply::parse(opened.expose()).ok()
    }

    fn sealed(&self, plaintext: Plaintext) -> Part {
        Part::Sealed { key: self.session_key.clone(), plaintext }
    }

    fn packet(
        &mut self,
        op: Op,
        recipient: Option<UserId>,
        timestamp: Timestamp,
        parts: Vec<Part>,
    ) -> Result<Bytes, Failure> {
        let header = Header { sender: Some(self.id), recipient, timestamp, op };
        emit(&mut self.crypto, Draft { profile: PROFILE, header, parts, signed: true })
    }
}

/// Seals, assembles and signs a packet.
pub(crate) fn emit(crypto: &mut Crypto, draft: Draft) -> Result<Bytes, Failure> {
    let Outcome::Emitted(packet) = crypto.run(Job::Emit(Box::new(draft))) else {
        return Err(Failure::new("a draft became something else than a packet"));
    };
    Ok(packet?.bytes().clone())
}

/// What the clock on the wall shows.
pub(crate) fn now() -> Timestamp {
    let since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp::from_unix_secs(since_1970.as_secs().cast_signed())
}
