//! The client machine: messages from the application's command to the server (PROTOCOL 6.2).

use std::time::Duration;

use sealpost_core::client::store::{Content, Failure};
use sealpost_core::client::{Command, Limits, Notice, OfflineReason, SendRefusal, Token};
use sealpost_core::frame::{Event, StoreError};
use sealpost_core::ids::{MessageId, ReceiptId, UserRef};
use sealpost_core::wire::{ErrorCode, ErrorForm, InReplyTo, Profile};
use sealpost_storage::client::ClientStorage;
use sealpost_tests::client_fixture::{
    ClientFixture, client_knowing_bob, client_knowing_bob_with, ids, me, message, session_error,
};
use sealpost_tests::scripted_peer::ScriptedPeer;
use sealpost_tests::scripted_server::Request;

#[test]
fn a_message_leaves_once_it_is_durable_and_is_stored_and_delivered() {
    let (mut fixture, mut bob) = client_knowing_bob();
    fixture.bed.hold_store = true;
    let token = fixture.bed.send_text(UserRef::Id(bob.id), "hello");
    assert_eq!(fixture.receive(), None, "nothing leaves before it is durable");
    assert_eq!(fixture.bed.take_notices(), []);
    fixture.bed.hold_store = false;
    fixture.bed.release_store();
    assert_eq!(fixture.bed.take_notices(), [Notice::Queued { token, id: MessageId(1) }]);
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);

    let sent = fixture.server.last_request().clone();
    let inner = bob.open_message(sent, fixture.bed.public_key());
    assert_eq!((inner.content(), inner.previous()), (&b"hello"[..], None));

    let stored = fixture.server.stored(fixture.now(), &[(bob.id, MessageId(1))]);
    fixture.send(&stored);
    assert_eq!(fixture.bed.take_notices(), [Notice::Stored { ids: ids(&[1]) }]);
    let receipt = bob.receipt(fixture.now(), me(), 7, &[1]);
    fixture.send(&receipt);
    let delivered = Notice::Delivered { recipient: bob.id, ids: ids(&[1]) };
    assert_eq!(fixture.bed.take_notices(), [delivered]);
    assert_eq!(fixture.receive_all(), [], "receipts are gathered for a second");
    fixture.bed.advance(Duration::from_secs(1));
    assert_eq!(fixture.receive_all(), [Request::Taken(vec![(bob.id, ReceiptId(7))])]);
    let counts = fixture.bed.store.inner().outbox().unwrap();
    assert_eq!((counts.queued, counts.delivered), (0, 1));
}

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
fn each_message_names_the_one_before_it_to_the_same_recipient() {
    let (mut fixture, mut bob) = client_knowing_bob();
    let carol = ScriptedPeer::new(Profile::Compact, 3);
    fixture.add_contact(&carol);
    for to in [bob.id, carol.id, bob.id] {
        fixture.bed.send_text(UserRef::Id(to), "hello");
    }
    assert_eq!(fixture.receive_all(), [message(&bob, 1), message(&carol, 2), message(&bob, 3)]);
    let last = fixture.server.last_request().clone();
    assert_eq!(bob.open_message(last, fixture.bed.public_key()).previous(), Some(MessageId(1)));

    fixture.bed = fixture.bed.restart();
    fixture.bed.command(Command::Connect);
    fixture.connect();
    fixture.grant_session(0);
    fixture.receive_all();
    fixture.bed.send_text(UserRef::Id(bob.id), "again");
    assert_eq!(fixture.receive_all(), [message(&bob, 4)]);
    let last = fixture.server.last_request().clone();
    assert_eq!(bob.open_message(last, fixture.bed.public_key()).previous(), Some(MessageId(3)));
}

#[test]
fn messages_wait_while_offline_and_keep_their_order_however_sealing_finishes() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.cut(fixture.conn);
    for text in ["one", "two", "three"] {
        fixture.bed.send_text(UserRef::Phone(bob.phone), text);
    }
    assert_eq!(fixture.bed.waiting_jobs(), 0);
    fixture.redial();
    fixture.receive();
    let resumed = fixture.server.session_resumed(fixture.now(), 0);
    fixture.bed.take_notices();
    fixture.bed.hold_jobs = true;
    fixture.send(&resumed);
    fixture.bed.release_jobs(|_| {});
    assert_eq!(fixture.bed.waiting_jobs(), 3, "the grant is open, and the messages are sealed");
    fixture.bed.hold_jobs = false;
    fixture.bed.release_jobs(|jobs| jobs.reverse());
    let queued = fixture.bed.take_notices().into_iter().filter_map(|notice| {
        let Notice::Queued { id, .. } = notice else { return None };
        Some(id)
    });
    assert_eq!(queued.collect::<Vec<_>>(), ids(&[1, 2, 3]));
    assert_eq!(fixture.receive_all(), [message(&bob, 1), message(&bob, 2), message(&bob, 3)]);
}

#[test]
fn nothing_overtakes_a_message_that_a_full_mailbox_holds_back() {
    let (mut fixture, bob) = client_knowing_bob();
    let carol = ScriptedPeer::new(Profile::Compact, 3);
    fixture.add_contact(&carol);
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    session_error(&mut fixture, ErrorCode::MailboxFull);
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
fn a_message_is_tried_for_thirty_days() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    fixture.bed.cut(fixture.conn);
    fixture.bed.jump_wall_clock(31 * 24 * 3_600);
    fixture.bed.take_notices();
    fixture.reconnect();
    assert_eq!(fixture.receive_all(), []);
    let failure = Failure::Expired;
    assert!(fixture.bed.take_notices().contains(&Notice::Failed { ids: ids(&[1]), failure }));
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
fn only_a_window_of_messages_is_in_flight() {
    let limits = Limits { in_flight_messages: 2, ..Limits::default() };
    let (mut fixture, bob) = client_knowing_bob_with(limits);
    for text in ["one", "two", "three"] {
        fixture.bed.send_text(UserRef::Id(bob.id), text);
    }
    assert_eq!(fixture.receive_all(), [message(&bob, 1), message(&bob, 2)]);
    let stored = fixture.server.stored(fixture.now(), &[(bob.id, MessageId(1))]);
    fixture.send(&stored);
    assert_eq!(fixture.receive_all(), [message(&bob, 3)]);
}

#[test]
fn nothing_is_sent_to_a_connection_that_is_congested() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.input_event(Event::Congested { conn: fixture.conn });
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    assert_eq!(fixture.receive_all(), []);
    fixture.bed.input_event(Event::Writable { conn: fixture.conn });
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
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
