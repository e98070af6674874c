//! The client machine: messages that wait for a session, and for their recipient's key.

use std::time::Duration;

use sealpost_core::client::store::Content;
use sealpost_core::client::{Command, Limits, Notice, SendRefusal};
use sealpost_core::frame::{Event, StoreError};
use sealpost_core::ids::{MessageId, UserRef};
use sealpost_core::wire::ErrorCode;
use sealpost_storage::client::{ClientStorage, HistoryEntry, SentMessage};
use sealpost_tests::client_fixture::{
    ClientFixture, bob, client_knowing_bob, message, session_error,
};
use sealpost_tests::scripted_server::Request;

/// Starts the client's process again, and brings it online.
fn restart_online(mut fixture: ClientFixture) -> ClientFixture {
    fixture.bed = fixture.bed.restart();
    fixture.bed.command(Command::Connect);
    fixture.connect();
    fixture.grant_session(0);
    fixture
}

#[test]
fn a_first_message_to_somebody_new_outlives_the_process_that_was_given_it() {
    let mut fixture = ClientFixture::online(Limits::default());
    let bob = bob();
    fixture.bed.cut(fixture.conn);
    fixture.bed.take_notices();
    fixture.bed.hold_store = true;
    let token = fixture.bed.send_text(UserRef::Phone(bob.phone), "hello");
    assert_eq!(fixture.bed.take_notices(), [], "not before it is durable");
    fixture.bed.hold_store = false;
    fixture.bed.release_store();
    assert_eq!(fixture.bed.take_notices(), [Notice::Kept { token }]);
    assert_eq!(fixture.bed.store.inner().outbox().unwrap().queued, 1);

    let mut fixture = restart_online(fixture);
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Phone(bob.phone))]);
    let answer = fixture.server.public_key_of(fixture.now(), &bob);
    fixture.send(&answer);
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    assert_eq!(fixture.bed.store.inner().load().unwrap().drafts, [], "it is a message now");

    let mut fixture = restart_online(fixture);
    assert_eq!(fixture.receive_all(), [message(&bob, 1)], "repeated, and not sealed again");
}

#[test]
fn a_message_kept_for_nobody_is_given_back_once() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.cut(fixture.conn);
    let to = UserRef::Phone(bob().phone);
    let token = fixture.bed.send_text(to, "hello");
    let mut fixture = restart_online(fixture);
    assert_eq!(fixture.receive_all(), [Request::Lookup(to)]);
    fixture.bed.take_notices();
    session_error(&mut fixture, ErrorCode::UnknownUser);
    let (refusal, content) = (SendRefusal::UnknownUser, Content::Text("hello".into()));
    let refused = Notice::SendRefused { token, to, refusal, content };
    assert_eq!(fixture.bed.take_notices(), [refused]);
    let mut fixture = restart_online(fixture);
    assert_eq!(fixture.receive_all(), []);
}

#[test]
fn a_kept_message_is_given_up_when_the_application_asks() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.cut(fixture.conn);
    let to = UserRef::Phone(bob().phone);
    let [one, two] = ["one", "two"].map(|text| fixture.bed.send_text(to, text));
    fixture.bed.take_notices();
    fixture.bed.command(Command::Cancel { token: one });
    let (refusal, content) = (SendRefusal::Cancelled, Content::Text("one".into()));
    let refused = Notice::SendRefused { token: one, to, refusal, content };
    assert_eq!(fixture.bed.take_notices(), [refused]);
    fixture.bed.command(Command::Cancel { token: one });
    assert_eq!(fixture.bed.take_notices(), [Notice::NotCancelled { token: one }]);
    // Also for the next process.
    let mut fixture = restart_online(fixture);
    assert_eq!(fixture.receive_all(), [Request::Lookup(to)]);
    let answer = fixture.server.public_key_of(fixture.now(), &bob());
    fixture.send(&answer);
    let history = fixture.bed.store.inner().history(bob().phone, None, 9).unwrap();
    let [HistoryEntry::Sent(SentMessage { content, .. })] = &history[..] else { panic!("one") };
    assert_eq!(*content, Content::Text("two".into()));
    // It has its id.
    fixture.bed.take_notices();
    fixture.bed.command(Command::Cancel { token: two });
    assert_eq!(fixture.bed.take_notices(), [Notice::NotCancelled { token: two }]);
}

#[test]
fn a_message_is_given_up_once_the_store_has_forgotten_it() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.cut(fixture.conn);
    let to = UserRef::Phone(bob().phone);
    let token = fixture.bed.send_text(to, "hello");
    fixture.bed.take_notices();
    // A store that needs somebody.
    fixture.bed.fail_store(1, StoreError::DiskFull);
    fixture.bed.command(Command::Cancel { token });
    let failed = |error| Notice::StoreFailed { error };
    let kept = [failed(StoreError::DiskFull), Notice::NotCancelled { token }];
    assert_eq!(fixture.bed.take_notices(), kept);
    // A store that is busy is asked again.
    fixture.bed.fail_store(1, StoreError::Busy);
    fixture.bed.command(Command::Cancel { token });
    assert_eq!(fixture.bed.take_notices(), [failed(StoreError::Busy)]);
    fixture.bed.hold_store = true;
    fixture.bed.advance(Duration::from_secs(1));
    assert_eq!(fixture.bed.take_notices(), [], "a crash would bring it again");
    fixture.bed.hold_store = false;
    fixture.bed.release_store();
    let (refusal, content) = (SendRefusal::Cancelled, Content::Text("hello".into()));
    assert_eq!(fixture.bed.take_notices(), [Notice::SendRefused { token, to, refusal, content }]);
}

