//! The client machine: messages from the wish to the server (PROTOCOL 6.2).

use std::time::Duration;

use sealpost_core::client::store::{Content, Failure};
use sealpost_core::client::{Command, Limits, Notice, OfflineReason, Refusal, Token};
use sealpost_core::frame::{Event, StoreError};
use sealpost_core::ids::{MessageId, ReceiptId, UserRef};
use sealpost_core::wire::{ErrorCode, ErrorForm, InReplyTo, Profile};
use sealpost_storage::client::ClientStorage;
use sealpost_tests::acquaintance::{acquainted, acquainted_with, ids, me, message, session_error};
use sealpost_tests::clerk::{Asked, Counter, Peer};

#[test]
fn a_message_leaves_once_it_is_durable_and_is_stored_and_delivered() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.hold_store = true;
    let token = counter.stage.send_text(UserRef::Id(bob.id), "hello");
    assert_eq!(counter.hear(), None, "nothing leaves before it is durable");
    assert_eq!(counter.stage.notices(), []);
    counter.stage.hold_store = false;
    counter.stage.release_store();
    assert_eq!(counter.stage.notices(), [Notice::Queued { token, id: MessageId(1) }]);
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);

    let sent = counter.clerk.last().clone();
    let inner = bob.read(sent, counter.stage.public_key());
    assert_eq!((inner.content(), inner.previous()), (&b"hello"[..], None));

    let stored = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(1))]);
    counter.say(&stored);
    assert_eq!(counter.stage.notices(), [Notice::Stored(ids(&[1]))]);
    let receipt = bob.receipt(counter.at(), me(), 7, &[1]);
    counter.say(&receipt);
    let delivered = Notice::Delivered { reader: bob.id, ids: ids(&[1]) };
    assert_eq!(counter.stage.notices(), [delivered]);
    assert_eq!(counter.hear_all(), [], "receipts are gathered for a second");
    counter.stage.pass(Duration::from_secs(1));
    assert_eq!(counter.hear_all(), [Asked::Taken(vec![(bob.id, ReceiptId(7))])]);
    let counts = counter.stage.store.inner().outbox().unwrap();
    assert_eq!((counts.queued, counts.delivered), (0, 1));
}

#[test]
fn each_message_names_the_one_before_it_to_the_same_reader() {
    let (mut counter, mut bob) = acquainted();
    let carol = Peer::new(Profile::Compact, 3);
    counter.introduce(&carol);
    for to in [bob.id, carol.id, bob.id] {
        counter.stage.send_text(UserRef::Id(to), "hello");
    }
    assert_eq!(counter.hear_all(), [message(&bob, 1), message(&carol, 2), message(&bob, 3)]);
    let last = counter.clerk.last().clone();
    assert_eq!(bob.read(last, counter.stage.public_key()).previous(), Some(MessageId(1)));

    counter.stage = counter.stage.restart();
    counter.stage.command(Command::Connect);
    counter.open();
    counter.resume(0);
    counter.hear_all();
    counter.stage.send_text(UserRef::Id(bob.id), "again");
    assert_eq!(counter.hear_all(), [message(&bob, 4)]);
    let last = counter.clerk.last().clone();
    assert_eq!(bob.read(last, counter.stage.public_key()).previous(), Some(MessageId(3)));
}

#[test]
fn messages_wait_while_offline_and_keep_their_order_however_sealing_finishes() {
    let (mut counter, bob) = acquainted();
    counter.stage.cut(counter.conn);
    counter.stage.hold_jobs = true;
    for text in ["one", "two", "three"] {
        counter.stage.send_text(UserRef::Phone(bob.phone), text);
    }
    assert_eq!(counter.stage.waiting_jobs(), 3);
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|jobs| jobs.reverse());
    let queued = counter.stage.notices().into_iter().filter_map(|notice| {
        let Notice::Queued { id, .. } = notice else { return None };
        Some(id)
    });
    assert_eq!(queued.collect::<Vec<_>>(), ids(&[1, 2, 3]));
    counter.come_back();
    assert_eq!(counter.hear_all(), [message(&bob, 1), message(&bob, 2), message(&bob, 3)]);
}

