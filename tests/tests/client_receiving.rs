//! The client machine: what comes from peers, until it is delivered (PROTOCOL 5.3).

use std::time::Duration;

use sealpost_core::client::store::Trust;
use sealpost_core::client::{Command, Continuity, Limits, Notice, OfflineReason, Suspicion};
use sealpost_core::frame::{Event, StoreError};
use sealpost_core::ids::{MessageId, UserRef};
use sealpost_core::wire::{ErrorCode, ErrorForm, Profile};
use sealpost_tests::acquaintance::{
    acquainted, acquainted_with, arrive, bob, me, receipt, session_error, texts,
};
use sealpost_tests::clerk::{Asked, Counter, Peer};

#[test]
fn a_message_of_a_stranger_is_delivered_once_its_sender_was_looked_up() {
    let mut counter = Counter::online(Limits::default());
    let mut bob = bob();
    arrive(&mut counter, &mut bob, (1, 0), "hello");
    assert_eq!(counter.stage.delivered(), []);
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Id(bob.id))]);
    let answer = counter.clerk.key_of(counter.at(), &bob);
    counter.stage.hold_store = true;
    counter.say(&answer);
    assert_eq!((counter.hear_all(), counter.stage.delivered()), (vec![], vec![]));
    counter.stage.hold_store = false;
    counter.stage.release_store();
    assert_eq!(counter.hear_all(), [receipt(&bob, 1, &[1])], "only what is durable is signed for");
    let delivered = counter.stage.delivered();
    assert_eq!(texts(&delivered), ["hello"]);
    assert_eq!(delivered[0].message.phone, bob.phone);
    assert_eq!(delivered[0].message.trust, Trust::FirstUse);
    assert_eq!(delivered[0].continuity, Continuity::Next);
}

#[test]
fn what_was_left_out_is_noticed() {
    let (mut counter, mut bob) = acquainted();
    arrive(&mut counter, &mut bob, (1, 0), "one");
    arrive(&mut counter, &mut bob, (3, 2), "three");
    arrive(&mut counter, &mut bob, (4, 3), "four");
    let continuity: Vec<_> = counter.stage.delivered().iter().map(|item| item.continuity).collect();
    assert_eq!(continuity, [Continuity::Next, Continuity::AfterGap, Continuity::Next]);
}

#[test]
fn messages_are_delivered_in_order_however_their_verification_finishes() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.hold_jobs = true;
    for (numbers, text) in [((1, 0), "one"), ((2, 1), "two"), ((3, 2), "three")] {
        arrive(&mut counter, &mut bob, numbers, text);
    }
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|jobs| jobs.reverse());
    let delivered = counter.stage.delivered();
    assert_eq!(texts(&delivered), ["one", "two", "three"]);
    assert!(delivered.iter().all(|item| item.continuity == Continuity::Next));
}

#[test]
fn what_does_not_open_is_shown_as_such_and_gets_the_same_receipt() {
    let (mut counter, mut bob) = acquainted();
    let carol = Peer::new(Profile::Compact, 3);
    // Sealed for carol, and so of no use to us.
    let packet = bob.message(counter.at(), (me(), carol.public_key()), (1, 0), "hello");
    counter.say(&packet);
    assert_eq!(texts(&counter.stage.delivered()), ["(undecryptable)"]);
    assert_eq!(counter.hear_all(), [receipt(&bob, 1, &[1])]);
}

