//! The client machine: messages from peers, until they are delivered (PROTOCOL 5.3).

use std::time::Duration;

use sealpost_core::client::store::{Content, ReceivedContent, Trust};
use sealpost_core::client::{Command, Continuity, Limits, Notice, OfflineReason, Suspicion};
use sealpost_core::event::EncodedEvent;
use sealpost_core::frame::{Event, StoreError};
use sealpost_core::ids::{MessageId, UserRef};
use sealpost_core::wire::{ContentKind, ErrorCode, ErrorForm, Profile};
use sealpost_tests::client_fixture::{
    ClientFixture, bob, client_knowing_bob, client_knowing_bob_with, me, receipt, receive_message,
    session_error, texts,
};
use sealpost_tests::content::text_of;
use sealpost_tests::scripted_peer::ScriptedPeer;
use sealpost_tests::scripted_server::Request;

#[test]
fn a_message_of_a_stranger_is_delivered_once_its_sender_was_looked_up() {
    let mut fixture = ClientFixture::online(Limits::default());
    let mut bob = bob();
    receive_message(&mut fixture, &mut bob, (1, 0), "hello");
    assert_eq!(fixture.bed.take_delivered(), []);
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Id(bob.id))]);
    let answer = fixture.server.public_key_of(fixture.now(), &bob);
    fixture.bed.hold_store = true;
    fixture.send(&answer);
    assert_eq!((fixture.receive_all(), fixture.bed.take_delivered()), (vec![], vec![]));
    fixture.bed.hold_store = false;
    fixture.bed.release_store();
    assert_eq!(
        fixture.receive_all(),
        [receipt(&bob, 1, &[1])],
        "only what is durable is signed for"
    );
    let delivered = fixture.bed.take_delivered();
    assert_eq!(texts(&delivered), ["hello"]);
    assert_eq!(delivered[0].message.phone, bob.phone);
    assert_eq!(delivered[0].message.trust, Trust::FirstUse);
    assert_eq!(delivered[0].continuity, Continuity::Next);
}

#[test]
fn what_was_left_out_is_noticed() {
    let (mut fixture, mut bob) = client_knowing_bob();
    receive_message(&mut fixture, &mut bob, (1, 0), "one");
    receive_message(&mut fixture, &mut bob, (3, 2), "three");
    receive_message(&mut fixture, &mut bob, (4, 3), "four");
    let continuity: Vec<_> =
        fixture.bed.take_delivered().iter().map(|item| item.continuity).collect();
    assert_eq!(continuity, [Continuity::Next, Continuity::AfterGap, Continuity::Next]);
}

#[test]
fn messages_are_delivered_in_order_however_their_verification_finishes() {
    let (mut fixture, mut bob) = client_knowing_bob();
    fixture.bed.hold_jobs = true;
    for (numbers, text) in [((1, 0), "one"), ((2, 1), "two"), ((3, 2), "three")] {
        receive_message(&mut fixture, &mut bob, numbers, text);
    }
    fixture.bed.hold_jobs = false;
    fixture.bed.release_jobs(|jobs| jobs.reverse());
    let delivered = fixture.bed.take_delivered();
    assert_eq!(texts(&delivered), ["one", "two", "three"]);
    assert!(delivered.iter().all(|item| item.continuity == Continuity::Next));
}

#[test]
fn an_undecryptable_message_is_shown_as_such_and_acknowledged() {
    let (mut fixture, mut bob) = client_knowing_bob();
    let carol = ScriptedPeer::new(Profile::Compact, 3);
    // Sealed for carol, so the client cannot open it.
    let packet = bob.message(fixture.now(), (me(), carol.public_key()), (1, 0), "hello");
    fixture.send(&packet);
    assert_eq!(texts(&fixture.bed.take_delivered()), ["(undecryptable)"]);
    assert_eq!(fixture.receive_all(), [receipt(&bob, 1, &[1])]);
}

