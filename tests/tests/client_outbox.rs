//! The client machine: messages on their way into the outbox, its limits, and a store that fails.

use std::time::Duration;

use sealpost_core::client::store::Content;
use sealpost_core::client::{Command, Limits, Notice, OfflineReason, SendRefusal, Token};
use sealpost_core::frame::{Event, StoreError};
use sealpost_core::ids::{MessageId, UserRef};
use sealpost_tests::client_fixture::{
    ClientFixture, client_knowing_bob, client_knowing_bob_with, ids, me, message,
};

#[test]
fn a_stored_message_that_could_not_be_recorded_is_recorded_later() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    fixture.receive_all();
    fixture.bed.take_notices();
    fixture.bed.fail_store(1, StoreError::Busy);
    let stored = fixture.server.stored(fixture.now(), &[(bob.id, MessageId(1))]);
    fixture.send(&stored);
    assert_eq!(fixture.bed.take_notices(), [Notice::StoreFailed { error: StoreError::Busy }]);
    fixture.bed.advance(Duration::from_secs(1));
    assert_eq!(fixture.bed.take_notices(), [Notice::Stored { ids: ids(&[1]) }]);
}

#[test]
fn messages_beyond_the_outbox_limit_are_refused_and_given_back() {
    let limits = Limits { outbox_messages: 2, ..Limits::default() };
    let (mut fixture, bob) = client_knowing_bob_with(limits);
    let tokens: Vec<_> =
        ["one", "two", "three"].map(|text| fixture.bed.send_text(UserRef::Id(bob.id), text)).into();
    let refused = Notice::SendRefused {
        token: tokens[2],
        to: UserRef::Id(bob.id),
        refusal: SendRefusal::OutboxFull,
        content: Content::Text("three".into()),
    };
    assert!(fixture.bed.take_notices().contains(&refused));
    let stored = fixture.server.stored(fixture.now(), &[(bob.id, MessageId(1))]);
    fixture.send(&stored);
    let token = fixture.bed.send_text(UserRef::Id(bob.id), "three");
    assert!(fixture.bed.take_notices().contains(&Notice::Queued { token, id: MessageId(3) }));
}

#[test]
fn messages_being_sealed_count_towards_the_outbox_limit() {
    let by_number = Limits { outbox_messages: 2, ..Limits::default() };
    let by_size = Limits { outbox_bytes: 6, ..Limits::default() };
    for limits in [by_number, by_size] {
        let (mut fixture, bob) = client_knowing_bob_with(limits);
        fixture.bed.hold_jobs = true;
        for text in ["one", "two"] {
            fixture.bed.send_text(UserRef::Id(bob.id), text);
        }
        assert_eq!(fixture.bed.take_notices(), []);
        let to = UserRef::Id(bob.id);
        let (refusal, content) = (SendRefusal::OutboxFull, Content::Text("3".into()));
        let token = fixture.bed.send_text(to, "3");
        assert_eq!(
            fixture.bed.take_notices(),
            [Notice::SendRefused { token, to, refusal, content }]
        );
    }
}

#[test]
fn concurrent_sealing_is_limited() {
    let (mut fixture, bob) = client_knowing_bob_with(Limits { sealing: 2, ..Limits::default() });
    fixture.bed.hold_jobs = true;
    for text in ["one", "two", "three"] {
        fixture.bed.send_text(UserRef::Id(bob.id), text);
    }
    assert_eq!(fixture.bed.waiting_jobs(), 2);
    fixture.bed.hold_jobs = false;
    fixture.bed.release_jobs(|_| {});
    assert_eq!(fixture.receive_all(), [message(&bob, 1), message(&bob, 2), message(&bob, 3)]);
}