#[test]
fn nothing_overtakes_a_message_that_a_full_mailbox_holds_back() {
    let (mut counter, bob) = acquainted();
    let carol = Peer::new(Profile::Compact, 3);
    counter.introduce(&carol);
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);
    session_error(&mut counter, ErrorCode::MailboxFull);
    counter.stage.send_text(UserRef::Id(bob.id), "two");
    counter.stage.send_text(UserRef::Id(carol.id), "three");
    assert_eq!(counter.hear_all(), [message(&carol, 3)], "others are not held back");

    counter.stage.pass(Duration::from_secs(4));
    assert_eq!(counter.hear_all(), [message(&bob, 1)], "the first goes alone");
    session_error(&mut counter, ErrorCode::MailboxFull);
    counter.stage.pass(Duration::from_secs(8));
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);
    let stored = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(1))]);
    counter.say(&stored);
    assert_eq!(counter.hear_all(), [message(&bob, 2)]);
}

/// The server can't take a message of ours now.
fn refuse(counter: &mut Counter, request: InReplyTo) {
    let (form, code) = (ErrorForm::SessionKey, ErrorCode::MailboxFull);
    let error = counter.clerk.error_to(counter.at(), form, code, request);
    counter.say(&error);
}

/// Two messages to bob are in flight. Returns what the server's errors call them.
fn two_in_flight() -> (Counter, Peer, [InReplyTo; 2]) {
    let (mut counter, bob) = acquainted();
    let requests = [1, 2].map(|id| {
        counter.stage.send_text(UserRef::Id(bob.id), "hello");
        assert_eq!(counter.hear_all(), [message(&bob, id)]);
        counter.clerk.last().request_hash().in_reply_to()
    });
    (counter, bob, requests)
}

#[test]
fn a_refused_message_waits_for_those_before_it_to_the_same_reader() {
    let (mut counter, bob, [_, second]) = two_in_flight();
    refuse(&mut counter, second);
    counter.stage.pass(Duration::from_secs(4));
    assert_eq!(counter.hear_all(), [], "the first may still be refused too");
    let stored = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(1))]);
    counter.say(&stored);
    assert_eq!(counter.hear_all(), [message(&bob, 2)]);
}

#[test]
fn a_refused_message_does_not_wait_for_those_to_others() {
    let (mut counter, bob) = acquainted();
    let carol = Peer::new(Profile::Compact, 3);
    counter.introduce(&carol);
    counter.stage.send_text(UserRef::Id(carol.id), "one");
    counter.stage.send_text(UserRef::Id(bob.id), "two");
    assert_eq!(counter.hear_all(), [message(&carol, 1), message(&bob, 2)]);
    session_error(&mut counter, ErrorCode::MailboxFull);
    counter.stage.pass(Duration::from_secs(4));
    assert_eq!(counter.hear_all(), [message(&bob, 2)]);
}

#[test]
fn refusals_in_the_wrong_order_change_nothing_in_the_order_of_messages() {
    let (mut counter, bob, [first, second]) = two_in_flight();
    refuse(&mut counter, second);
    counter.stage.pass(Duration::from_secs(4));
    refuse(&mut counter, first);
    assert_eq!(counter.hear_all(), [], "a pause first");
    counter.stage.pass(Duration::from_secs(8));
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);
    let stored = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(1))]);
    counter.say(&stored);
    assert_eq!(counter.hear_all(), [message(&bob, 2)]);
}

#[test]
fn after_a_lost_connection_a_refused_message_still_comes_second() {
    let (mut counter, bob, [_, second]) = two_in_flight();
    refuse(&mut counter, second);
    counter.stage.pass(Duration::from_secs(4));
    counter.stage.cut(counter.conn);
    counter.come_back();
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);
    let stored = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(1))]);
    counter.say(&stored);
    assert_eq!(counter.hear_all(), [message(&bob, 2)]);
}

