//! The server machine changes its key: it has two of them for a while (PROTOCOL 4.5).

use std::time::Duration;

use sealpost_core::keys::PublicKey;
use sealpost_core::wire::{ErrorCode, Lookup, Profile};
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::{Received, ScriptedClient};
use sealpost_tests::server_fixture::{
    acknowledge, caught_up, delivered, error, message, pair, refused, send, stored,
};
use sealpost_tests::test_keys::private_key;

fn key(index: usize) -> PublicKey {
    private_key(index).public_key().clone()
}

/// Alice and Bob, offline, on a server that has begun to change its key.
fn changing() -> (ServerBed, ScriptedClient, ScriptedClient) {
    let (bed, alice, bob) = pair();
    (bed.restart_with_keys(0, Some(5)), alice, bob)
}

/// Opens a connection, and names a key on it.
fn name_key(bed: &mut ServerBed, client: &mut ScriptedClient, key: &PublicKey) {
    bed.advance(Duration::from_secs(1));
    client.conn = bed.connect();
    client.server_key = key.clone();
    let request = client.request_named_key(bed.now().wall, key);
    bed.input_packet(client.conn, &request);
}

/// Resumes the session on the present connection. Returns everything that was received.
fn resume(bed: &mut ServerBed, client: &mut ScriptedClient) -> Vec<Received> {
    let request = client.reconnect(bed.now().wall);
    bed.input_packet(client.conn, &request);
    client.receive_all(bed)
}

/// The scripted client verifies every packet with the key that it has named.
#[test]
fn everything_on_a_connection_is_opened_and_signed_with_the_key_that_was_named() {
    let (mut bed, mut alice, mut bob) = changing();
    name_key(&mut bed, &mut alice, &key(5));
    assert_eq!(alice.receive(&mut bed), Some(Received::ServerKey(key(5))));
    assert!(matches!(resume(&mut bed, &mut alice)[..], [Received::SessionResumed(_), ..]));
    send(&mut bed, &mut alice, &bob, "to somebody who is away");
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1])]);
    assert_eq!(bob.reconnect_to(&mut bed), 1);
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 1)], "under the first key");
    acknowledge(&mut bed, &mut bob, &alice, 9, &[1]);
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 9, &[1])]);
    assert_eq!(bob.receive_all(&mut bed), [caught_up(1)]);
    let unknown = alice.lookup(bed.now().wall, &Lookup::Phone("+4915100000099".parse().unwrap()));
    bed.input_packet(alice.conn, &unknown);
    assert_eq!(refused(&alice.receive_all(&mut bed)), ErrorCode::UnknownUser);
    let leave = alice.disconnect(bed.now().wall);
    bed.input_packet(alice.conn, &leave);
    assert_eq!(alice.receive_all(&mut bed), [Received::Disconnect]);
}

#[test]
fn somebody_registers_under_the_key_that_was_named() {
    let mut bed = ServerBed::new(Profile::Compact).restart_with_keys(0, Some(5));
    let mut carol = ScriptedClient::unregistered(&mut bed, 3);
    name_key(&mut bed, &mut carol, &key(5));
    assert_eq!(carol.receive(&mut bed), Some(Received::ServerKey(key(5))));
    let request = carol.register(bed.now().wall);
    bed.input_packet(carol.conn, &request);
    let Some(Received::OtpIssued(issued)) = carol.receive(&mut bed) else { panic!() };
    let confirm = carol.confirm(bed.now().wall, &issued.otp.unwrap());
    bed.input_packet(carol.conn, &confirm);
    assert_eq!(carol.receive(&mut bed), Some(Received::SessionIssued));
    assert_eq!(carol.successor, Some(*key(5).fingerprint()), "she goes on naming it");
}

#[test]
fn every_session_names_the_successor_while_there_is_one() {
    let (mut bed, mut alice, _) = changing();
    assert_eq!(alice.reconnect_to(&mut bed), 0);
    assert_eq!(alice.successor, Some(*key(5).fingerprint()));
    name_key(&mut bed, &mut alice, &key(5));
    alice.receive_all(&mut bed);
    resume(&mut bed, &mut alice);
    assert_eq!(alice.successor, Some(*key(5).fingerprint()));
    let mut bed = bed.restart_with_keys(5, None);
    alice.reconnect_to(&mut bed);
    assert_eq!(alice.successor, None);
}

#[test]
fn first_key_is_told_and_used_if_the_server_lacks_the_one_that_was_named() {
    let (bed, mut alice, _) = changing();
    let mut bed = bed.restart_with_keys(0, None);
    bed.advance(Duration::from_secs(1));
    alice.conn = bed.connect();
    let request = alice.request_named_key(bed.now().wall, &key(5));
    bed.input_packet(alice.conn, &request);
    assert_eq!(alice.receive(&mut bed), Some(Received::ServerKey(key(0))));
    assert!(matches!(resume(&mut bed, &mut alice)[..], [Received::SessionResumed(_), ..]));
}

#[test]
fn a_request_sealed_for_another_key_than_the_connections_does_not_open() {
    let (mut bed, mut alice, _) = changing();
    for (named, sealed_for) in [(5, 0), (0, 5)] {
        alice.server_key = key(sealed_for);
        let request = alice.reconnect(bed.now().wall);
        name_key(&mut bed, &mut alice, &key(named));
        alice.receive_all(&mut bed);
        bed.input_packet(alice.conn, &request);
        let (_, code) = error(&alice.receive_all(&mut bed));
        assert_eq!(code, ErrorCode::BadSignature, "sealed for {sealed_for}, named {named}");
    }
}

#[test]
fn retired_key_opens_and_signs_nothing() {
    let (bed, mut alice, _) = changing();
    let mut bed = bed.restart_with_keys(5, None);
    bed.advance(Duration::from_secs(1));
    alice.conn = bed.connect();
    let sealed_for_the_old_key = alice.reconnect(bed.now().wall);
    let named = alice.request_named_key(bed.now().wall, &key(0));
    alice.server_key = key(5);
    bed.input_packet(alice.conn, &named);
    assert_eq!(alice.receive(&mut bed), Some(Received::ServerKey(key(5))));
    bed.input_packet(alice.conn, &sealed_for_the_old_key);
    assert_eq!(refused(&alice.receive_all(&mut bed)), ErrorCode::BadSignature);
}

#[test]
fn each_key_is_signed_once_and_serves_many() {
    let (mut bed, mut alice, mut bob) = changing();
    bed.hold_jobs = true;
    for client in [&mut alice, &mut bob] {
        for index in [0, 5] {
            name_key(&mut bed, client, &key(index));
        }
    }
    assert_eq!(bed.waiting_jobs(), 2);
}
