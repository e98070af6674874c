//! The server machine: a 106 without an id gives as little away as one with it (PROTOCOL 4.3).
//! Whoever records it, repeats it or is displaced by it gets no session.

use std::time::Duration;

use sealpost_core::server::OtpChannel;
use sealpost_core::server::limits::Limits;
use sealpost_core::wire::{ErrorCode, Packet, Profile};
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::{Received, ScriptedClient};
use sealpost_tests::server_fixture::{pair, refused};

/// A user, and the 106 without an id that began her session a second later.
fn resumed_by_phone() -> (ServerBed, ScriptedClient, Packet) {
    let mut bed = ServerBed::new(Profile::Compact);
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let packet = by_phone(&mut bed, &mut alice);
    alice.conn = bed.connect();
    bed.input_packet(alice.conn, &packet);
    assert!(matches!(alice.receive_all(&mut bed)[..], [Received::SessionResumed(_), ..]));
    (bed, alice, packet)
}

/// A 106 without an id, signed by its user a second later.
fn by_phone(bed: &mut ServerBed, client: &mut ScriptedClient) -> Packet {
    bed.advance(Duration::from_secs(1));
    let id = client.id.take();
    let packet = client.reconnect(bed.now().wall);
    assert_eq!(packet.header().sender, None);
    client.id = id;
    packet
}

/// Has a stranger send a packet on a new connection. Returns the error that answers it.
fn strangers_answer(bed: &mut ServerBed, alice: &mut ScriptedClient, packet: &Packet) -> ErrorCode {
    let theirs = bed.connect();
    bed.input_packet(theirs, packet);
    let hers = std::mem::replace(&mut alice.conn, theirs);
    let received = alice.receive_all(bed);
    alice.conn = hers;
    refused(&received)
}

#[test]
fn a_recorded_106_without_an_id_begins_no_session() {
    let (mut bed, mut alice, recorded) = resumed_by_phone();
    for wait in [0, 1, 200] {
        bed.advance(Duration::from_secs(wait));
        assert_eq!(strangers_answer(&mut bed, &mut alice, &recorded), ErrorCode::ClockSkew);
        assert!(!bed.is_closed(alice.conn), "the user keeps her session");
    }
    let mut bed = bed.restart(OtpChannel::InBand, Limits::without_rates());
    assert_eq!(strangers_answer(&mut bed, &mut alice, &recorded), ErrorCode::ClockSkew);
}

#[test]
fn a_106_without_an_id_and_one_with_it_share_one_date() {
    let (mut bed, mut alice, recorded) = resumed_by_phone();
    let with_id = alice.reconnect(recorded.header().timestamp);
    assert_eq!(strangers_answer(&mut bed, &mut alice, &with_id), ErrorCode::ClockSkew);
    assert_eq!(alice.reconnect_to(&mut bed), 0);
    assert_eq!(strangers_answer(&mut bed, &mut alice, &recorded), ErrorCode::ClockSkew);
}

#[test]
fn a_106_without_an_id_that_is_repeated_at_once_begins_one_session() {
    let mut bed = ServerBed::new(Profile::Compact);
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let packet = by_phone(&mut bed, &mut alice);
    let conns = [(); 3].map(|()| bed.connect());
    bed.hold_store = true;
    bed.hold_jobs = true;
    for conn in conns {
        bed.input_packet(conn, &packet);
    }
    for _ in 0..8 {
        bed.release_jobs(|_| ());
        bed.release_store();
    }
    let answers = conns.map(|conn| {
        alice.conn = conn;
        alice.receive_all(&mut bed)
    });
    let sessions =
        |answer: &&Vec<Received>| matches!(answer[..], [Received::SessionResumed(_), ..]);
    assert_eq!(answers.iter().filter(sessions).count(), 1, "{answers:?}");
}

#[test]
fn a_106_without_an_id_displaces_the_older_session_of_its_user_alone() {
    let (mut bed, mut alice, bob) = pair();
    let packet = by_phone(&mut bed, &mut alice);
    let older = std::mem::replace(&mut alice.conn, bed.connect());
    bed.input_packet(alice.conn, &packet);
    assert!(matches!(alice.receive_all(&mut bed)[..], [Received::SessionResumed(_), ..]));
    assert!(bed.is_closed(older));
    assert!(!bed.is_closed(bob.conn));
}

#[test]
fn a_106_without_an_id_under_another_key_displaces_nobody() {
    let (mut bed, mut alice, _) = resumed_by_phone();
    let mut mallory = ScriptedClient::unregistered(&mut bed, 3);
    mallory.phone = alice.phone;
    let packet = by_phone(&mut bed, &mut mallory);
    bed.input_packet(mallory.conn, &packet);
    assert_eq!(refused(&mallory.receive_all(&mut bed)), ErrorCode::BadSignature);
    assert!(!bed.is_closed(alice.conn));
    let goodbye = alice.disconnect(bed.now().wall);
    bed.input_packet(alice.conn, &goodbye);
    assert_eq!(alice.receive_all(&mut bed).len(), 1, "her session still answers");
}
