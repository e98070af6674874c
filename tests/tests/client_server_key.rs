//! The client machine follows its server to another key (PROTOCOL 4.5).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sealpost_core::client::store::ClientOp;
use sealpost_core::client::{Command, Limits, Notice, OfflineReason, ServerKeyChange, Suspicion};
use sealpost_core::keys::Fingerprint;
use sealpost_core::wire::{ErrorCode, ErrorForm, Profile};
use sealpost_storage::client::ClientStorage;
use sealpost_tests::beds::{ClientBed, offline};
use sealpost_tests::client_fixture::ClientFixture;
use sealpost_tests::scripted_server::{Request, ScriptedServer};
use sealpost_tests::test_keys::private_key;

fn fingerprint(index: usize) -> Fingerprint {
    *private_key(index).public_key().fingerprint()
}

fn changes(change: ServerKeyChange) -> Notice {
    Notice::ServerKey { change, fingerprint: fingerprint(5) }
}

/// A client whose server has named key 5 as the successor of key 0. It is offline.
fn told_of_the_successor() -> ClientFixture {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.cut(fixture.conn);
    fixture.server.successor = Some(fingerprint(5));
    fixture.reconnect();
    let announced = changes(ServerKeyChange::Announced);
    assert!(fixture.bed.take_notices().contains(&announced));
    fixture.bed.cut(fixture.conn);
    fixture
}

/// Answers the client's question for a key with a key of the server.
fn tell_key(fixture: &mut ClientFixture, index: usize) {
    fixture.server.change_key(index);
    let key = fixture.server.server_key(fixture.now());
    fixture.send(&key);
}

fn kept(fixture: &ClientFixture) -> (Fingerprint, Option<Fingerprint>) {
    let account = fixture.bed.store.inner().load().unwrap().account;
    assert_eq!(account.server_key.map(|key| *key.fingerprint()), Some(account.server));
    (account.server, account.successor)
}

#[test]
fn successor_is_used_from_the_next_connection_on_and_replaces_the_key_when_it_is_alone() {
    let mut fixture = told_of_the_successor();
    assert_eq!(kept(&fixture), (fingerprint(0), Some(fingerprint(5))));
    for lasts in [true, false] {
        fixture.bed.take_notices();
        fixture.redial();
        assert_eq!(fixture.receive(), Some(Request::NamedKey(fingerprint(5))));
        tell_key(&mut fixture, 5);
        fixture.server.successor = lasts.then(|| fingerprint(5));
        fixture.grant_session(0);
        let replaced = changes(ServerKeyChange::Replaced);
        assert_eq!(fixture.bed.take_notices().contains(&replaced), !lasts);
        fixture.bed.cut(fixture.conn);
    }
    assert_eq!(kept(&fixture), (fingerprint(5), None));
    fixture.reconnect();
}

#[test]
fn restarted_client_knows_the_successor() {
    let mut fixture = told_of_the_successor();
    fixture.bed = fixture.bed.restart();
    fixture.bed.command(Command::Connect);
    fixture.connect();
    assert_eq!(fixture.receive(), Some(Request::NamedKey(fingerprint(5))));
}

#[test]
fn successor_is_not_used_before_it_is_durable() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.cut(fixture.conn);
    fixture.server.successor = Some(fingerprint(5));
    fixture.redial();
    fixture.bed.hold_store = true;
    fixture.grant_session(0);
    let keeps = |op: &ClientOp| matches!(op, ClientOp::ChangeServerKey { .. });
    assert_eq!(fixture.bed.waiting_ops().filter(|op| keeps(op)).count(), 1);
    fixture.bed.cut(fixture.conn);
    fixture.redial();
    assert_eq!(fixture.receive(), None, "it asks for no key: it waits for the date of its 106");
    fixture.bed.hold_store = false;
    fixture.bed.release_store();
    assert!(matches!(fixture.receive(), Some(Request::Reconnect(..))));
}

#[test]
fn successor_in_a_packet_that_does_not_verify_has_no_effect() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.cut(fixture.conn);
    fixture.redial();
    assert!(matches!(fixture.receive(), Some(Request::Reconnect(..))));
    fixture.bed.take_notices();
    fixture.server.successor = Some(fingerprint(5));
    fixture.server.change_key(5);
    let forged = fixture.server.session_resumed(fixture.now(), 0);
    fixture.send(&forged);
    let notices = fixture.bed.take_notices();
    assert!(notices.contains(&Notice::Suspicious { suspicion: Suspicion::BadServerSignature }));
    assert_eq!(kept(&fixture), (fingerprint(0), None));
    // The server may have other keys than the client thinks, so it asks.
    fixture.redial();
    assert_eq!(fixture.receive(), Some(Request::ServerKey));
    tell_key(&mut fixture, 0);
    fixture.server.successor = None;
    fixture.grant_session(0);
    fixture.bed.cut(fixture.conn);
    fixture.reconnect();
}

/// An answer of the server to an earlier request.
#[test]
fn successor_in_a_recorded_packet_has_no_effect() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.cut(fixture.conn);
    fixture.redial();
    fixture.receive();
    fixture.server.successor = Some(fingerprint(5));
    let recorded = fixture.server.session_resumed(fixture.now(), 0);
    fixture.bed.cut(fixture.conn);
    fixture.redial();
    fixture.receive();
    fixture.send(&recorded);
    assert_eq!(kept(&fixture), (fingerprint(0), None));
}