#[test]
fn an_event_is_delivered_as_it_came_and_what_is_none_does_not_open() {
    let (mut fixture, mut bob) = client_knowing_bob();
    let key = fixture.bed.public_key().clone();
    // A text, of which a later version can read more, and what has its text twice.
    let grown = [&[0xa4, 0, 1, 1, 0x50][..], &[7; 16], &[8, 0x62, b'h', b'i', 23, 0xf5]].concat();
    let twice = [&[0xa4, 0, 1, 1, 0x50][..], &[7; 16], &[8, 0x60, 8, 0x60]].concat();
    for (id, content) in [(1, &grown), (2, &twice)] {
        let numbers = (id, id - 1);
        let event = (ContentKind::Event, &content[..]);
        let packet = bob.message_of(fixture.now(), (me(), &key), numbers, event);
        fixture.send(&packet);
    }
    let delivered = fixture.bed.take_delivered();
    let contents: Vec<_> = delivered.into_iter().map(|item| item.message.content).collect();
    let grown = EncodedEvent::parse(grown.into()).unwrap();
    assert_eq!(text_of(&Content::Event(grown.clone())), Some("hi"));
    let opened = ReceivedContent::Opened(Content::Event(grown));
    assert_eq!(contents, [opened, ReceivedContent::Undecryptable]);
    assert_eq!(fixture.receive_all(), [receipt(&bob, 1, &[1]), receipt(&bob, 2, &[2])]);
}

#[test]
fn a_forged_message_is_neither_delivered_nor_acknowledged_and_asked_for_once_more() {
    let (mut fixture, mut bob) = client_knowing_bob();
    let key = fixture.bed.public_key().clone();
    let packet = bob.message(fixture.now(), (me(), &key), (1, 0), "hello");
    let mut bytes = packet.bytes().to_vec();
    bytes[300] ^= 1;
    for again in [false, true] {
        fixture.bed.input_bytes(fixture.conn, &bytes);
        assert_eq!(
            fixture.receive_all(),
            [Request::Lookup(UserRef::Id(bob.id))],
            "is it another key?"
        );
        let answer = fixture.server.public_key_of(fixture.now(), &bob);
        fixture.send(&answer);
        let forged = Suspicion::ForgedMessage { sender: bob.id, id: MessageId(1) };
        assert_eq!(
            fixture.bed.take_notices().first(),
            Some(&Notice::Suspicious { suspicion: forged })
        );
        assert_eq!((fixture.receive_all(), fixture.bed.take_delivered()), (vec![], vec![]));
        assert_eq!(
            fixture.bed.is_closed(fixture.conn),
            !again,
            "the client leaves after the second time"
        );
        if !again {
            fixture.reconnect();
            fixture.receive_all();
            fixture.bed.take_notices();
        }
    }
    fixture.send(&packet);
    assert_eq!(texts(&fixture.bed.take_delivered()), ["hello"], "the right one still works");
}

#[test]
fn a_message_from_an_unknown_user_is_neither_delivered_nor_acknowledged() {
    let mut fixture = ClientFixture::online(Limits::default());
    let mut bob = bob();
    receive_message(&mut fixture, &mut bob, (1, 0), "hello");
    fixture.receive_all();
    session_error(&mut fixture, ErrorCode::UnknownUser);
    let unknown = Suspicion::UnknownSender { sender: bob.id, id: MessageId(1) };
    assert_eq!(
        fixture.bed.take_notices().first(),
        Some(&Notice::Suspicious { suspicion: unknown })
    );
    assert_eq!((fixture.receive_all(), fixture.bed.take_delivered()), (vec![], vec![]));
}

#[test]
fn a_message_that_can_not_be_stored_is_not_acknowledged_and_comes_again() {
    let (mut fixture, mut bob) = client_knowing_bob();
    fixture.bed.fail_store(1, StoreError::DiskFull);
    let packet = receive_message(&mut fixture, &mut bob, (1, 0), "hello");
    assert!(fixture.bed.is_closed(fixture.conn));
    assert_eq!((fixture.receive_all(), fixture.bed.take_delivered()), (vec![], vec![]));
    fixture.reconnect();
    fixture.send(&packet);
    assert_eq!(texts(&fixture.bed.take_delivered()), ["hello"]);
}

