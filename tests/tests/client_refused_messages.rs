//! The client machine: messages that the server refuses, and what follows for those behind them
//! (PROTOCOL 6.2).

use std::time::Duration;

use sealpost_core::client::store::Failure;
use sealpost_core::client::{Command, Notice};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::{MessageId, UserRef};
use sealpost_core::wire::{ErrorCode, ErrorForm, InReplyTo, Profile};
use sealpost_tests::client_fixture::{
    ClientFixture, client_knowing_bob, ids, message, session_error,
};
use sealpost_tests::scripted_peer::ScriptedPeer;
use sealpost_tests::scripted_server::Request;

#[test]
fn a_refused_message_is_not_the_one_before_the_next() {
    let (mut fixture, mut bob) = client_knowing_bob();
    let to = bob.id;
    let mut send = |fixture: &mut ClientFixture, id| {
        fixture.bed.send_text(UserRef::Id(bob.id), "hello");
        assert_eq!(fixture.receive_all(), [message(&bob, id)]);
        let sent = fixture.server.last_request().clone();
        bob.open_message(sent, fixture.bed.public_key()).previous()
    };
    assert_eq!(send(&mut fixture, 1), None);
    session_error(&mut fixture, ErrorCode::read(200));
    assert_eq!(send(&mut fixture, 2), None);
    assert_eq!(send(&mut fixture, 3), Some(MessageId(2)));
    session_error(&mut fixture, ErrorCode::read(200));
    assert_eq!(send(&mut fixture, 4), Some(MessageId(2)));
    session_error(&mut fixture, ErrorCode::read(200));
    let stored = fixture.server.stored(fixture.now(), &[(to, MessageId(2))]);
    fixture.send(&stored);
    fixture.bed = fixture.bed.restart();
    fixture.bed.command(Command::Connect);
    fixture.connect();
    fixture.grant_session(0);
    assert_eq!(send(&mut fixture, 5), Some(MessageId(2)), "the store says the same");
}

#[test]
fn a_message_waits_until_a_failure_is_recorded_and_does_not_name_the_one_that_failed() {
    let (mut fixture, mut bob) = client_knowing_bob();
    for id in 1..=2 {
        fixture.bed.send_text(UserRef::Id(bob.id), "hello");
        assert_eq!(fixture.receive_all(), [message(&bob, id)]);
    }
    fixture.bed.fail_store(1, StoreError::Busy);
    session_error(&mut fixture, ErrorCode::read(200));
    fixture.bed.send_text(UserRef::Id(bob.id), "hello");
    assert_eq!(fixture.receive_all(), []);
    fixture.bed.advance(Duration::from_secs(1));
    assert_eq!(fixture.receive_all(), [message(&bob, 3)]);
    let last = fixture.server.last_request().clone();
    assert_eq!(bob.open_message(last, fixture.bed.public_key()).previous(), Some(MessageId(1)));
}

#[test]
fn nothing_overtakes_a_message_that_a_full_mailbox_holds_back() {
    let (mut fixture, bob) = client_knowing_bob();
    let carol = ScriptedPeer::new(Profile::Compact, 3);
    fixture.add_contact(&carol);
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    fixture.bed.take_notices();
    session_error(&mut fixture, ErrorCode::MailboxFull);
    let held = Notice::HeldBack { id: MessageId(1), code: ErrorCode::MailboxFull };
    assert_eq!(fixture.bed.take_notices(), [held]);
    fixture.bed.send_text(UserRef::Id(bob.id), "two");
    fixture.bed.send_text(UserRef::Id(carol.id), "three");
    assert_eq!(fixture.receive_all(), [message(&carol, 3)], "others are not held back");

    fixture.bed.advance(Duration::from_secs(4));
    assert_eq!(fixture.receive_all(), [message(&bob, 1)], "the first goes alone");
    session_error(&mut fixture, ErrorCode::MailboxFull);
    fixture.bed.advance(Duration::from_secs(8));
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    let stored = fixture.server.stored(fixture.now(), &[(bob.id, MessageId(1))]);
    fixture.send(&stored);
    assert_eq!(fixture.receive_all(), [message(&bob, 2)]);
}

/// Has the server refuse a message of the client for now.
fn refuse(fixture: &mut ClientFixture, request: InReplyTo) {
    let (form, code) = (ErrorForm::SessionKey, ErrorCode::MailboxFull);
    let error = fixture.server.error_to(fixture.now(), form, code, request);
    fixture.send(&error);
}

/// Puts two messages to bob in flight. Returns the references for errors in reply to them.
fn two_in_flight() -> (ClientFixture, ScriptedPeer, [InReplyTo; 2]) {
    let (mut fixture, bob) = client_knowing_bob();
    let requests = [1, 2].map(|id| {
        fixture.bed.send_text(UserRef::Id(bob.id), "hello");
        assert_eq!(fixture.receive_all(), [message(&bob, id)]);
        fixture.server.last_request().request_hash().in_reply_to()
    });
    (fixture, bob, requests)
}

#[test]
fn a_refused_message_waits_for_those_before_it_to_the_same_recipient() {
    let (mut fixture, bob, [_, second]) = two_in_flight();
    refuse(&mut fixture, second);
    fixture.bed.advance(Duration::from_secs(4));
    assert_eq!(fixture.receive_all(), [], "the first may still be refused too");
    let stored = fixture.server.stored(fixture.now(), &[(bob.id, MessageId(1))]);
    fixture.send(&stored);
    assert_eq!(fixture.receive_all(), [message(&bob, 2)]);
}