#[test]
fn messages_that_cannot_be_stored_are_refused_and_their_ids_used_again() {
    let (mut fixture, mut bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    fixture.receive_all();
    let to = UserRef::Id(bob.id);
    fixture.bed.hold_jobs = true;
    let lost = ["two", "three"].map(|text| (fixture.bed.send_text(to, text), text));
    fixture.bed.hold_store = true;
    fixture.bed.hold_jobs = false;
    fixture.bed.release_jobs(|_| ());
    fixture.bed.fail_store(1, StoreError::DiskFull);
    fixture.bed.take_notices();
    fixture.bed.release_store();
    let refused = lost.map(|(token, text)| Notice::SendRefused {
        token,
        to,
        refusal: SendRefusal::StoreFailed,
        content: Content::Text(text.into()),
    });
    let notices = fixture.bed.take_notices();
    assert_eq!(notices[0], Notice::StoreFailed { error: StoreError::DiskFull });
    assert_eq!(notices[1..], refused);

    fixture.bed.hold_store = false;
    fixture.bed.send_text(UserRef::Id(bob.id), "four");
    assert_eq!(fixture.receive_all(), [message(&bob, 2)]);
    let last = fixture.server.last_request().clone();
    assert_eq!(bob.open_message(last, fixture.bed.public_key()).previous(), Some(MessageId(1)));
}

#[test]
fn a_message_sealed_too_late_is_not_sent_under_an_id_used_again() {
    let (mut fixture, mut bob) = client_knowing_bob();
    fixture.bed.hold_jobs = true;
    for text in ["one", "two"] {
        fixture.bed.send_text(UserRef::Id(bob.id), text);
    }
    fixture.bed.hold_store = true;
    let mut late = None;
    fixture.bed.release_jobs(|jobs| late = jobs.pop());
    fixture.bed.fail_store(1, StoreError::DiskFull);
    fixture.bed.release_store();
    fixture.bed.hold_store = false;
    for text in ["three", "four"] {
        fixture.bed.send_text(UserRef::Id(bob.id), text);
    }
    fixture.bed.release_jobs(|jobs| jobs.extend(late));
    assert_eq!(fixture.receive_all(), [message(&bob, 1), message(&bob, 2)]);
    let last = fixture.server.last_request().clone();
    assert_eq!(bob.open_message(last, fixture.bed.public_key()).content(), b"four");
}

#[test]
fn a_busy_store_is_retried() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.fail_store(1, StoreError::Busy);
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    assert_eq!(fixture.receive_all(), []);
    fixture.bed.advance(Duration::from_secs(1));
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
}

#[test]
fn sending_needs_an_account_and_content_that_fits() {
    let mut fixture = ClientFixture::new();
    let to = UserRef::Id(me());
    let token = fixture.bed.send_text(to, "hello");
    let (refusal, content) = (SendRefusal::NotRegistered, Content::Text("hello".into()));
    assert_eq!(fixture.bed.take_notices(), [Notice::SendRefused { token, to, refusal, content }]);

    let (mut fixture, bob) = client_knowing_bob();
    let (token, to, content) = (Token(9), UserRef::Id(bob.id), Content::Bytes(vec![0; 65_236]));
    fixture.bed.command(Command::Send { token, to, content: content.clone() });
    let refusal = SendRefusal::TooLong;
    assert_eq!(fixture.bed.take_notices(), [Notice::SendRefused { token, to, refusal, content }]);
    let (token, content) = (Token(10), Content::Bytes(vec![7; 65_235]));
    fixture.bed.command(Command::Send { token, to, content });
    assert_eq!(fixture.receive_all(), [message(&bob, 1)], "the largest fits");
}

#[test]
fn a_stop_waits_for_what_is_being_sealed() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.hold_jobs = true;
    let token = fixture.bed.send_text(UserRef::Id(bob.id), "hello");
    fixture.bed.cut(fixture.conn);
    fixture.bed.take_notices();
    fixture.bed.input_event(Event::Shutdown);
    assert!(!fixture.bed.take_notices().contains(&Notice::Stopped));
    fixture.bed.hold_jobs = false;
    fixture.bed.release_jobs(|_| ());
    let queued = Notice::Queued { token, id: MessageId(1) };
    assert_eq!(fixture.bed.take_notices(), [queued, Notice::Stopped]);
}

#[test]
fn messages_being_sealed_outlive_the_connection() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.hold_jobs = true;
    let token = fixture.bed.send_text(UserRef::Id(bob.id), "hello");
    fixture.bed.cut(fixture.conn);
    let notices = fixture.bed.take_notices();
    let lost = |notice: &Notice| {
        matches!(notice, Notice::Offline { reason: OfflineReason::Lost, retry_in: Some(_) })
    };
    assert!(notices.len() == 1 && lost(&notices[0]), "{notices:?}");
    fixture.bed.hold_jobs = false;
    fixture.bed.release_jobs(|_| ());
    assert_eq!(fixture.bed.take_notices(), [Notice::Queued { token, id: MessageId(1) }]);
    fixture.reconnect();
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
}