#[test]
fn a_forged_message_is_neither_delivered_nor_acknowledged_and_asked_for_once_more() {
    let (mut counter, mut bob) = acquainted();
    let key = counter.stage.public_key().clone();
    let packet = bob.message(counter.at(), (me(), &key), (1, 0), "hello");
    let mut bytes = packet.bytes().to_vec();
    bytes[300] ^= 1;
    for again in [false, true] {
        counter.stage.bytes(counter.conn, &bytes);
        assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Id(bob.id))], "is it another key?");
        let answer = counter.clerk.key_of(counter.at(), &bob);
        counter.say(&answer);
        let forged = Suspicion::ForgedMessage { sender: bob.id, id: MessageId(1) };
        assert_eq!(counter.stage.notices().first(), Some(&Notice::Suspicious(forged)));
        assert_eq!((counter.hear_all(), counter.stage.delivered()), (vec![], vec![]));
        assert_eq!(counter.stage.is_closed(counter.conn), !again, "the second time it is left");
        if !again {
            counter.come_back();
            counter.hear_all();
            counter.stage.notices();
        }
    }
    counter.say(&packet);
    assert_eq!(texts(&counter.stage.delivered()), ["hello"], "the true one is still welcome");
}

#[test]
fn a_message_from_nobody_is_neither_delivered_nor_acknowledged() {
    let mut counter = Counter::online(Limits::default());
    let mut bob = bob();
    arrive(&mut counter, &mut bob, (1, 0), "hello");
    counter.hear_all();
    session_error(&mut counter, ErrorCode::UnknownUser);
    let unknown = Suspicion::UnknownSender { sender: bob.id, id: MessageId(1) };
    assert_eq!(counter.stage.notices().first(), Some(&Notice::Suspicious(unknown)));
    assert_eq!((counter.hear_all(), counter.stage.delivered()), (vec![], vec![]));
}

#[test]
fn a_message_that_can_not_be_stored_is_not_acknowledged_and_comes_again() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.fail_store(1, StoreError::DiskFull);
    let packet = arrive(&mut counter, &mut bob, (1, 0), "hello");
    assert!(counter.stage.is_closed(counter.conn));
    assert_eq!((counter.hear_all(), counter.stage.delivered()), (vec![], vec![]));
    counter.come_back();
    counter.say(&packet);
    assert_eq!(texts(&counter.stage.delivered()), ["hello"]);
}

#[test]
fn what_comes_right_behind_the_206_is_taken_in_the_session() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.cut(counter.conn);
    counter.redial();
    counter.hear();
    counter.stage.hold_jobs = true;
    let resumed = counter.clerk.session_resumed(counter.at(), 1);
    counter.say(&resumed);
    arrive(&mut counter, &mut bob, (1, 0), "hello");
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|_| ());
    assert_eq!(texts(&counter.stage.delivered()), ["hello"]);
}

#[test]
fn what_the_application_has_not_taken_over_is_delivered_again_at_the_next_start() {
    let (mut counter, mut bob) = acquainted();
    for (numbers, text) in [((1, 0), "one"), ((2, 1), "two"), ((3, 2), "three")] {
        arrive(&mut counter, &mut bob, numbers, text);
    }
    let first = counter.stage.delivered()[0].place;
    counter.stage.command(Command::MarkShown { up_to: first });
    counter.stage = counter.stage.restart();
    counter.stage.event(Event::Tick);
    assert_eq!(texts(&counter.stage.delivered()), ["two", "three"]);
    counter.stage.event(Event::Tick);
    assert_eq!(counter.stage.delivered(), []);
}