#[test]
fn a_refused_message_does_not_wait_for_those_to_others() {
    let (mut fixture, bob) = client_knowing_bob();
    let carol = ScriptedPeer::new(Profile::Compact, 3);
    fixture.add_contact(&carol);
    fixture.bed.send_text(UserRef::Id(carol.id), "one");
    fixture.bed.send_text(UserRef::Id(bob.id), "two");
    assert_eq!(fixture.receive_all(), [message(&carol, 1), message(&bob, 2)]);
    session_error(&mut fixture, ErrorCode::MailboxFull);
    fixture.bed.advance(Duration::from_secs(4));
    assert_eq!(fixture.receive_all(), [message(&bob, 2)]);
}

#[test]
fn refusals_in_the_wrong_order_change_nothing_in_the_order_of_messages() {
    let (mut fixture, bob, [first, second]) = two_in_flight();
    refuse(&mut fixture, second);
    fixture.bed.advance(Duration::from_secs(4));
    refuse(&mut fixture, first);
    assert_eq!(fixture.receive_all(), [], "a pause first");
    fixture.bed.advance(Duration::from_secs(8));
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    let stored = fixture.server.stored(fixture.now(), &[(bob.id, MessageId(1))]);
    fixture.send(&stored);
    assert_eq!(fixture.receive_all(), [message(&bob, 2)]);
}

#[test]
fn after_a_lost_connection_a_refused_message_still_comes_second() {
    let (mut fixture, bob, [_, second]) = two_in_flight();
    refuse(&mut fixture, second);
    fixture.bed.advance(Duration::from_secs(4));
    fixture.bed.cut(fixture.conn);
    fixture.reconnect();
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    let stored = fixture.server.stored(fixture.now(), &[(bob.id, MessageId(1))]);
    fixture.send(&stored);
    assert_eq!(fixture.receive_all(), [message(&bob, 2)]);
}

#[test]
fn a_message_to_an_unknown_user_fails() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    fixture.receive_all();
    fixture.bed.take_notices();
    session_error(&mut fixture, ErrorCode::UnknownUser);
    assert_eq!(fixture.bed.take_notices(), []);
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Phone(bob.phone))]);
    session_error(&mut fixture, ErrorCode::UnknownUser);
    let failure = Failure::UnknownUser;
    assert_eq!(fixture.bed.take_notices(), [Notice::Failed { ids: ids(&[1]), failure }]);
    fixture.bed.cut(fixture.conn);
    fixture.reconnect();
    assert_eq!(fixture.receive_all(), []);
}

#[test]
fn a_failure_that_could_not_be_recorded_is_recorded_later() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    fixture.receive_all();
    fixture.bed.take_notices();
    session_error(&mut fixture, ErrorCode::UnknownUser);
    fixture.receive_all();
    fixture.bed.fail_store(1, StoreError::Busy);
    session_error(&mut fixture, ErrorCode::UnknownUser);
    assert_eq!(fixture.bed.take_notices(), [Notice::StoreFailed { error: StoreError::Busy }]);
    fixture.bed.advance(Duration::from_secs(1));
    let failure = Failure::UnknownUser;
    assert_eq!(fixture.bed.take_notices(), [Notice::Failed { ids: ids(&[1]), failure }]);
    assert_eq!(fixture.receive_all(), []);
}

#[test]
fn a_message_that_the_server_finds_malformed_is_not_repeated() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    fixture.receive_all();
    session_error(&mut fixture, ErrorCode::Malformed);
    assert!(fixture.bed.is_closed(fixture.conn));
    let failure = Failure::Refused;
    assert!(fixture.bed.take_notices().contains(&Notice::Failed { ids: ids(&[1]), failure }));
    fixture.reconnect();
    assert_eq!(fixture.receive_all(), []);
}

#[test]
fn a_message_refused_with_an_error_of_a_later_version_fails_and_the_session_goes_on() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    fixture.receive_all();
    fixture.bed.take_notices();
    let code = ErrorCode::read(200);
    session_error(&mut fixture, code);
    assert!(!fixture.bed.is_closed(fixture.conn));
    let notices = fixture.bed.take_notices();
    let ErrorCode::Unknown(code) = code else { panic!("{code:?}") };
    let (failure, text) = (Failure::Refused, "four attempts left".into());
    assert_eq!(
        notices,
        [Notice::UnknownError { code, text }, Notice::Failed { ids: ids(&[1]), failure }]
    );
}

#[test]
fn a_message_from_the_servers_future_waits_for_its_time() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "hello");
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    fixture.bed.take_notices();
    let behind = fixture.now().plus_secs(-400);
    let skew = fixture.server.error(behind, ErrorForm::SessionKey, ErrorCode::ClockSkew);
    fixture.send(&skew);
    assert_eq!(fixture.bed.take_notices(), [Notice::ClockOffset { secs: -400 }]);
    fixture.bed.advance(Duration::from_secs(399));
    assert_eq!(fixture.receive_all(), []);
    fixture.bed.advance(Duration::from_secs(1));
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
}
