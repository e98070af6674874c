//! Shapes of packets: the operations, addresses and lengths that each side accepts.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;
use sealpost_core::ids::{MessageId, ReceiptId, UserId};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{
    Direction, ErrorForm, FromClient, FromServer, Header, MalformedPacket, MessageHead, Op,
    Oversized, Packet, Profile, Receipt,
};

use crate::arb::{self, PROFILES, packet_of};

/// Lengths of payloads on both sides of every bound.
const LENGTHS: [usize; 24] = [
    0, 1, 9, 10, 16, 31, 32, 33, 48, 255, 256, 257, 272, 287, 288, 289, 304, 550, 1_023, 1_024,
    1_025, 65_519, 65_520, 65_535,
];
/// Those of the lengths that a sealed part can have.
const SEALED: [usize; 8] = [32, 48, 256, 272, 288, 304, 1_024, 65_520];

const UNSIGNED: [u8; 32] = [0; 32];
const SIGNED: [u8; 32] = [1; 32];

/// Lengths at which a payload of zeros is accepted, by op code, sender and recipient.
fn accepted(
    seed: [u8; 32],
    parses: impl Fn(Packet) -> bool,
) -> BTreeMap<(u8, u64, u64), Vec<usize>> {
    let mut accepted = BTreeMap::<_, Vec<usize>>::new();
    for op in Op::ALL {
        for (sender, recipient) in [(0, 0), (7, 0), (0, 9), (7, 9)] {
            for len in LENGTHS {
                if parses(packet(Profile::Wide, op, sender, recipient, &vec![0; len], seed)) {
                    accepted.entry((op.code(), sender, recipient)).or_default().push(len);
                }
            }
        }
    }
    accepted
}

#[test]
fn a_server_accepts_these_addresses_and_lengths_and_no_others() {
    let at_least_a_byte_of_body: Vec<_> = LENGTHS.into_iter().filter(|len| *len >= 10).collect();
    let any_signature = BTreeMap::from([
        ((101, 0, 0), vec![257, 272, 287, 288, 289, 304, 550, 1_023, 1_024]),
        ((102, 7, 9), at_least_a_byte_of_body),
        ((105, 7, 0), SEALED.to_vec()),
        ((106, 0, 0), vec![256]),
        ((106, 7, 0), vec![256]),
        ((203, 7, 0), SEALED.to_vec()),
        ((222, 7, 0), vec![0]),
    ]);
    let mut unsigned = any_signature.clone();
    unsigned.extend([((100, 0, 0), vec![256]), ((105, 0, 0), vec![0, 32])]);

    let parses = |packet| FromClient::parse(packet).is_ok();
    assert_eq!(accepted(SIGNED, parses), any_signature);
    assert_eq!(accepted(UNSIGNED, parses), unsigned);
}

#[test]
fn a_client_accepts_these_addresses_and_lengths_and_no_others() {
    let at_least_a_byte_of_body: Vec<_> = LENGTHS.into_iter().filter(|len| *len >= 10).collect();
    let expected = BTreeMap::from([
        ((102, 7, 9), at_least_a_byte_of_body),
        ((150, 0, 0), SEALED.to_vec()),
        ((200, 0, 0), SEALED.to_vec()),
        ((201, 0, 9), vec![256]),
        ((203, 0, 9), SEALED.to_vec()),
        ((204, 0, 9), SEALED.to_vec()),
        ((206, 0, 9), vec![288, 304, 1_024, 65_520]),
        ((222, 0, 9), vec![0]),
        ((255, 0, 9), SEALED.to_vec()),
    ]);
    let parses = |packet| FromServer::parse(packet).is_ok();
    assert_eq!(accepted(SIGNED, parses), expected);
}

