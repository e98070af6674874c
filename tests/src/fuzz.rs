//! The bodies of the fuzz targets. Each takes any bytes and panics if something is wrong; the
//! corpora under `fuzz/corpus` also run through them in `cargo test`.

use core::fmt::Debug;

use sealpost_core::crypto::Plaintext;
use sealpost_core::wire::{
    ConfirmRequest, Deframer, ErrorReply, FromClient, FromServer, Gate, Inner, Lookup, Malformed,
    MessageHead, NoMoreMessages, OtpIssued, Packet, Profile, PublicKeyAnswer, Receipt,
    ReceiptsTaken, ReconnectRequest, RegisterRequest, RegistrationRejected, Resumed, SessionGrant,
    StoredAck, Violation, emit_server_key, parse_server_key,
};

/// A body: it takes any bytes, and panics if something is wrong.
pub type Body = fn(&[u8]);

/// Every body under the name of its target and of its corpus.
pub const BODIES: [(&str, Body); 2] = [("deframer", deframer), ("payloads", payloads)];

/// A stream of packets in one gate, cut into pieces: it gives the same packets as uncut, buffers
/// less than one packet, and loses no byte; and no packet has a shape that panics.
///
/// The first byte chooses profile and gate ([`selector`]), the second is the length of a piece, the
/// rest is the stream.
///
/// # Panics
/// If any of that does not hold.
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

/// The first byte of an input of [`deframer`].
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

/// One payload or plaintext, read by every parser: what parses is written as the same bytes, up to
/// the end of its last field, and as all of them where nothing may follow.
///
/// # Panics
/// If any of that does not hold.
pub fn payloads(data: &[u8]) {
    // More can't be in one sealed payload.
    let data = data.get(..65_503).unwrap_or(data);
    rewrites(data, RegisterRequest::parse, RegisterRequest::emit);
    rewrites(data, ConfirmRequest::parse, ConfirmRequest::emit);
    rewrites(data, ReconnectRequest::parse, ReconnectRequest::emit);
    rewrites(data, OtpIssued::parse, OtpIssued::emit);
    rewrites(data, RegistrationRejected::parse, RegistrationRejected::emit);
    rewrites(data, SessionGrant::parse, SessionGrant::emit);
    rewrites(data, Resumed::parse, Resumed::emit);
    rewrites(data, NoMoreMessages::parse, NoMoreMessages::emit);
    rewrites(data, Lookup::parse, Lookup::emit);
    rewrites(data, PublicKeyAnswer::parse, PublicKeyAnswer::emit);
    rewrites(data, StoredAck::parse, StoredAck::emit);
    rewrites(data, ReceiptsTaken::parse, ReceiptsTaken::emit);
    rewrites(data, ErrorReply::parse, ErrorReply::emit);
    if let Ok(inner) = Inner::parse(data) {
        // The filling may differ.
        assert_eq!(Inner::parse(inner.emit().expose()), Ok(inner));
    }
    if let Ok(receipt) = Receipt::parse(data) {
        assert_eq!(receipt.emit(), data);
    }
    if let Ok(reply) = ErrorReply::parse_clear(data) {
        assert_eq!(reply.emit_clear(), data);
    }
    if let Ok(key) = parse_server_key(data) {
        assert_eq!(emit_server_key(&key), data);
    }
    if let Ok((head, body)) = MessageHead::parse(data) {
        assert_eq!([&head.emit(), body].concat(), data);
    }
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

fn rewrites<T: PartialEq + Debug>(
    data: &[u8],
    parse: fn(&[u8]) -> Result<T, Malformed>,
    emit: fn(&T) -> Plaintext,
) {
    if let Ok(value) = parse(data) {
        let emitted = emit(&value);
        assert!(data.starts_with(emitted.expose()));
        assert_eq!(parse(emitted.expose()), Ok(value));
    }
}
