//! Streams of packets, cut into pieces.

use sealpost_core::wire::{Deframer, FromClient, FromServer, Gate, Packet, Profile, Violation};

/// Deframes a stream in one gate, whole and cut into pieces. Both ways yield the same packets and
/// lose no byte; less than one packet is buffered; and every packet can be parsed without a panic.
///
/// The first byte of the input selects profile and gate ([`selector`]), the second is the length of
/// a piece, and the rest is the stream.
///
/// # Panics
/// If one of these properties is violated.
pub fn deframer(data: &[u8]) {
    let Some((&[selector, piece_len], stream)) = data.split_first_chunk() else {
        return;
    };
    let profile = if selector & 1 == 0 { Profile::Compact } else { Profile::Wide };
    let gate = match selector >> 1 {
        0 => Gate::BeforeSession,
        1 => Gate::InSession,
        _ => Gate::Client,
    };
    let uncut = deframe(profile, gate, stream, stream.len());
    let in_pieces = deframe(profile, gate, stream, piece_len.into());
    assert_eq!(in_pieces, uncut);

    let (packets, _) = uncut;
    let given_back: Vec<_> = packets.iter().flat_map(Packet::bytes).copied().collect();
    assert!(stream.starts_with(&given_back));
    for packet in packets {
        assert_eq!(Packet::parse(profile, packet.bytes().clone()).as_ref(), Some(&packet));
        shapes(&packet);
    }
}

/// First byte of an input to [`deframer`].
pub const fn selector(profile: Profile, gate: Gate) -> u8 {
    let profile = match profile {
        Profile::Compact => 0,
        Profile::Wide => 1,
    };
    let gate = match gate {
        Gate::BeforeSession => 0,
        Gate::InSession => 1,
        Gate::Client => 2,
    };
    profile | gate << 1
}

fn deframe(
    profile: Profile,
    gate: Gate,
    stream: &[u8],
    piece_len: usize,
) -> (Vec<Packet>, Result<(), Violation>) {
    let mut deframer = Deframer::new(profile);
    let mut packets = Vec::new();
    for mut piece in stream.chunks(piece_len.max(1)) {
        loop {
            match deframer.next(&mut piece, gate) {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(violation) => return (packets, Err(violation)),
            }
        }
        assert!(piece.is_empty());
        assert!(deframer.buffered_len() < gate.max_packet_len(profile));
    }
    (packets, Ok(()))
}

fn shapes(packet: &Packet) {
    if let Ok(from_client) = FromClient::parse(packet.clone()) {
        assert_eq!(from_client.packet(), packet);
    }
    if let Ok(from_server) = FromServer::parse(packet.clone()) {
        assert_eq!(from_server.packet(), packet);
    }
}