/// A new operation has to be let in by the parser of each side that its direction names.
/// `FromClient` and `FromServer` refuse what they do not name, so the compiler does not ask for it.
#[test]
fn each_side_accepts_the_operations_of_its_direction() {
    // A payload of zeros is not an error; their shapes have a test of their own.
    let parsed_by_content = [Op::Error];
    let taken = |parses: &dyn Fn(Packet) -> bool| {
        let codes = accepted(UNSIGNED, parses).into_keys().map(|(code, _, _)| code);
        codes.collect::<BTreeSet<_>>()
    };
    let by_server = taken(&|packet| FromClient::parse(packet).is_ok());
    let by_client = taken(&|packet| FromServer::parse(packet).is_ok());
    for op in Op::ALL {
        let (to_server, to_client) = match op.direction() {
            Direction::ToServerBeforeSession | Direction::ToServer => (true, false),
            Direction::Both => (true, true),
            Direction::ToClient => (false, true),
        };
        assert_eq!(by_server.contains(&op.code()), to_server, "{op:?}");
        if !parsed_by_content.contains(&op) {
            assert_eq!(by_client.contains(&op.code()), to_client, "{op:?}");
        }
    }
}

#[test]
fn the_form_of_an_error_decides_its_shape() {
    let clear = hex::decode("00010202b6095337a80e101e000000309e046b000000000568656c6c6f").unwrap();
    let sealed = |form: u8, len: usize| [vec![form], vec![0; len]].concat();
    let form = |recipient, payload: &[u8]| {
        let packet = packet(Profile::Compact, Op::Error, 0, recipient, payload, SIGNED);
        let from_server = FromServer::parse(packet).ok()?;
        let FromServer::Error { form, .. } = from_server else { panic!("{from_server:?}") };
        Some(form)
    };

    assert_eq!(form(0, &clear), Some(ErrorForm::Clear));
    assert_eq!(form(7, &clear), Some(ErrorForm::Clear));
    assert_eq!(form(0, &[clear.as_slice(), b"!"].concat()), None);
    assert_eq!(form(0, clear.split_last().unwrap().1), None);
    assert_eq!(form(0, &sealed(1, 48)), Some(ErrorForm::ReplyKey));
    assert_eq!(form(7, &sealed(1, 48)), Some(ErrorForm::ReplyKey));
    assert_eq!(form(7, &sealed(2, 48)), Some(ErrorForm::SessionKey));
    assert_eq!(form(0, &sealed(2, 48)), None, "a client without an id has no session");
    assert_eq!(form(7, &sealed(2, 47)), None);
    assert_eq!(form(7, &sealed(2, 16)), None);
    assert_eq!(form(7, &sealed(3, 48)), None);
    assert_eq!(form(7, &[]), None);
}

#[test]
fn a_receipt_parses_at_the_server_and_at_the_client() {
    let receipt = Receipt {
        receipt_id: ReceiptId(99),
        message_ids: vec![MessageId(1 << 40), MessageId((1 << 40) + 1)],
    };
    for profile in PROFILES {
        let packet = packet(profile, Op::DeliveryAck, 513, 7, &receipt.emit(), SIGNED);
        let recipient = UserId::new(513).unwrap();
        assert_eq!(
            FromClient::parse(packet.clone()),
            Ok(FromClient::Receipt {
                packet: packet.clone(),
                recipient,
                sender: UserId::new(7).unwrap(),
                receipt: receipt.clone(),
            })
        );
        assert_eq!(
            FromServer::parse(packet.clone()),
            Ok(FromServer::Receipt { packet, recipient, receipt: receipt.clone() })
        );
    }
}

#[test]
fn only_the_head_of_a_message_is_parsed() {
    let head = MessageHead { message_id: MessageId(5), suite: 200 };
    let payload = [head.emit().as_slice(), b"?"].concat();
    let packet = packet(Profile::Compact, Op::Message, 7, 513, &payload, SIGNED);
    assert_eq!(
        FromClient::parse(packet.clone()),
        Ok(FromClient::Message {
            packet: packet.clone(),
            recipient: UserId::new(513).unwrap(),
            message_id: MessageId(5),
        })
    );
    assert_eq!(
        FromServer::parse(packet.clone()),
        Ok(FromServer::Message {
            packet,
            sender: UserId::new(7).unwrap(),
            message_id: MessageId(5),
            suite: 200,
        })
    );
}