#[test]
fn a_message_to_nobody_fails() {
    let (mut counter, bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    counter.stage.notices();
    session_error(&mut counter, ErrorCode::UnknownUser);
    let failure = Failure::UnknownUser;
    assert_eq!(counter.stage.notices(), [Notice::Failed { ids: ids(&[1]), failure }]);
    counter.stage.cut(counter.conn);
    counter.come_back();
    assert_eq!(counter.hear_all(), []);
}

#[test]
fn a_failure_that_could_not_be_recorded_is_recorded_later() {
    let (mut counter, bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    counter.stage.notices();
    counter.stage.fail_store(1, StoreError::Busy);
    session_error(&mut counter, ErrorCode::UnknownUser);
    assert_eq!(counter.stage.notices(), [Notice::StoreFailed(StoreError::Busy)]);
    counter.stage.pass(Duration::from_secs(1));
    let failure = Failure::UnknownUser;
    assert_eq!(counter.stage.notices(), [Notice::Failed { ids: ids(&[1]), failure }]);
    assert_eq!(counter.hear_all(), []);
}

#[test]
fn a_message_that_the_server_can_not_read_is_not_sent_again() {
    let (mut counter, bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    session_error(&mut counter, ErrorCode::Malformed);
    assert!(counter.stage.is_closed(counter.conn));
    let failure = Failure::Refused;
    assert!(counter.stage.notices().contains(&Notice::Failed { ids: ids(&[1]), failure }));
    counter.come_back();
    assert_eq!(counter.hear_all(), []);
}

#[test]
fn a_message_is_tried_for_thirty_days() {
    let (mut counter, bob) = acquainted();
    counter.stage.cut(counter.conn);
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.stage.jump(31 * 24 * 3_600);
    counter.stage.notices();
    counter.come_back();
    assert_eq!(counter.hear_all(), []);
    let failure = Failure::Expired;
    assert!(counter.stage.notices().contains(&Notice::Failed { ids: ids(&[1]), failure }));
}

#[test]
fn what_is_too_much_is_refused_and_given_back() {
    let limits = Limits { outbox_messages: 2, ..Limits::default() };
    let (mut counter, bob) = acquainted_with(limits);
    let tokens: Vec<_> = ["one", "two", "three"]
        .map(|text| counter.stage.send_text(UserRef::Id(bob.id), text))
        .into();
    let refused = Notice::SendRefused {
        token: tokens[2],
        refusal: Refusal::OutboxFull,
        content: Content::Text("three".into()),
    };
    assert!(counter.stage.notices().contains(&refused));
    let stored = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(1))]);
    counter.say(&stored);
    let token = counter.stage.send_text(UserRef::Id(bob.id), "three");
    assert!(counter.stage.notices().contains(&Notice::Queued { token, id: MessageId(3) }));
}

#[test]
fn what_is_being_sealed_fills_the_outbox_too() {
    let by_number = Limits { outbox_messages: 2, ..Limits::default() };
    let by_size = Limits { outbox_bytes: 6, ..Limits::default() };
    for limits in [by_number, by_size] {
        let (mut counter, bob) = acquainted_with(limits);
        counter.stage.hold_jobs = true;
        for text in ["one", "two"] {
            counter.stage.send_text(UserRef::Id(bob.id), text);
        }
        assert_eq!(counter.stage.notices(), []);
        let (refusal, content) = (Refusal::OutboxFull, Content::Text("3".into()));
        let token = counter.stage.send_text(UserRef::Id(bob.id), "3");
        assert_eq!(counter.stage.notices(), [Notice::SendRefused { token, refusal, content }]);
    }
}

#[test]
fn so_many_messages_are_sealed_at_once() {
    let (mut counter, bob) = acquainted_with(Limits { sealing: 2, ..Limits::default() });
    counter.stage.hold_jobs = true;
    for text in ["one", "two", "three"] {
        counter.stage.send_text(UserRef::Id(bob.id), text);
    }
    assert_eq!(counter.stage.waiting_jobs(), 2);
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|_| {});
    assert_eq!(counter.hear_all(), [message(&bob, 1), message(&bob, 2), message(&bob, 3)]);
}

#[test]
fn only_a_window_of_messages_is_in_flight() {
    let limits = Limits { in_flight_messages: 2, ..Limits::default() };
    let (mut counter, bob) = acquainted_with(limits);
    for text in ["one", "two", "three"] {
        counter.stage.send_text(UserRef::Id(bob.id), text);
    }
    assert_eq!(counter.hear_all(), [message(&bob, 1), message(&bob, 2)]);
    let stored = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(1))]);
    counter.say(&stored);
    assert_eq!(counter.hear_all(), [message(&bob, 3)]);
}

#[test]
fn nothing_is_sent_to_a_connection_that_is_congested() {
    let (mut counter, bob) = acquainted();
    counter.stage.event(Event::Congested { conn: counter.conn });
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    assert_eq!(counter.hear_all(), []);
    counter.stage.event(Event::Writable { conn: counter.conn });
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);
}

#[test]
fn what_the_store_can_not_keep_is_refused_and_its_numbers_are_given_again() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    counter.stage.hold_store = true;
    let lost =
        ["two", "three"].map(|text| (counter.stage.send_text(UserRef::Id(bob.id), text), text));
    counter.stage.fail_store(1, StoreError::DiskFull);
    counter.stage.notices();
    counter.stage.release_store();
    let refused = lost.map(|(token, text)| Notice::SendRefused {
        token,
        refusal: Refusal::StoreFailed,
        content: Content::Text(text.into()),
    });
    let notices = counter.stage.notices();
    assert_eq!(notices[0], Notice::StoreFailed(StoreError::DiskFull));
    assert_eq!(notices[1..], refused);

    counter.stage.hold_store = false;
    counter.stage.send_text(UserRef::Id(bob.id), "four");
    assert_eq!(counter.hear_all(), [message(&bob, 2)]);
    let last = counter.clerk.last().clone();
    assert_eq!(bob.read(last, counter.stage.public_key()).previous(), Some(MessageId(1)));
}

