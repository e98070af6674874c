//! The client machine: stored messages whose recipient's account is deleted before they arrive.

use std::time::Duration;

use sealpost_core::client::store::Failure;
use sealpost_core::client::{Command, Limits, Notice};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::{MessageId, UserId, UserRef};
use sealpost_core::wire::{ErrorCode, ErrorForm, InReplyTo};
use sealpost_storage::client::ClientStorage;
use sealpost_tests::client_fixture::{ClientFixture, bob, client_knowing_bob_with, ids, message};
use sealpost_tests::scripted_server::Request;

/// A client whose message 1 to bob is stored at the server, online in a later session of a later
/// process, and the name that the server gives to the message.
fn stored(limits: Limits) -> (ClientFixture, InReplyTo) {
    let (mut fixture, bob) = client_knowing_bob_with(limits);
    fixture.bed.send_text(UserRef::Id(bob.id), "hello");
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    let packet = fixture.server.last_request().request_hash().in_reply_to();
    let ack = fixture.server.stored(fixture.now(), &[(bob.id, MessageId(1))]);
    fixture.send(&ack);
    fixture.bed = fixture.bed.restart();
    fixture.bed.command(Command::Connect);
    fixture.connect();
    fixture.grant_session(0);
    fixture.bed.take_notices();
    (fixture, packet)
}

fn refuse(fixture: &mut ClientFixture, packet: InReplyTo) {
    let (form, code) = (ErrorForm::SessionKey, ErrorCode::UnknownUser);
    let error = fixture.server.error_to(fixture.now(), form, code, packet);
    fixture.send(&error);
}

#[test]
fn a_stored_message_that_can_not_be_delivered_any_more_fails_and_its_sender_is_told() {
    let (mut fixture, packet) = stored(Limits::default());
    refuse(&mut fixture, InReplyTo([9; 8]));
    refuse(&mut fixture, InReplyTo::default());
    assert_eq!(fixture.bed.take_notices(), [], "no message of ours");
    refuse(&mut fixture, packet);
    let failed = Notice::Failed { ids: ids(&[1]), failure: Failure::UnknownUser };
    assert_eq!(fixture.bed.take_notices(), [failed]);
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Phone(bob().phone))]);
    let counts = fixture.bed.store.inner().outbox().unwrap();
    assert_eq!((counts.stored, counts.failed), (0, 1));
    refuse(&mut fixture, packet);
    assert_eq!(fixture.bed.take_notices(), [], "it has failed already");
    assert!(!fixture.bed.is_closed(fixture.conn));
}

#[test]
fn the_recipient_of_a_stored_message_that_can_not_be_delivered_is_looked_up_once() {
    let (mut fixture, packet) = stored(Limits::default());
    refuse(&mut fixture, packet);
    let mut bob = bob();
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Phone(bob.phone))]);
    fixture.bed.take_notices();
    bob.id = UserId::new(9).unwrap();
    let found = fixture.server.public_key_of(fixture.now(), &bob);
    fixture.send(&found);
    let moved = Notice::Moved { phone: bob.phone, user: bob.id };
    assert_eq!(fixture.bed.take_notices(), [moved]);
    assert_eq!(fixture.receive_all(), [], "bob may have read it before");
    fixture.bed.send_text(UserRef::Phone(bob.phone), "again");
    assert_eq!(fixture.receive_all(), [message(&bob, 2)]);
    let last = fixture.server.last_request().clone();
    assert_eq!(bob.open_message(last, fixture.bed.public_key()).previous(), None);
}

#[test]
fn a_refusal_of_a_stored_message_is_recorded_even_if_the_store_is_busy_first() {
    let (mut fixture, packet) = stored(Limits::default());
    fixture.bed.fail_store(1, StoreError::Busy);
    refuse(&mut fixture, packet);
    assert_eq!(fixture.bed.take_notices(), [Notice::StoreFailed { error: StoreError::Busy }]);
    fixture.bed.advance(Duration::from_secs(1));
    let failed = Notice::Failed { ids: ids(&[1]), failure: Failure::UnknownUser };
    assert_eq!(fixture.bed.take_notices(), [failed]);
}

#[test]
fn reading_pauses_while_many_refusals_wait_for_the_store() {
    let (mut fixture, _) = stored(Limits { arriving: 4, ..Limits::default() });
    fixture.bed.hold_store = true;
    for n in 1..=6 {
        refuse(&mut fixture, InReplyTo([n; 8]));
    }
    assert!(fixture.bed.is_paused(fixture.conn));
    fixture.bed.hold_store = false;
    fixture.bed.release_store();
    assert!(!fixture.bed.is_paused(fixture.conn));
}