#[test]
fn client_of_a_server_that_was_restored_uses_the_former_key_and_says_so() {
    let mut fixture = told_of_the_successor();
    fixture.redial();
    assert_eq!(fixture.receive(), Some(Request::NamedKey(fingerprint(5))));
    fixture.bed.take_notices();
    fixture.server.successor = None;
    tell_key(&mut fixture, 0);
    let missing = changes(ServerKeyChange::Missing);
    assert_eq!(fixture.bed.take_notices(), [missing]);
    fixture.grant_session(0);
    assert_eq!(kept(&fixture), (fingerprint(0), None));
    fixture.bed.cut(fixture.conn);
    fixture.reconnect();
}

#[test]
fn successor_of_the_successor_follows_it() {
    let mut fixture = told_of_the_successor();
    fixture.redial();
    fixture.receive();
    fixture.server.successor = Some(fingerprint(4));
    tell_key(&mut fixture, 5);
    fixture.grant_session(0);
    assert_eq!(kept(&fixture), (fingerprint(5), Some(fingerprint(4))));
}

#[test]
fn key_that_is_neither_ours_nor_its_successor_is_wrong() {
    let mut fixture = told_of_the_successor();
    fixture.redial();
    fixture.receive();
    fixture.bed.take_notices();
    tell_key(&mut fixture, 4);
    let notices = fixture.bed.take_notices();
    let suspicion = Suspicion::WrongServerKey { offered: fingerprint(4) };
    assert!(notices.contains(&Notice::Suspicious { suspicion }));
    assert_eq!(offline(&notices), Some((OfflineReason::WrongServer, false)));
}

#[test]
fn server_of_an_earlier_version_is_asked_without_a_name() {
    let mut fixture = told_of_the_successor();
    fixture.redial();
    assert_eq!(fixture.receive(), Some(Request::NamedKey(fingerprint(5))));
    let refused =
        fixture.server.error(fixture.now(), ErrorForm::Clear, ErrorCode::NotAuthenticated);
    fixture.send(&refused);
    fixture.redial();
    assert_eq!(fixture.receive(), Some(Request::ServerKey));
    fixture.server.successor = None;
    tell_key(&mut fixture, 0);
    fixture.grant_session(0);
    assert_eq!(kept(&fixture), (fingerprint(0), None));
}

/// An unregistered client that has the address with the successor. It has asked for the first key,
/// and got another one.
fn with_the_new_address() -> ClientFixture {
    let bed = ClientBed::new(Profile::Compact, 1, fingerprint(5));
    let server = ScriptedServer::new(Profile::Compact, bed.public_key());
    let mut fixture = ClientFixture { bed, server, ..ClientFixture::new() };
    fixture.bed.command(Command::Register { invitation: None });
    fixture.connect();
    assert_eq!(fixture.receive(), Some(Request::ServerKey));
    tell_key(&mut fixture, 0);
    assert_eq!(fixture.receive(), Some(Request::NamedKey(fingerprint(5))));
    fixture
}

#[test]
fn new_address_works_during_the_change_and_its_key_is_named_on_every_connection() {
    let mut fixture = with_the_new_address();
    tell_key(&mut fixture, 5);
    assert!(matches!(fixture.receive(), Some(Request::Register(..))));
    assert_eq!(kept(&fixture), (fingerprint(5), Some(fingerprint(5))));
    fixture.bed.cut(fixture.conn);
    fixture.redial();
    assert_eq!(fixture.receive(), Some(Request::NamedKey(fingerprint(5))));
}

#[test]
fn new_address_is_wrong_for_a_server_without_its_key() {
    let suspicion = Suspicion::WrongServerKey { offered: fingerprint(0) };
    for knows_names in [true, false] {
        let mut fixture = with_the_new_address();
        if knows_names {
            tell_key(&mut fixture, 0);
        } else {
            let code = ErrorCode::NotAuthenticated;
            let refused = fixture.server.error(fixture.now(), ErrorForm::Clear, code);
            fixture.send(&refused);
        }
        let notices = fixture.bed.take_notices();
        assert!(notices.contains(&Notice::Suspicious { suspicion }));
        assert_eq!(offline(&notices), Some((OfflineReason::WrongServer, false)));
    }
}

#[test]
fn old_key_is_wrong_once_it_was_replaced() {
    let mut fixture = told_of_the_successor();
    fixture.redial();
    fixture.receive();
    tell_key(&mut fixture, 5);
    fixture.server.successor = None;
    fixture.grant_session(0);
    // After an answer that does not verify, it asks for the first key.
    fixture.bed.cut(fixture.conn);
    fixture.redial();
    assert!(matches!(fixture.receive(), Some(Request::Reconnect(..))));
    fixture.server.change_key(0);
    let stolen = fixture.server.session_resumed(fixture.now(), 0);
    fixture.send(&stolen);
    fixture.redial();
    assert_eq!(fixture.receive(), Some(Request::ServerKey));
    tell_key(&mut fixture, 0);
    assert_eq!(fixture.receive(), Some(Request::NamedKey(fingerprint(5))));
    fixture.bed.take_notices();
    tell_key(&mut fixture, 0);
    let notices = fixture.bed.take_notices();
    assert_eq!(offline(&notices), Some((OfflineReason::WrongServer, false)));
}