#[test]
fn a_message_that_is_not_durable_yet_can_not_be_given_up() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.cut(fixture.conn);
    fixture.bed.take_notices();
    fixture.bed.hold_store = true;
    let token = fixture.bed.send_text(UserRef::Phone(bob().phone), "hello");
    fixture.bed.command(Command::Cancel { token });
    assert_eq!(fixture.bed.take_notices(), [Notice::NotCancelled { token }]);
    fixture.bed.hold_store = false;
    fixture.bed.release_store();
    assert_eq!(fixture.bed.take_notices(), [Notice::Kept { token }]);
}

#[test]
fn kept_messages_go_in_the_order_of_sending_under_either_name_of_their_recipient() {
    let mut fixture = ClientFixture::online(Limits::default());
    let mut bob = bob();
    fixture.bed.cut(fixture.conn);
    for (to, text) in [
        (UserRef::Id(bob.id), "one"),
        (UserRef::Phone(bob.phone), "two"),
        (UserRef::Id(bob.id), "three"),
    ] {
        fixture.bed.send_text(to, text);
    }
    fixture.reconnect();
    let names = [UserRef::Id(bob.id), UserRef::Phone(bob.phone)];
    assert_eq!(fixture.receive_all(), names.map(Request::Lookup));
    let answer = fixture.server.public_key_of(fixture.now(), &bob);
    fixture.send(&answer);
    let key = fixture.bed.public_key().clone();
    let mut sent = Vec::new();
    while let Some((_, packet)) = fixture.bed.next_sent() {
        if packet.header().recipient == Some(bob.id) {
            sent.push(bob.open_message(packet, &key).into_content());
        }
    }
    assert_eq!(sent, [&b"one"[..], b"two", b"three"]);
}

#[test]
fn nothing_overtakes_a_message_that_is_being_kept() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.cut(fixture.conn);
    fixture.bed.hold_store = true;
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    fixture.redial();
    fixture.bed.release_store();
    fixture.bed.send_text(UserRef::Id(bob.id), "two");
    fixture.grant_session(0);
    fixture.bed.send_text(UserRef::Id(bob.id), "three");
    fixture.bed.hold_store = false;
    fixture.bed.release_store();
    let history = fixture.bed.store.inner().history(bob.phone, None, 9).unwrap();
    let sent = history.into_iter().filter_map(|entry| match entry {
        HistoryEntry::Sent(SentMessage { content: Content::Text(text), .. }) => Some(text),
        HistoryEntry::Sent(_) | HistoryEntry::Received(_) => None,
    });
    assert_eq!(sent.collect::<Vec<_>>(), ["one", "two", "three"]);
    assert_eq!(fixture.receive_all(), [1, 2, 3].map(|id| message(&bob, id)));
}

#[test]
fn a_message_that_can_not_be_kept_is_given_back_or_tried_again() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.cut(fixture.conn);
    fixture.bed.take_notices();
    fixture.bed.fail_store(1, StoreError::DiskFull);
    let to = UserRef::Id(bob.id);
    let token = fixture.bed.send_text(to, "one");
    let (refusal, content) = (SendRefusal::StoreFailed, Content::Text("one".into()));
    assert_eq!(
        fixture.bed.take_notices(),
        [
            Notice::StoreFailed { error: StoreError::DiskFull },
            Notice::SendRefused { token, to, refusal, content }
        ]
    );
    fixture.bed.fail_store(1, StoreError::Busy);
    let token = fixture.bed.send_text(UserRef::Id(bob.id), "two");
    fixture.bed.take_notices();
    fixture.bed.input_event(Event::Shutdown);
    assert!(!fixture.bed.take_notices().contains(&Notice::Stopped), "it is not durable yet");
    fixture.bed.advance(Duration::from_secs(1));
    let notices = fixture.bed.take_notices();
    assert_eq!(notices, [Notice::Kept { token }, Notice::Stopped]);
}

#[test]
fn a_kept_message_that_can_not_be_enqueued_is_still_kept() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.cut(fixture.conn);
    let token = fixture.bed.send_text(UserRef::Id(bob.id), "one");
    fixture.redial();
    fixture.receive();
    fixture.bed.take_notices();
    let resumed = fixture.server.session_resumed(fixture.now(), 0);
    fixture.bed.fail_store(1, StoreError::DiskFull);
    fixture.send(&resumed);
    assert_eq!(fixture.receive_all(), []);
    assert_eq!(fixture.bed.store.inner().load().unwrap().drafts.len(), 1);
    fixture.bed.advance(Duration::from_secs(1));
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    assert!(fixture.bed.take_notices().contains(&Notice::Queued { token, id: MessageId(1) }));
    assert_eq!(fixture.bed.store.inner().load().unwrap().drafts, []);
}
