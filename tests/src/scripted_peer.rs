//! A user beyond the server, whose packets the test writes itself.

use sealpost_core::crypto::{Crypto, Draft, Job, OpenedMessage, Outcome, OwnKey, Part};
use sealpost_core::ids::{MessageId, Phone, ReceiptId, UserId};
use sealpost_core::keys::PublicKey;
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{ContentKind, Header, Inner, MessageHead, Op, Packet, Profile, Receipt};

use crate::beds::ClientBed;
use crate::scripted_packet::emit;
use crate::test_keys::crypto;

/// Another user, behind the scripted server.
pub struct ScriptedPeer {
    crypto: Crypto,
    profile: Profile,
    /// User id of the peer.
    pub id: UserId,
    /// Phone number of the peer.
    pub phone: Phone,
}

impl ScriptedPeer {
    /// A peer with the `key`-th test key (1 to 4) and that number as its user id.
    pub fn new(profile: Profile, key: usize) -> Self {
        let id = UserId::new(u64::try_from(key).unwrap()).unwrap();
        Self { crypto: crypto(key), profile, id, phone: ClientBed::phone(key) }
    }

    /// Public key of the peer.
    pub fn public_key(&self) -> &PublicKey {
        self.crypto.public_key()
    }

    /// 102 with its message id and the id of the message before it, 0 for none.
    pub fn message(
        &mut self,
        at: Timestamp,
        to: (UserId, &PublicKey),
        (id, previous): (u64, u64),
        text: &str,
    ) -> Packet {
        self.message_of(at, to, (id, previous), (ContentKind::Text, text.as_bytes()))
    }

    /// 102 with content of any kind.
    pub fn message_of(
        &mut self,
        at: Timestamp,
        to: (UserId, &PublicKey),
        (id, previous): (u64, u64),
        (kind, content): (ContentKind, &[u8]),
    ) -> Packet {
        let head = MessageHead { message_id: MessageId(id), suite: MessageHead::SUITE_1 };
        let previous = (previous != 0).then_some(MessageId(previous));
        let inner = Inner::new(kind, previous, content.to_vec()).unwrap();
        let envelope = Part::Envelope { to: to.1.clone(), inner: inner.emit() };
        let parts = vec![Part::Clear(head.emit().into()), envelope];
        self.packet(Op::Message, to.0, at, parts)
    }

    /// 203 to the sender of messages.
    pub fn receipt(&mut self, at: Timestamp, to: UserId, id: u64, messages: &[u64]) -> Packet {
        let message_ids = messages.iter().copied().map(MessageId).collect();
        let receipt = Receipt { receipt_id: ReceiptId(id), message_ids };
        self.packet(Op::DeliveryAck, to, at, vec![Part::Clear(receipt.emit().into())])
    }

    /// Opens a message to the peer.
    pub fn open_message(&mut self, packet: Packet, sender: &PublicKey) -> Inner {
        match self.crypto.run(Job::OpenMessage { packet, signer: sender.clone() }) {
            Outcome::MessageOpened(Ok(OpenedMessage::Inner(inner))) => {
                Inner::parse(inner.expose()).unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    fn packet(&mut self, op: Op, to: UserId, at: Timestamp, parts: Vec<Part>) -> Packet {
        let header = Header { sender: Some(self.id), recipient: Some(to), timestamp: at, op };
        let draft = Draft { profile: self.profile, header, parts, signer: Some(OwnKey::First) };
        emit(&mut self.crypto, draft)
    }
}
