//! Streams of packets that are cut anywhere.

use proptest::prelude::*;
use sealpost_core::ids::UserId;
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{Deframer, Gate, Header, Op, Packet, Profile, SIGNATURE_LEN, Violation};

use crate::arb::{self, GATES, PROFILES, packet_of};

/// Feeds a stream in pieces, whose lengths repeat `cuts`. Returns the packets, and the violation
/// that ended the stream, if any did.
fn feed(
    deframer: &mut Deframer,
    gate: Gate,
    mut stream: &[u8],
    cuts: &[usize],
) -> (Vec<Packet>, Option<Violation>) {
    let mut packets = Vec::new();
    let mut cuts = cuts.iter().cycle();
    while !stream.is_empty() {
        let (mut piece, rest) = stream.split_at(stream.len().min(*cuts.next().unwrap()));
        loop {
            match deframer.next(&mut piece, gate) {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(violation) => return (packets, Some(violation)),
            }
        }
        assert!(piece.is_empty(), "an incomplete packet is kept");
        stream = rest;
    }
    (packets, None)
}

fn bytes_of(packets: &[Packet]) -> Vec<u8> {
    packets.iter().flat_map(|packet| packet.bytes().iter().copied()).collect()
}

/// Packets that one gate admits.
fn traffic() -> impl Strategy<Value = (Profile, Gate, Vec<Packet>)> {
    (arb::profile(), arb::gate()).prop_flat_map(|(profile, gate)| {
        let packets = prop::collection::vec(arb::packet(profile, gate), 1..6);
        (Just(profile), Just(gate), packets)
    })
}

