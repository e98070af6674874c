//! The client machine: messages from the application's command to the server (PROTOCOL 6.2).

use std::time::Duration;

use sealpost_core::client::store::Failure;
use sealpost_core::client::{Command, Limits, Notice};
use sealpost_core::frame::Event;
use sealpost_core::ids::{MessageId, ReceiptId, UserRef};
use sealpost_core::wire::Profile;
use sealpost_storage::client::ClientStorage;
use sealpost_tests::client_fixture::{
    client_knowing_bob, client_knowing_bob_with, ids, me, message,
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
