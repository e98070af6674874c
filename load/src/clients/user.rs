//! One registered user, and the packets that a user makes.

use bytes::Bytes;
use sealpost_core::crypto::{Crypto, Draft, Job, Outcome, OwnKey, Part, RequestKind};
use sealpost_core::ids::{MessageId, Phone, ReceiptId, UserId};
use sealpost_core::keys::{Plaintext, PublicKey, SymmetricKey};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{
    ContentKind, ErrorForm, ErrorReply, FromServer, Header, Inner, MessageHead, NoMoreMessages, Op,
    Packet, Receipt, ReceiptsTaken, ReconnectRequest, SEALED_ERROR_AT, SessionResumed,
};
use sealpost_programs::Failure;

use super::PROFILE;
use crate::clients::link::Frame;

/// A registered user.
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) phone: Phone,
    pub(crate) crypto: Crypto,
    pub(crate) server_key: PublicKey,
    /// Key of the latest session.
    pub(crate) session_key: SymmetricKey,
    /// Key with which the server seals errors before a session.
    pub(crate) reply_key: SymmetricKey,
}

impl User {
    pub(crate) fn public_key(&self) -> &PublicKey {
        self.crypto.public_key()
    }

    /// Builds a 102 of suite 1, sealed to the recipient's key.
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

    /// Builds a 203 to a sender: a receipt for these messages.
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

    /// Builds a 203 to the server: an acknowledgement of receipts from one recipient.
    pub(crate) fn taken(
        &mut self,
        recipient: UserId,
        receipts: impl Iterator<Item = u64>,
    ) -> Result<Bytes, Failure> {
        let items = receipts.map(|number| (recipient, ReceiptId(number))).collect();
        let part = self.sealed(ReceiptsTaken { items }.emit());
        self.packet(Op::DeliveryAck, None, now(), vec![part])
    }

    /// Builds a 106.
    pub(crate) fn reconnect(&mut self, at: Timestamp) -> Result<Bytes, Failure> {
        let request = ReconnectRequest { reply_key: self.reply_key.clone(), phone: self.phone };
        let part = Part::Oaep {
            to: self.server_key.clone(),
            label: RequestKind::Reconnect.label(),
            plaintext: request.emit(),
        };
        self.packet(Op::Reconnect, None, at, vec![part])
    }

    /// Verifies a 206, adopts its session key, and returns the number of pending items.
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

    /// Verifies a 255, and returns the number of drained items.
    pub(crate) fn drained(&mut self, packet: Packet) -> Result<u32, Failure> {
        Ok(NoMoreMessages::parse(self.opened(packet)?.expose())?.drained)
    }

    /// Verifies and opens a packet that the server sealed for this session.
    pub(crate) fn opened(&mut self, packet: Packet) -> Result<Plaintext, Failure> {
        let job = self.opening(packet);
        let Outcome::Opened(Ok(plaintext)) = self.crypto.run(job) else {
            return Err(Failure::new(NOT_AUTHENTIC));
        };
        Ok(plaintext)
    }

    /// Verifies and opens packets that the server sealed for this session.
    pub(crate) fn check_all(&mut self, packets: &[Packet]) -> Result<(), Failure> {
        let mut jobs: Vec<_> =
            packets.iter().map(|packet| ((), self.opening(packet.clone()))).collect();
        let mut outcomes = Vec::with_capacity(jobs.len());
        self.crypto.run_all(&mut jobs, &mut outcomes);
        let is_authentic =
            |((), outcome): &((), Outcome)| matches!(outcome, Outcome::Opened(Ok(_)));
        if outcomes.iter().all(is_authentic) { Ok(()) } else { Err(Failure::new(NOT_AUTHENTIC)) }
    }

    fn opening(&self, packet: Packet) -> Job {
        let (signer, key) = (self.server_key.clone(), self.session_key.clone());
        Job::OpenSealed { packet, signer, key, at: 0 }
    }

    /// Describes an unexpected packet. An error of the server is quoted.
    pub(crate) fn describe(&mut self, frame: Frame<'_>) -> String {
        let Ok(packet) = frame.packet() else { return "something that is not a packet".into() };
        let op = packet.op();
        if op != Op::Error {
            return format!("a {} of {} bytes", op.code(), frame.bytes.len());
        }
        self.error(packet).map_or_else(
            || "an error that does not open".into(),
            |error| format!("error {:?} {:?}", error.code, error.text),
        )
    }

    /// Opens an error of the server. `None` if the packet is not an authentic 244.
    pub(crate) fn error(&mut self, packet: Packet) -> Option<ErrorReply> {
        let FromServer::Error { packet, form } = FromServer::parse(packet).ok()? else {
            return None;
        };
        match form {
            ErrorForm::Clear => ErrorReply::parse_clear(packet.payload()).ok(),
            ErrorForm::ReplyKey => self.sealed_error(packet, self.reply_key.clone()),
            ErrorForm::SessionKey => self.sealed_error(packet, self.session_key.clone()),
        }
    }

    fn sealed_error(&mut self, packet: Packet, key: SymmetricKey) -> Option<ErrorReply> {
        let signer = self.server_key.clone();
        let job = Job::OpenSealed { packet, signer, key, at: SEALED_ERROR_AT };
        let Outcome::Opened(Ok(opened)) = self.crypto.run(job) else { return None };
        ErrorReply::parse(opened.expose()).ok()
    }

    /// A part that is sealed for this session.
    pub(crate) fn sealed(&self, plaintext: Plaintext) -> Part {
        Part::Sealed { key: self.session_key.clone(), plaintext }
    }

    /// Builds and signs a packet.
    pub(crate) fn packet(
        &mut self,
        op: Op,
        recipient: Option<UserId>,
        timestamp: Timestamp,
        parts: Vec<Part>,
    ) -> Result<Bytes, Failure> {
        let header = Header { sender: Some(self.id), recipient, timestamp, op };
        emit(
            &mut self.crypto,
            Draft { profile: PROFILE, header, parts, signer: Some(OwnKey::First) },
        )
    }
}

/// Seals, assembles and signs a packet.
pub(crate) fn emit(crypto: &mut Crypto, draft: Draft) -> Result<Bytes, Failure> {
    let Outcome::Emitted(packet) = crypto.run(Job::Emit(Box::new(draft))) else {
        return Err(Failure::new("building a packet had an unexpected outcome"));
    };
    Ok(packet?.bytes().clone())
}

/// The current wall-clock time.
pub(crate) fn now() -> Timestamp {
    let since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp::from_unix_secs(since_1970.as_secs().cast_signed())
}

const NOT_AUTHENTIC: &str = "a packet from the server is not authentic";