proptest! {
    #[test]
    fn any_cuts_give_the_same_packets(
        (profile, gate, sent) in traffic(),
        cuts in prop::collection::vec(1_usize..3_000, 1..20),
    ) {
        let mut deframer = Deframer::new(profile);
        let received = feed(&mut deframer, gate, &bytes_of(&sent), &cuts);
        prop_assert_eq!(received, (sent, None));
        prop_assert!(deframer.is_empty());
    }

    #[test]
    fn single_bytes_give_the_same_packets((profile, gate, sent) in traffic()) {
        let mut deframer = Deframer::new(profile);
        prop_assert_eq!(feed(&mut deframer, gate, &bytes_of(&sent), &[1]), (sent, None));
    }

    #[test]
    fn a_stream_that_ends_early_leaves_only_its_last_packet_buffered(
        (profile, gate, sent) in traffic(),
        missing in 1_usize..200,
    ) {
        let stream = bytes_of(&sent);
        let (whole, last) = sent.split_at(sent.len() - 1);
        let mut deframer = Deframer::new(profile);
        let (received, violation) =
            feed(&mut deframer, gate, &stream[..stream.len() - missing], &[64]);
        prop_assert_eq!((received.as_slice(), violation), (whole, None));
        prop_assert_eq!(deframer.buffered_len(), last[0].bytes().len() - missing);
        prop_assert!(!deframer.is_empty());
    }

    #[test]
    fn no_bytes_panic_or_buffer_more_than_a_packet(
        data in prop::collection::vec(any::<u8>(), 0..2_000),
        cuts in prop::collection::vec(1_usize..500, 1..9),
    ) {
        for (profile, gate) in everywhere() {
            let mut deframer = Deframer::new(profile);
            feed(&mut deframer, gate, &data, &cuts);
            prop_assert!(deframer.buffered_len() < gate.max_packet_len(profile));
        }
    }

    /// Most arbitrary bytes fail at the first header. Damaged packets get past it.
    #[test]
    fn damaged_packets_do_not_panic_and_give_the_same_result_for_any_cuts(
        (profile, gate, sent) in traffic(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cuts in prop::collection::vec(1_usize..500, 1..9),
    ) {
        let mut stream = bytes_of(&sent);
        for (at, byte) in damage {
            *at.get_mut(&mut stream) = byte;
        }
        let mut deframer = Deframer::new(profile);
        let in_pieces = feed(&mut deframer, gate, &stream, &cuts);
        prop_assert!(deframer.buffered_len() < gate.max_packet_len(profile));
        let whole = feed(&mut Deframer::new(profile), gate, &stream, &[stream.len()]);
        prop_assert_eq!(in_pieces, whole);
    }
}

#[test]
fn a_header_is_refused_as_soon_as_it_is_complete() {
    for (profile, gate) in everywhere() {
        for op in Op::ALL {
            for payload_len in [0, 1, 1_024, 1_025, u16::MAX] {
                let expected = gate.admit(op, payload_len.into());
                let header = header_bytes(profile, op.code(), payload_len);
                assert_eq!(first_refusal(profile, gate, &header), expected, "{gate:?} {op:?}");
            }
        }
    }
}

#[test]
fn an_unknown_op_code_is_malformed_everywhere() {
    for (profile, gate) in everywhere() {
        for code in (0..=u8::MAX).filter(|code| Op::from_code(*code).is_none()) {
            let header = header_bytes(profile, code, 0);
            assert_eq!(first_refusal(profile, gate, &header), Err(Violation::Malformed));
        }
    }
}

#[test]
fn a_timestamp_that_is_not_a_calendar_second_is_malformed() {
    for (profile, gate) in everywhere() {
        let mut header = header_bytes(profile, admitted(gate).code(), 0);
        let tens_of_days = 2 * profile.id_len() + 8;
        header[tens_of_days] = b'4';
        assert_eq!(first_refusal(profile, gate, &header), Err(Violation::Malformed));
    }
}

#[test]
fn the_operation_is_checked_before_the_timestamp() {
    for profile in PROFILES {
        let mut header = header_bytes(profile, Op::Message.code(), 0);
        header[2 * profile.id_len()] = b'x';
        let refusal = first_refusal(profile, Gate::BeforeSession, &header);
        assert_eq!(refusal, Err(Violation::NotAuthenticated));
    }
}

#[test]
fn a_violation_is_repeated_in_every_later_call() {
    let mut deframer = Deframer::new(Profile::Compact);
    let header = header_bytes(Profile::Compact, Op::PublicKey.code(), 0);
    let (first, second) = header.split_at(9);
    assert_eq!(deframer.next(&mut &*first, Gate::InSession), Ok(None));
    for mut data in [second, b"more", b""] {
        let outcome = deframer.next(&mut data, Gate::InSession);
        assert_eq!(outcome, Err(Violation::Malformed));
    }
}

#[test]
fn a_packet_that_began_before_the_session_must_be_admitted_in_it() {
    let register = example(Profile::Compact, Op::Register, 256);
    let message = example(Profile::Compact, Op::Message, 256);
    for (packet, outcome) in [(register, Err(Violation::Malformed)), (message, Ok(()))] {
        let (first, mut second) = packet.bytes().split_at(5);
        let mut deframer = Deframer::new(Profile::Compact);
        assert_eq!(deframer.next(&mut &*first, Gate::BeforeSession), Ok(None));
        let finished = deframer.next(&mut second, Gate::InSession);
        assert_eq!(finished, outcome.map(|()| Some(packet.clone())));
    }
}

#[test]
fn a_second_packet_stays_in_the_data_until_the_next_call() {
    let packets =
        [example(Profile::Wide, Op::Reconnect, 256), example(Profile::Wide, Op::Message, 40)];
    let stream = bytes_of(&packets);
    let mut data = stream.as_slice();
    let mut deframer = Deframer::new(Profile::Wide);
    let [reconnect, message] = packets;
    assert_eq!(deframer.next(&mut data, Gate::BeforeSession), Ok(Some(reconnect)));
    assert_eq!(data, message.bytes());
    assert_eq!(deframer.next(&mut data, Gate::InSession), Ok(Some(message)));
    assert_eq!(deframer.next(&mut data, Gate::InSession), Ok(None));
}

/// Every gate in both profiles.
fn everywhere() -> impl Iterator<Item = (Profile, Gate)> {
    PROFILES.into_iter().flat_map(|profile| GATES.map(|gate| (profile, gate)))
}

/// Feeds a header byte by byte, and asserts that only the last byte gives a result.
fn first_refusal(profile: Profile, gate: Gate, header: &[u8]) -> Result<(), Violation> {
    let mut deframer = Deframer::new(profile);
    let (last, before) = header.split_last().unwrap();
    for byte in before {
        assert_eq!(deframer.next(&mut [*byte].as_slice(), gate), Ok(None));
    }
    assert_eq!(deframer.buffered_len(), before.len());
    let outcome = deframer.next(&mut [*last].as_slice(), gate);
    assert_eq!(deframer.buffered_len(), header.len());
    outcome.map(|packet| assert_eq!(packet, None, "the signature is missing"))
}

fn header_bytes(profile: Profile, code: u8, payload_len: u16) -> Vec<u8> {
    let packet = example(profile, Op::Message, payload_len.into());
    let mut header = packet.bytes()[..profile.header_len()].to_vec();
    let op_at = header.len() - 3;
    header[op_at] = code;
    header
}

fn example(profile: Profile, op: Op, payload_len: usize) -> Packet {
    let header = Header {
        sender: UserId::new(7),
        recipient: UserId::new(9),
        timestamp: Timestamp::parse(b"2026-11-23 12:34:56").unwrap(),
        op,
    };
    let packet = packet_of(profile, header, &vec![0x5a; payload_len], [1; 32]);
    assert_eq!(packet.bytes().len(), profile.header_len() + payload_len + SIGNATURE_LEN);
    packet
}

/// An operation that a gate admits without a payload.
fn admitted(gate: Gate) -> Op {
    match gate {
        Gate::BeforeSession => Op::RequestPublicKey,
        Gate::InSession | Gate::Client => Op::Disconnect,
    }
}
