//! Packets of clients: usually well formed, never trustworthy.

use sealpost_core::ids::{ConnId, MessageId, Phone, ReceiptId, UserId};
use sealpost_core::keys::{Fingerprint, Plaintext, PublicKey};
use sealpost_core::server::Server;
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{
    ConfirmRequest, Header, ItemId, ItemKind, Lookup, MessageHead, Op, Otp, Oversized, Packet,
    Profile, Receipt, ReceiptsTaken, ReconnectRequest, RegisterRequest, SIGNATURE_LEN,
};

use crate::fuzz::bed::FuzzBed;
use crate::fuzz::null_crypto;

impl FuzzBed<'_, Server> {
    /// A packet for a client to send on a connection.
    pub(super) fn packet(&mut self, conn: ConnId) -> Option<Packet> {
        let user = self.observer.connections.get(&conn)?.user;
        let in_session = user.is_some() != self.arb.chance(30);
        let kind = self.arb.below(16);
        let (header, payload, signature) =
            if in_session { self.in_session(conn, user, kind) } else { self.before_session(kind) };
        let signature = if self.arb.chance(10) { [0; SIGNATURE_LEN] } else { signature };
        let built =
            Packet::build(self.profile, header, &payload, |_| Ok::<_, Oversized>(signature));
        built.ok()
    }

    fn before_session(&mut self, kind: u64) -> (Header, Vec<u8>, [u8; SIGNATURE_LEN]) {
        let phone = self.phone();
        let (reply_key, _) = null_crypto::symmetric_key(self.arb.byte());
        let header = |op, sender, timestamp| Header { sender, recipient: None, timestamp, op };
        match kind {
            0..5 => {
                let header = header(Op::Register, None, self.date());
                let timestamp = if self.arb.chance(950) { header.timestamp } else { self.date() };
                let invitation = self.arb.chance(500).then(|| INVITATION.parse().ok()).flatten();
                let request = RegisterRequest { reply_key, phone, timestamp, invitation };
                let payload = wrapped(&request.emit());
                (header, payload, [0; SIGNATURE_LEN])
            }
            5..10 => {
                let key = self.key();
                let claimed =
                    if self.arb.chance(50) { Fingerprint([7; 32]) } else { *key.fingerprint() };
                let request =
                    ConfirmRequest { reply_key, otp: self.otp(phone), fingerprint: claimed, phone };
                let der = [key.der(), self.arb.bytes(0)].concat();
                let payload = [wrapped(&request.emit()), der].concat();
                (header(Op::Confirm, None, self.date()), payload, null_crypto::SIGNATURE)
            }
            10..14 => {
                let payload = wrapped(&ReconnectRequest { reply_key, phone }.emit());
                let known = self.arb.chance(500).then(|| self.user());
                (header(Op::Reconnect, known, self.date()), payload, null_crypto::SIGNATURE)
            }
            14 => {
                let header = header(Op::RequestPublicKey, None, self.date());
                (header, Vec::new(), [0; SIGNATURE_LEN])
            }
            _ => self.anything(),
        }
    }

    fn in_session(
        &mut self,
        conn: ConnId,
        user: Option<UserId>,
        kind: u64,
    ) -> (Header, Vec<u8>, [u8; SIGNATURE_LEN]) {
        let sender = if self.arb.chance(20) { Some(self.user()) } else { user };
        let header = |op, recipient, timestamp| Header { sender, recipient, timestamp, op };
        let (header, payload) = match kind {
            0..6 => {
                let head = MessageHead { message_id: MessageId(self.arb.below(24)), suite: 1 };
                let body_len = if self.arb.chance(100) { 900 } else { 1 };
                let payload = [head.emit(), vec![5; body_len]].concat();
                (header(Op::Message, Some(self.user()), self.date()), payload)
            }
            6..10 => {
                let (sender, message_ids) = self.acknowledging(conn, ItemKind::Message);
                let receipt_id = ReceiptId(self.arb.below(32));
                let message_ids = message_ids.into_iter().map(MessageId).collect();
                let payload = Receipt { receipt_id, message_ids }.emit();
                (header(Op::DeliveryAck, Some(sender), self.date()), payload)
            }
            10..12 => {
                let (recipient, ids) = self.acknowledging(conn, ItemKind::Receipt);
                let items = ids.into_iter().map(|id| (recipient, ReceiptId(id))).collect();
                let payload = null_crypto::seal(ReceiptsTaken { items }.emit().expose());
                (header(Op::DeliveryAck, None, self.date()), payload)
            }
            12 => {
                let lookup = if self.arb.chance(500) {
                    Lookup::Phone(self.phone())
                } else {
                    Lookup::Id(self.user())
                };
                let payload = null_crypto::seal(lookup.emit().expose());
                (header(Op::RequestPublicKey, None, self.date()), payload)
            }
            13 => (header(Op::Disconnect, None, self.date()), Vec::new()),
            _ => return self.anything(),
        };
        (header, payload, null_crypto::SIGNATURE)
    }

    fn anything(&mut self) -> (Header, Vec<u8>, [u8; SIGNATURE_LEN]) {
        let header = Header {
            sender: UserId::new(self.arb.below(4)),
            recipient: UserId::new(self.arb.below(4)),
            timestamp: self.date(),
            op: *self.arb.pick(&Op::ALL).expect("some"),
        };
        let len = self.arb.index(40);
        let mut payload = self.arb.bytes(len).to_vec();
        if self.arb.chance(300) {
            payload.resize(256 + payload.len() * 16, 3);
        }
        (header, payload, null_crypto::SIGNATURE)
    }

    /// Origin and ids of items to acknowledge: usually ones that the user on this connection has not
    /// acknowledged yet, all of one origin.
    fn acknowledging(&mut self, conn: ConnId, kind: ItemKind) -> (UserId, Vec<u64>) {
        let held =
            self.observer.connections.get(&conn).map(|connection| &connection.unacknowledged);
        let held: Vec<ItemId> =
            held.into_iter().flatten().filter(|key| key.kind == kind).copied().collect();
        let picked = self.arb.pick(&held).copied();
        match picked.filter(|_| !self.arb.chance(50)) {
            Some(key) if self.arb.chance(500) => (key.origin, vec![key.id]),
            Some(ItemId { origin, .. }) => {
                let same = held.iter().filter(|key| key.origin == origin);
                (origin, same.map(|key| key.id).collect())
            }
            None => {
                let count = 1 + self.arb.below(4);
                (self.user(), (0..count).map(|_| self.arb.below(24)).collect())
            }
        }
    }

    fn date(&mut self) -> Timestamp {
        let secs = match self.arb.below(32) {
            0 => 400,
            1 => -400,
            2 => -2_000,
            near => i64::try_from(near).expect("small") / 8,
        };
        self.now.wall.plus_secs(secs)
    }

    pub(super) fn user(&mut self) -> UserId {
        UserId::new(self.arb.below(5) + 1).expect("not 0")
    }

    pub(super) fn phone(&mut self) -> Phone {
        phone(self.arb.below(4))
    }

    fn key(&mut self) -> PublicKey {
        let n = self.arb.index(self.keys.len());
        self.keys[n].clone()
    }

    fn otp(&mut self, phone: Phone) -> Otp {
        let known = self.observer.otps.get(&phone).filter(|_| !self.arb.chance(100));
        known.cloned().unwrap_or_else(|| Otp::from_number(7).expect("six digits"))
    }
}

fn phone(n: u64) -> Phone {
    format!("+491510000{n:03}").parse().expect("a phone number")
}

fn wrapped(plaintext: &Plaintext) -> Vec<u8> {
    null_crypto::wrap(plaintext.expose()).expect("short").to_vec()
}

/// Profile selected by the first byte of an input.
/// Code of the invitation that the server's store has.
pub(super) const INVITATION: &str = "SPRING";

pub(super) const fn profile(byte: u8) -> Profile {
    if byte & 1 == 0 { Profile::Compact } else { Profile::Wide }
}