#[test]
fn the_public_key_of_a_101_follows_its_oaep_part() {
    let payload = [vec![0; 256], b"any key".to_vec()].concat();
    let packet = packet(Profile::Compact, Op::Confirm, 0, 0, &payload, SIGNED);
    let public_key_der = Bytes::from_static(b"any key");
    assert_eq!(
        FromClient::parse(packet.clone()),
        Ok(FromClient::Confirm { packet, public_key_der })
    );
}

#[test]
fn a_refused_packet_is_given_back() {
    let refused = packet(Profile::Compact, Op::Disconnect, 7, 9, b"", SIGNED);
    assert_eq!(FromClient::parse(refused.clone()), Err(MalformedPacket(refused.clone())));
    assert_eq!(FromServer::parse(refused.clone()), Err(MalformedPacket(refused)));
}

#[test]
fn largest_ids_of_the_profiles() {
    assert_eq!(Profile::Compact.max_user_id(), 65_535);
    assert_eq!(Profile::Wide.max_user_id(), (1 << 63) - 1, "the largest integer in SQLite");
}

#[test]
fn a_payload_or_id_that_does_not_fit_is_not_built() {
    let build = |profile, sender, payload_len| {
        let header = header(Op::Message, sender, 9);
        Packet::build(profile, header, &vec![0; payload_len], |_| Ok::<_, Oversized>([0; 256]))
            .map(|packet| packet.bytes().len())
    };
    assert_eq!(build(Profile::Compact, 65_535, 65_535), Ok(26 + 65_535 + 256));
    assert_eq!(build(Profile::Wide, 65_536, 65_535), Ok(Packet::MAX_LEN));
    assert_eq!(build(Profile::Compact, 65_536, 0), Err(Oversized));
    assert_eq!(build(Profile::Wide, 7, 65_536), Err(Oversized));
}

proptest! {
    #[test]
    fn a_packet_parses_from_exactly_its_own_bytes(
        packet in (arb::profile(), arb::gate())
            .prop_flat_map(|(profile, gate)| arb::packet(profile, gate)),
    ) {
        let (profile, bytes) = (packet.profile(), packet.bytes().clone());
        let rebuilt = Packet::build(profile, *packet.header(), packet.payload(), |signed| {
            assert_eq!(signed, packet.signed());
            Ok::<_, Oversized>(packet.signature().try_into().unwrap())
        });
        prop_assert_eq!(rebuilt.as_ref(), Ok(&packet));
        prop_assert_eq!(Packet::parse(profile, bytes.clone()), Some(packet.clone()));
        prop_assert_eq!(Packet::parse(profile, bytes.slice(..bytes.len() - 1)), None);
        let longer = [&bytes[..], b"!"].concat();
        prop_assert_eq!(Packet::parse(profile, longer.into()), None);

        if let Ok(from_client) = FromClient::parse(packet.clone()) {
            prop_assert_eq!(from_client.packet(), &packet);
        }
        if let Ok(from_server) = FromServer::parse(packet.clone()) {
            prop_assert_eq!(from_server.packet(), &packet);
        }
    }
}

fn packet(
    profile: Profile,
    op: Op,
    sender: u64,
    recipient: u64,
    payload: &[u8],
    seed: [u8; 32],
) -> Packet {
    packet_of(profile, header(op, sender, recipient), payload, seed)
}

fn header(op: Op, sender: u64, recipient: u64) -> Header {
    let timestamp = Timestamp::parse(b"2026-11-23 12:34:56").unwrap();
    Header { sender: UserId::new(sender), recipient: UserId::new(recipient), timestamp, op }
}