#[test]
fn a_long_backlog_comes_in_pages_and_in_order_with_what_arrives_meanwhile() {
    let limits = Limits { unshown_page: 2, ..Limits::default() };
    let (mut counter, mut bob) = acquainted_with(limits);
    for id in 1..=5 {
        arrive(&mut counter, &mut bob, (id, id - 1), &id.to_string());
    }
    counter.stage = counter.stage.restart();
    counter.stage.hold_store = true;
    counter.stage.command(Command::Connect);
    counter.open();
    counter.stage.release_store();
    counter.resume(1);
    arrive(&mut counter, &mut bob, (6, 5), "6");
    for _ in 0..6 {
        counter.stage.release_store();
    }
    assert_eq!(texts(&counter.stage.delivered()), ["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn a_page_that_could_not_be_read_is_asked_for_again() {
    let (mut counter, mut bob) = acquainted();
    arrive(&mut counter, &mut bob, (1, 0), "hello");
    counter.stage.delivered();
    counter.stage = counter.stage.restart();
    counter.stage.fail_store(1, StoreError::Busy);
    counter.stage.event(Event::Tick);
    assert_eq!(counter.stage.delivered(), []);
    counter.stage.pass(Duration::from_secs(1));
    assert_eq!(texts(&counter.stage.delivered()), ["hello"]);
}

#[test]
fn reading_pauses_while_too_much_is_under_way() {
    let limits = Limits { arriving: 4, ..Limits::default() };
    let (mut counter, mut bob) = acquainted_with(limits);
    counter.stage.hold_jobs = true;
    for id in 1..=6 {
        arrive(&mut counter, &mut bob, (id, id - 1), &id.to_string());
    }
    assert!(counter.stage.is_paused(counter.conn));
    assert_eq!(counter.stage.waiting_jobs(), 4);
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|_| {});
    assert!(!counter.stage.is_paused(counter.conn));
    assert_eq!(texts(&counter.stage.delivered()), ["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn reading_goes_on_when_half_of_it_is_done() {
    let limits = Limits { arriving: 4, receive_batch: 1, ..Limits::default() };
    let (mut counter, mut bob) = acquainted_with(limits);
    counter.stage.hold_store = true;
    for id in 1..=5 {
        arrive(&mut counter, &mut bob, (id, id - 1), "hello");
    }
    let mut paused = Vec::new();
    for _ in 0..4 {
        paused.push(counter.stage.is_paused(counter.conn));
        counter.stage.release_store();
    }
    assert_eq!(paused, [true, true, true, false], "with 5, 4, 3 and 2 under way");
}

#[test]
fn a_server_that_takes_leave_first_is_not_answered() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.hold_jobs = true;
    let goodbye = counter.clerk.goodbye(counter.at());
    counter.say(&goodbye);
    counter.stage.command(Command::Disconnect);
    assert_eq!(counter.stage.waiting_jobs(), 1, "no 222 is made");
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|_| ());
    assert_eq!(counter.hear_all(), []);
    let reason = OfflineReason::Wished;
    assert_eq!(counter.stage.notices(), [Notice::Offline { reason, retry_in: None }]);
}

#[test]
fn before_leaving_what_has_arrived_is_read() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.hold_jobs = true;
    let stored = counter.clerk.stored(counter.at(), &[]);
    counter.say(&stored);
    counter.stage.command(Command::Disconnect);
    assert_eq!(counter.stage.waiting_jobs(), 1, "the 222 is not made yet");
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|_| ());
    assert_eq!(counter.hear_all(), [Asked::Disconnect]);
}

#[test]
fn caught_up_is_told() {
    let mut counter = Counter::online(Limits::default());
    let no_more = counter.clerk.no_more(counter.at(), 12);
    counter.say(&no_more);
    assert_eq!(counter.stage.notices(), [Notice::CaughtUp { drained: 12 }]);
}

#[test]
fn a_session_error_that_is_not_in_the_sessions_form_ends_the_connection() {
    let (mut counter, _) = acquainted();
    let clear = counter.clerk.error(counter.at(), ErrorForm::Clear, ErrorCode::Displaced);
    counter.say(&clear);
    let notices = counter.stage.notices();
    let Some(Notice::Offline { reason: OfflineReason::Fault, retry_in: Some(_) }) = notices.last()
    else {
        panic!("an old clear error must not keep us away: {notices:?}");
    };
}

#[test]
fn a_server_that_sends_far_more_than_can_wait_is_left() {
    let limits = Limits { waiting: 3, ..Limits::default() };
    let mut counter = Counter::online(limits);
    let mut bob = bob();
    for id in 1..=4 {
        assert!(!counter.stage.is_closed(counter.conn));
        arrive(&mut counter, &mut bob, (id, id - 1), "hello");
    }
    assert!(counter.stage.is_closed(counter.conn));
}
