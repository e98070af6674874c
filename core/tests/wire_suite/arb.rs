//! Arbitrary packets and fields.

use proptest::prelude::*;
use sealpost_core::ids::{MessageId, Phone, ReceiptId, UserId};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{Gate, Header, Op, Otp, Oversized, Packet, Profile, SIGNATURE_LEN};

pub(crate) const GATES: [Gate; 3] = [Gate::BeforeSession, Gate::InSession, Gate::Client];
pub(crate) const PROFILES: [Profile; 2] = [Profile::Compact, Profile::Wide];

pub(crate) fn profile() -> impl Strategy<Value = Profile> {
    prop::sample::select(PROFILES.as_slice())
}

pub(crate) fn gate() -> impl Strategy<Value = Gate> {
    prop::sample::select(GATES.as_slice())
}

pub(crate) fn user() -> impl Strategy<Value = UserId> {
    (1..=u64::MAX).prop_map(|id| UserId::new(id).unwrap())
}

pub(crate) fn message_id() -> impl Strategy<Value = MessageId> {
    any::<u64>().prop_map(MessageId)
}

pub(crate) fn receipt_id() -> impl Strategy<Value = ReceiptId> {
    any::<u64>().prop_map(ReceiptId)
}

pub(crate) fn phone() -> impl Strategy<Value = Phone> {
    "\\+[1-9][0-9]{6,14}".prop_map(|text| text.parse().unwrap())
}

pub(crate) fn otp() -> impl Strategy<Value = Otp> {
    (0..Otp::COUNT).prop_map(|number| Otp::from_number(number).unwrap())
}

pub(crate) fn timestamp() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.unix_secs()..=Timestamp::MAX.unix_secs()).prop_map(Timestamp::from_unix_secs)
}

/// A packet that the gate admits: any of its operations, with any payload of an admitted length.
pub(crate) fn packet(profile: Profile, gate: Gate) -> impl Strategy<Value = Packet> {
    let longest = gate.max_payload_len();
    let payload_len = prop_oneof![8 => 0..=1_024.min(longest), 1 => 0..=longest];
    let fields = (prop::sample::select(Op::ALL.as_slice()), payload_len);
    fields
        .prop_filter("admitted by the gate", move |(op, len)| gate.admit(*op, *len).is_ok())
        .prop_flat_map(move |(op, len)| {
            let payload = prop::collection::vec(any::<u8>(), len);
            (header(profile, op), payload, any::<[u8; 32]>())
        })
        .prop_map(move |(header, payload, seed)| packet_of(profile, header, &payload, seed))
}

fn header(profile: Profile, op: Op) -> impl Strategy<Value = Header> {
    let id = || (0..=profile.max_user_id()).prop_map(UserId::new);
    (id(), id(), timestamp()).prop_map(move |(sender, recipient, timestamp)| Header {
        sender,
        recipient,
        timestamp,
        op,
    })
}

/// A packet whose signature repeats `seed`.
pub(crate) fn packet_of(
    profile: Profile,
    header: Header,
    payload: &[u8],
    seed: [u8; 32],
) -> Packet {
    let mut signature = [0; SIGNATURE_LEN];
    signature.as_chunks_mut::<32>().0.fill(seed);
    Packet::build(profile, header, payload, |_| Ok::<_, Oversized>(signature)).unwrap()
}