#[test]
fn what_arrived_behind_a_message_that_can_not_be_stored_is_not_stored_either() {
    let (mut fixture, mut bob) = client_knowing_bob();
    fixture.bed.hold_store = true;
    fixture.bed.fail_store(1, StoreError::DiskFull);
    let packets = [(1, "one"), (2, "two")]
        .map(|(id, text)| receive_message(&mut fixture, &mut bob, (id, id - 1), text));
    fixture.bed.hold_store = false;
    fixture.bed.release_store();
    assert!(fixture.bed.is_closed(fixture.conn));
    assert_eq!(fixture.bed.take_delivered(), []);
    fixture.reconnect();
    for packet in &packets {
        fixture.send(packet);
    }
    assert_eq!(texts(&fixture.bed.take_delivered()), ["one", "two"]);
}

#[test]
fn packets_right_behind_the_206_belong_to_the_session() {
    let (mut fixture, mut bob) = client_knowing_bob();
    fixture.bed.cut(fixture.conn);
    fixture.redial();
    fixture.receive();
    fixture.bed.hold_jobs = true;
    let resumed = fixture.server.session_resumed(fixture.now(), 1);
    fixture.send(&resumed);
    receive_message(&mut fixture, &mut bob, (1, 0), "hello");
    fixture.bed.hold_jobs = false;
    fixture.bed.release_jobs(|_| ());
    assert_eq!(texts(&fixture.bed.take_delivered()), ["hello"]);
}

#[test]
fn messages_not_marked_as_shown_are_delivered_again_at_the_next_start() {
    let (mut fixture, mut bob) = client_knowing_bob();
    for (numbers, text) in [((1, 0), "one"), ((2, 1), "two"), ((3, 2), "three")] {
        receive_message(&mut fixture, &mut bob, numbers, text);
    }
    let first = fixture.bed.take_delivered()[0].place;
    fixture.bed.command(Command::MarkShown { up_to: first });
    fixture.bed = fixture.bed.restart();
    fixture.bed.input_event(Event::Tick);
    assert_eq!(texts(&fixture.bed.take_delivered()), ["two", "three"]);
    fixture.bed.input_event(Event::Tick);
    assert_eq!(fixture.bed.take_delivered(), []);
}

