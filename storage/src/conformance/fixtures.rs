//! Values to put into a store.

use sealpost_core::ids::{Phone, UserId};
use sealpost_core::keys::{PublicKey, WrappedKey};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{Header, Op, Oversized, Packet, Profile, SIGNATURE_LEN};

/// Returns the `n`-th phone number.
pub fn phone(n: u16) -> Phone {
    format!("+1555{n:06}").parse().expect("a phone number")
}

/// Returns one of two real keys: one for odd `n`, the other for even `n`.
pub fn public_key(n: u16) -> PublicKey {
    let ders: [&[u8]; 2] = [
        include_bytes!("../../testdata/first-public-key.der"),
        include_bytes!("../../testdata/second-public-key.der"),
    ];
    PublicKey::from_der(ders[usize::from(n % 2)]).expect("a key")
}

/// Returns a stand-in for a wrapped session key.
pub const fn wrapped_key(fill: u8) -> WrappedKey {
    WrappedKey([fill; 40])
}

/// Returns the time `secs` seconds after a fixed start.
pub fn at(secs: i64) -> Timestamp {
    Timestamp::from_unix_secs(1_800_000_000 + secs)
}

/// Builds a message whose payload is `payload_len` bytes long, including its message id.
pub fn message(
    profile: Profile,
    sender: UserId,
    recipient: UserId,
    id: u64,
    payload_len: usize,
) -> Packet {
    let mut payload = id.to_le_bytes().to_vec();
    let filler = (0..).map(|n: usize| n.to_le_bytes()[0] ^ id.to_le_bytes()[0]);
    payload.extend(filler.take(payload_len.saturating_sub(payload.len())));
    packet(profile, Op::Message, sender, recipient, &payload)
}

/// Builds the receipt with which `recipient` acknowledges `messages` from `sender`.
pub fn receipt(
    profile: Profile,
    recipient: UserId,
    sender: UserId,
    id: u64,
    messages: &[u64],
) -> Packet {
    let mut payload = id.to_le_bytes().to_vec();
    payload.push(2);
    payload.extend(u16::try_from(messages.len()).expect("few messages").to_le_bytes());
    payload.extend(messages.iter().flat_map(|id| id.to_le_bytes()));
    packet(profile, Op::DeliveryAck, recipient, sender, &payload)
}

/// Builds a message that is too short to contain its id.
pub(crate) fn without_id(profile: Profile, sender: UserId, recipient: UserId) -> Packet {
    packet(profile, Op::Message, sender, recipient, &[1, 2, 3])
}

fn packet(profile: Profile, op: Op, from: UserId, to: UserId, payload: &[u8]) -> Packet {
    let header = Header { sender: Some(from), recipient: Some(to), timestamp: at(-1), op };
    // No store verifies signatures. These differ from packet to packet, so that a store which
    // confused them would be noticed.
    let sign = |signed: &[u8]| {
        let mut signature = [0; SIGNATURE_LEN];
        let bytes = signed.iter().rev().cycle();
        signature.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Ok::<_, Oversized>(signature)
    };
    Packet::build(profile, header, payload, sign).expect("a packet")
}