#[test]
fn what_is_sealed_too_late_is_not_sent_under_a_number_given_again() {
    let (mut counter, mut bob) = acquainted();
    (counter.stage.hold_store, counter.stage.hold_jobs) = (true, true);
    for text in ["one", "two"] {
        counter.stage.send_text(UserRef::Id(bob.id), text);
    }
    let mut late = None;
    counter.stage.release_jobs(|jobs| late = jobs.pop());
    counter.stage.fail_store(1, StoreError::DiskFull);
    counter.stage.release_store();
    counter.stage.hold_store = false;
    for text in ["three", "four"] {
        counter.stage.send_text(UserRef::Id(bob.id), text);
    }
    counter.stage.release_jobs(|jobs| jobs.extend(late));
    assert_eq!(counter.hear_all(), [message(&bob, 1), message(&bob, 2)]);
    let last = counter.clerk.last().clone();
    assert_eq!(bob.read(last, counter.stage.public_key()).content(), b"four");
}

#[test]
fn a_busy_store_is_asked_again() {
    let (mut counter, bob) = acquainted();
    counter.stage.fail_store(1, StoreError::Busy);
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    assert_eq!(counter.hear_all(), []);
    counter.stage.pass(Duration::from_secs(1));
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);
}

#[test]
fn nobody_sends_without_an_account_nor_more_than_fits() {
    let mut counter = Counter::new();
    let token = counter.stage.send_text(UserRef::Id(me()), "hello");
    let (refusal, content) = (Refusal::NotRegistered, Content::Text("hello".into()));
    assert_eq!(counter.stage.notices(), [Notice::SendRefused { token, refusal, content }]);

    let (mut counter, bob) = acquainted();
    let (token, to, content) = (Token(9), UserRef::Id(bob.id), Content::Bytes(vec![0; 65_236]));
    counter.stage.command(Command::Send { token, to, content: content.clone() });
    let refusal = Refusal::TooLong;
    assert_eq!(counter.stage.notices(), [Notice::SendRefused { token, refusal, content }]);
    let (token, content) = (Token(10), Content::Bytes(vec![7; 65_235]));
    counter.stage.command(Command::Send { token, to, content });
    assert_eq!(counter.hear_all(), [message(&bob, 1)], "the largest fits");
}

#[test]
fn a_stop_waits_for_what_is_being_sealed() {
    let (mut counter, bob) = acquainted();
    counter.stage.cut(counter.conn);
    counter.stage.hold_jobs = true;
    let token = counter.stage.send_text(UserRef::Id(bob.id), "hello");
    counter.stage.notices();
    counter.stage.event(Event::Shutdown);
    assert!(!counter.stage.notices().contains(&Notice::Stopped));
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|_| ());
    let queued = Notice::Queued { token, id: MessageId(1) };
    assert_eq!(counter.stage.notices(), [queued, Notice::Stopped]);
}

#[test]
fn what_is_being_sealed_outlives_the_connection() {
    let (mut counter, bob) = acquainted();
    counter.stage.hold_jobs = true;
    let token = counter.stage.send_text(UserRef::Id(bob.id), "hello");
    counter.stage.cut(counter.conn);
    let notices = counter.stage.notices();
    let lost = |notice: &Notice| {
        matches!(notice, Notice::Offline { reason: OfflineReason::Lost, retry_in: Some(_) })
    };
    assert!(notices.len() == 1 && lost(&notices[0]), "{notices:?}");
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|_| ());
    assert_eq!(counter.stage.notices(), [Notice::Queued { token, id: MessageId(1) }]);
    counter.come_back();
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);
}

#[test]
fn a_message_from_the_servers_future_waits_for_its_time() {
    let (mut counter, bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "hello");
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);
    counter.stage.notices();
    let behind = counter.at().plus_secs(-400);
    let skew = counter.clerk.error(behind, ErrorForm::SessionKey, ErrorCode::ClockSkew);
    counter.say(&skew);
    assert_eq!(counter.stage.notices(), [Notice::ClockOffset { secs: -400 }]);
    counter.stage.pass(Duration::from_secs(399));
    assert_eq!(counter.hear_all(), []);
    counter.stage.pass(Duration::from_secs(1));
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);
}