#[test]
fn a_long_backlog_comes_in_pages_and_in_order_with_what_arrives_meanwhile() {
    let limits = Limits { unshown_page: 2, ..Limits::default() };
    let (mut fixture, mut bob) = client_knowing_bob_with(limits);
    for id in 1..=5 {
        receive_message(&mut fixture, &mut bob, (id, id - 1), &id.to_string());
    }
    fixture.bed = fixture.bed.restart();
    fixture.bed.hold_store = true;
    fixture.bed.command(Command::Connect);
    fixture.connect();
    fixture.bed.release_store();
    fixture.grant_session(1);
    receive_message(&mut fixture, &mut bob, (6, 5), "6");
    for _ in 0..6 {
        fixture.bed.release_store();
    }
    assert_eq!(texts(&fixture.bed.take_delivered()), ["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn a_page_that_could_not_be_read_is_asked_for_again() {
    let (mut fixture, mut bob) = client_knowing_bob();
    receive_message(&mut fixture, &mut bob, (1, 0), "hello");
    fixture.bed.take_delivered();
    fixture.bed = fixture.bed.restart();
    fixture.bed.fail_store(1, StoreError::Busy);
    fixture.bed.input_event(Event::Tick);
    assert_eq!(fixture.bed.take_delivered(), []);
    fixture.bed.advance(Duration::from_secs(1));
    assert_eq!(texts(&fixture.bed.take_delivered()), ["hello"]);
}

#[test]
fn reading_pauses_while_too_much_is_in_progress() {
    let limits = Limits { arriving: 4, ..Limits::default() };
    let (mut fixture, mut bob) = client_knowing_bob_with(limits);
    fixture.bed.hold_jobs = true;
    for id in 1..=6 {
        receive_message(&mut fixture, &mut bob, (id, id - 1), &id.to_string());
    }
    assert!(fixture.bed.is_paused(fixture.conn));
    assert_eq!(fixture.bed.waiting_jobs(), 4);
    fixture.bed.hold_jobs = false;
    fixture.bed.release_jobs(|_| {});
    assert!(!fixture.bed.is_paused(fixture.conn));
    assert_eq!(texts(&fixture.bed.take_delivered()), ["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn reading_goes_on_when_half_of_it_is_done() {
    let limits = Limits { arriving: 4, receive_batch: 1, ..Limits::default() };
    let (mut fixture, mut bob) = client_knowing_bob_with(limits);
    fixture.bed.hold_store = true;
    for id in 1..=5 {
        receive_message(&mut fixture, &mut bob, (id, id - 1), "hello");
    }
    let mut paused = Vec::new();
    for _ in 0..4 {
        paused.push(fixture.bed.is_paused(fixture.conn));
        fixture.bed.release_store();
    }
    assert_eq!(paused, [true, true, true, false], "with 5, 4, 3 and 2 under way");
}

#[test]
fn a_disconnect_by_the_server_is_not_answered() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.hold_jobs = true;
    let farewell = fixture.server.disconnect(fixture.now());
    fixture.send(&farewell);
    fixture.bed.command(Command::Disconnect);
    assert_eq!(fixture.bed.waiting_jobs(), 1, "no 222 is made");
    fixture.bed.hold_jobs = false;
    fixture.bed.release_jobs(|_| ());
    assert_eq!(fixture.receive_all(), []);
    let reason = OfflineReason::Requested;
    assert_eq!(fixture.bed.take_notices(), [Notice::Offline { reason, retry_in: None }]);
}

#[test]
fn packets_that_have_arrived_are_handled_before_disconnecting() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.hold_jobs = true;
    let stored = fixture.server.stored(fixture.now(), &[]);
    fixture.send(&stored);
    fixture.bed.command(Command::Disconnect);
    assert_eq!(fixture.bed.waiting_jobs(), 1, "the 222 is not made yet");
    fixture.bed.hold_jobs = false;
    fixture.bed.release_jobs(|_| ());
    assert_eq!(fixture.receive_all(), [Request::Disconnect]);
}

#[test]
fn the_end_of_the_backlog_is_reported() {
    let mut fixture = ClientFixture::online(Limits::default());
    let no_more = fixture.server.no_more_messages(fixture.now(), 12);
    fixture.send(&no_more);
    assert_eq!(fixture.bed.take_notices(), [Notice::CaughtUp { drained: 12 }]);
}

#[test]
fn a_session_error_that_is_not_in_the_sessions_form_ends_the_connection() {
    let (mut fixture, _) = client_knowing_bob();
    let clear = fixture.server.error(fixture.now(), ErrorForm::Clear, ErrorCode::Displaced);
    fixture.send(&clear);
    let notices = fixture.bed.take_notices();
    let Some(Notice::Offline { reason: OfflineReason::Fault, retry_in: Some(_) }) = notices.last()
    else {
        panic!("an old clear error must not keep us away: {notices:?}");
    };
}

#[test]
fn a_server_that_sends_far_more_than_can_wait_is_left() {
    let limits = Limits { waiting: 3, ..Limits::default() };
    let mut fixture = ClientFixture::online(limits);
    let mut bob = bob();
    for id in 1..=4 {
        assert!(!fixture.bed.is_closed(fixture.conn));
        receive_message(&mut fixture, &mut bob, (id, id - 1), "hello");
    }
    assert!(fixture.bed.is_closed(fixture.conn));
}
