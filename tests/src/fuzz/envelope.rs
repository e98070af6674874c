//! The message envelope, suite 1 (PROTOCOL 5.2), with real keys.

use sealpost_core::crypto::{Crypto, Draft, Job, OpenedMessage, Outcome, OwnKey, Part};
use sealpost_core::ids::{MessageId, UserId};
use sealpost_core::keys::{PublicKey, Rejected};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{ContentKind, Header, Inner, MessageHead, OAEP_LEN, Op, Packet, Profile};

use crate::arb::Arb;
use crate::test_keys::crypto;

/// Builds a message, or edits one, as the input says.
///
/// Properties: a body that nobody sealed is undecryptable; a sealed message opens, and is as long as
/// its bucket; a packet with any byte edited is rejected; a packet signed again, by its sender after
/// an edit in the wrapped key, or by a stranger after any edit or none, is undecryptable.
///
/// # Panics
/// If one of these properties is violated.
pub fn envelope(data: &[u8]) {
    let mut arb = Arb::new(data);
    let (mut sender, mut recipient) = (crypto(1), crypto(2));
    let sender_key = sender.public_key().clone();
    match arb.below(6) {
        0 => {
            let suite = arb.byte();
            let body = [arb.bytes(600), &[0]].concat();
            let packet = emit(&mut sender, &[head(suite), body].concat());
            assert_eq!(open(&mut recipient, packet, &sender_key), Ok(None));
        }
        1 => {
            let inner = inner(&mut arb);
            let packet = seal(&mut sender, &recipient, &inner, Signed::Yes);
            assert_eq!(open(&mut recipient, packet, &sender_key), Ok(Some(inner)));
        }
        2 => {
            let packet = seal(&mut sender, &recipient, &inner(&mut arb), Signed::Yes);
            let mut bytes = packet.bytes().to_vec();
            edit(&mut arb, &mut bytes);
            if let Some(edited) = Packet::parse(Profile::Compact, bytes.into()) {
                assert_eq!(open(&mut recipient, edited, &sender_key), Err(Rejected));
            }
        }
        3 => {
            let mut payload = sealed(&mut sender, &recipient, &mut arb);
            edit(&mut arb, &mut payload[MessageHead::LEN..][..OAEP_LEN]);
            let packet = emit(&mut sender, &payload);
            assert_eq!(open(&mut recipient, packet, &sender_key), Ok(None));
        }
        4 => {
            let mut payload = sealed(&mut sender, &recipient, &mut arb);
            if arb.chance(500) {
                edit(&mut arb, &mut payload);
            }
            let mut stranger = crypto(3);
            let packet = emit(&mut stranger, &payload);
            assert_eq!(open(&mut recipient, packet, &stranger.public_key().clone()), Ok(None));
        }
        _ => {
            // Only the sender can sign such an edit, so any outcome is fine that is not a panic.
            let mut payload = sealed(&mut sender, &recipient, &mut arb);
            edit(&mut arb, &mut payload[MessageHead::LEN + OAEP_LEN..]);
            let packet = emit(&mut sender, &payload);
            assert!(matches!(
                recipient.run(Job::OpenMessage { packet, signer: sender_key }),
                Outcome::MessageOpened(Ok(_))
            ));
        }
    }
}

/// Opens a message: `None` if it is undecryptable.
fn open(
    recipient: &mut Crypto,
    packet: Packet,
    signer: &PublicKey,
) -> Result<Option<Inner>, Rejected> {
    match recipient.run(Job::OpenMessage { packet, signer: signer.clone() }) {
        Outcome::MessageOpened(Ok(OpenedMessage::Inner(opened))) => {
            Ok(Some(Inner::parse(opened.expose()).expect("the sealed plaintext")))
        }
        Outcome::MessageOpened(Ok(OpenedMessage::Undecryptable)) => Ok(None),
        Outcome::MessageOpened(Err(rejected)) => Err(rejected),
        other => panic!("{other:?}"),
    }
}

/// Payload of a correctly sealed message.
fn sealed(sender: &mut Crypto, recipient: &Crypto, arb: &mut Arb<'_>) -> Vec<u8> {
    seal(sender, recipient, &inner(arb), Signed::No).payload().to_vec()
}

fn seal(sender: &mut Crypto, recipient: &Crypto, inner: &Inner, signed: Signed) -> Packet {
    let to = recipient.public_key().clone();
    let parts = vec![
        Part::Clear(head(MessageHead::SUITE_1).into()),
        Part::Envelope { to, inner: inner.emit() },
    ];
    let packet = make(sender, parts, signed);
    let sealed_len = packet.payload().len() - MessageHead::LEN - OAEP_LEN;
    assert_eq!(sealed_len, 16 + bucket(12 + inner.content().len()) + 1);
    packet
}

fn emit(signer: &mut Crypto, payload: &[u8]) -> Packet {
    make(signer, vec![Part::Clear(payload.to_vec().into())], Signed::Yes)
}

fn make(signer: &mut Crypto, parts: Vec<Part>, signed: Signed) -> Packet {
    let header = Header {
        sender: UserId::new(1),
        recipient: UserId::new(2),
        timestamp: Timestamp::from_unix_secs(1_795_437_296),
        op: Op::Message,
    };
    let own_key = (signed == Signed::Yes).then_some(OwnKey::First);
    match signer.run(Job::Emit(Box::new(Draft {
        profile: Profile::Compact,
        header,
        parts,
        signer: own_key,
    }))) {
        Outcome::Emitted(packet) => packet.expect("it fits"),
        other => panic!("{other:?}"),
    }
}

fn head(suite: u8) -> Vec<u8> {
    MessageHead { message_id: MessageId(7), suite }.emit()
}

fn inner(arb: &mut Arb<'_>) -> Inner {
    let previous = arb.chance(500).then(|| MessageId(1 + arb.below(1 << 40)));
    let content = match arb.below(4) {
        // Lengths around the edges of the buckets.
        0 => vec![0x5a; (256 << arb.below(8)) - 16 + arb.index(8)],
        1 => vec![0xa5; Inner::MAX_CONTENT - arb.index(4)],
        _ => arb.bytes(300).to_vec(),
    };
    Inner::new(ContentKind::Bytes, previous, content).expect("it fits")
}

/// Changes one byte.
fn edit(arb: &mut Arb<'_>, bytes: &mut [u8]) {
    let at = arb.index(bytes.len());
    bytes[at] ^= arb.byte().max(1);
}

/// Bucket of a plaintext of this length: PROTOCOL 5.2, implemented independently of the core.
fn bucket(len: usize) -> usize {
    let buckets = [255, 511, 1_023, 2_047, 4_095, 8_191, 16_383, 32_767, 65_247];
    *buckets.iter().find(|bucket| **bucket >= len).expect("the largest holds everything")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signed {
    Yes,
    No,
}
