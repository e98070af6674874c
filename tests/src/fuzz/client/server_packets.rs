//! Packets of the server: usually well formed, never trustworthy.

use sealpost_core::client::Client;
use sealpost_core::ids::{MessageId, Phone, ReceiptId, UserId};
use sealpost_core::keys::{Plaintext, PublicKey};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{
    ContentKind, ErrorCode, ErrorForm, ErrorReply, Header, InReplyTo, Inner, MessageHead,
    NoMoreMessages, Op, Otp, OtpIssued, Oversized, Packet, PublicKeyAnswer, Receipt,
    RegistrationRejected, RequestHash, SessionGrant, SessionResumed, StoredAck, emit_server_key,
};

use crate::fuzz::bed::FuzzBed;
use crate::fuzz::null_crypto;

impl FuzzBed<'_, Client> {
    /// A packet from the server to the client.
    pub(super) fn packet(&mut self) -> Option<Packet> {
        let us = if self.arb.chance(15) { UserId::new(self.arb.below(3)) } else { UserId::new(1) };
        let peer = UserId::new(2 + self.arb.below(3));
        let asked = self.request_hash();
        let to = |op, recipient| (op, None, recipient);
        let ((op, sender, recipient), payload) = match self.answer_kind() {
            0 => (to(Op::PublicKey, None), emit_server_key(&self.key(0))),
            1 => (to(Op::OtpIssued, None), null_crypto::seal(self.otp(asked).expose())),
            2 => {
                let rejected = RegistrationRejected { in_reply_to: asked.in_reply_to() };
                (to(Op::RegistrationRejected, None), null_crypto::seal(rejected.emit().expose()))
            }
            3 => (to(Op::SessionIssued, us), self.grant(asked)),
            4 => {
                let resumed = null_crypto::seal(SessionResumed { pending: 3 }.emit().expose());
                (to(Op::SessionResumed, us), [self.grant(asked), resumed].concat())
            }
            5 => self.error(us, asked),
            6 => ((Op::Message, peer, us), self.message()),
            7 => ((Op::DeliveryAck, peer, us), self.receipt()),
            8 => {
                let count = self.arb.below(4);
                let item = |_| (self.user(), MessageId(1 + self.arb.below(12)));
                let items = (0..count).map(item).collect();
                (to(Op::DeliveryAck, us), null_crypto::seal(StoredAck { items }.emit().expose()))
            }
            9 => (to(Op::PublicKey, us), null_crypto::seal(self.answer(asked).expose())),
            10 => {
                let sealed = null_crypto::seal(NoMoreMessages { drained: 1 }.emit().expose());
                (to(Op::NoMoreMessages, us), sealed)
            }
            11 => (to(Op::Disconnect, us), Vec::new()),
            _ => {
                let op = *self.arb.pick(&Op::ALL).expect("some");
                let len = self.arb.index(40);
                ((op, peer, us), self.arb.bytes(len).to_vec())
            }
        };
        let header = Header { sender, recipient, timestamp: self.date(), op };
        let sign = |_: &[u8]| Ok::<_, Oversized>(null_crypto::SIGNATURE);
        Packet::build(self.profile, header, &payload, sign).ok()
    }

    /// Kind of the next packet: usually an answer to the last request.
    fn answer_kind(&mut self) -> u64 {
        let last = self.observer.requests.front().map(Packet::op);
        if self.arb.chance(250) {
            return self.arb.below(13);
        }
        match last {
            Some(Op::RequestPublicKey) if self.observer.in_session() => 9,
            Some(Op::RequestPublicKey) | None => 0,
            Some(Op::Register) => 1 + self.arb.below(2),
            Some(Op::Confirm) => 3,
            Some(Op::Reconnect) => 4,
            _ => 5 + self.arb.below(6),
        }
    }

    /// Hash of one of the last requests, usually the latest.
    fn request_hash(&mut self) -> RequestHash {
        let nth =
            if self.arb.chance(300) { self.arb.index(self.observer.requests.len()) } else { 0 };
        let asked = self.observer.requests.get(nth).filter(|_| !self.arb.chance(20));
        asked.map_or(RequestHash([0; 32]), Packet::request_hash)
    }

    fn otp(&mut self, asked: RequestHash) -> Plaintext {
        let otp = self.arb.chance(700).then(|| Otp::from_number(7).expect("six digits"));
        let in_reply_to = asked.in_reply_to();
        OtpIssued { in_reply_to, ttl_secs: 300, attempts: 5, otp }.emit()
    }

    fn grant(&mut self, request_hash: RequestHash) -> Vec<u8> {
        let (session_key, _) = null_crypto::symmetric_key(self.arb.byte());
        let successor = self.arb.chance(200).then(|| *self.key(1).fingerprint());
        let grant = SessionGrant { session_key, request_hash, successor };
        null_crypto::wrap(grant.emit().expose()).expect("short").to_vec()
    }

    fn error(
        &mut self,
        us: Option<UserId>,
        asked: RequestHash,
    ) -> ((Op, Option<UserId>, Option<UserId>), Vec<u8>) {
        let reply = ErrorReply {
            code: *self.arb.pick(&ErrorCode::ALL).expect("some"),
            in_reply_to: asked.in_reply_to(),
            retry_after_secs: u32::from(self.arb.byte()),
            server_time: self.date(),
            text: String::new(),
        };
        let form = match (self.observer.in_session(), self.arb.below(8)) {
            (true, 0) | (false, 1..4) => ErrorForm::ReplyKey,
            (true, 1..) | (false, 0) => ErrorForm::SessionKey,
            (false, 4..) => ErrorForm::Clear,
        };
        let sealed = [&[form.code()][..], &null_crypto::seal(reply.emit().expose())].concat();
        match form {
            ErrorForm::Clear => ((Op::Error, None, None), reply.emit_clear()),
            ErrorForm::ReplyKey => ((Op::Error, None, None), sealed),
            ErrorForm::SessionKey => ((Op::Error, None, us), sealed),
        }
    }

    fn message(&mut self) -> Vec<u8> {
        let suite = if self.arb.chance(30) { 2 } else { 1 };
        let message_id = MessageId(self.arb.below(12));
        let previous = message_id.0.checked_sub(1 + self.arb.below(2)).map(MessageId);
        let inner = Inner::new(ContentKind::Text, previous, b"hello".to_vec()).expect("short");
        let key = null_crypto::wrap(&[7; 32]).expect("short");
        let head = MessageHead { message_id, suite }.emit();
        [head, key.to_vec(), null_crypto::seal(inner.emit().expose())].concat()
    }

    fn receipt(&mut self) -> Vec<u8> {
        let count = 1 + self.arb.below(3);
        let message_ids = (0..count).map(|_| MessageId(1 + self.arb.below(12))).collect();
        Receipt { receipt_id: ReceiptId(self.arb.below(16)), message_ids }.emit()
    }

    fn answer(&mut self, asked: RequestHash) -> Plaintext {
        let in_reply_to = if self.arb.chance(20) { InReplyTo([9; 8]) } else { asked.in_reply_to() };
        let n = self.arb.below(3);
        let (phone, key) = (phone(n), u8::try_from(n + 2).expect("small"));
        let changed = self.arb.chance(150);
        let user = UserId::new(if changed { 2 + self.arb.below(4) } else { n + 2 });
        let public_key = self.key(if changed { 5 } else { key });
        PublicKeyAnswer { in_reply_to, user: user.expect("not 0"), phone, public_key }.emit()
    }

    fn date(&mut self) -> Timestamp {
        match self.arb.below(24) {
            0 => Timestamp::MIN,
            1 => Timestamp::MAX,
            2 => self.now.wall.plus_secs(4_000),
            3 => self.now.wall.plus_secs(-4_000),
            _ => self.now.wall,
        }
    }

    pub(super) fn user(&mut self) -> UserId {
        UserId::new(2 + self.arb.below(3)).expect("not 0")
    }

    /// The `n`-th public key, rarely another one.
    fn key(&mut self, n: u8) -> PublicKey {
        let n = if self.arb.chance(20) { self.arb.byte() % 6 } else { n };
        self.keys[usize::from(n)].clone()
    }
}

/// Phone number of peer `n + 2`.
pub(super) fn phone(n: u64) -> Phone {
    format!("+491510000{n:03}").parse().expect("a phone number")
}
