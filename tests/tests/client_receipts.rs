//! The client machine: acknowledgements and receipts, both ways (PROTOCOL 6.1).

use std::time::Duration;

use sealpost_core::client::store::ClientOp;
use sealpost_core::client::{Arrival, Command, Continuity, Notice, Suspicion};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::{MessageId, ReceiptId, UserRef};
use sealpost_core::wire::Profile;
use sealpost_storage::client::ClientStorage;
use sealpost_tests::client_fixture::{
    client_knowing_bob, ids, me, receipt, receive_message, texts,
};
use sealpost_tests::scripted_peer::ScriptedPeer;
use sealpost_tests::scripted_server::Request;

#[test]
fn unacknowledged_messages_are_repeated_byte_for_byte() {
    let (mut fixture, bob) = client_knowing_bob();
    for text in ["one", "two", "three"] {
        fixture.bed.send_text(UserRef::Id(bob.id), text);
    }
    let first: Vec<_> = std::iter::from_fn(|| fixture.bed.next_sent()).map(|(_, p)| p).collect();
    assert_eq!(first.len(), 3);
    let stored = fixture.server.stored(fixture.now(), &[(bob.id, MessageId(2))]);
    fixture.send(&stored);

    fixture.bed.cut(fixture.conn);
    fixture.reconnect();
    let again: Vec<_> = std::iter::from_fn(|| fixture.bed.next_sent()).map(|(_, p)| p).collect();
    assert_eq!(again, [first[0].clone(), first[2].clone()]);

    fixture.bed = fixture.bed.restart();
    fixture.bed.command(Command::Connect);
    fixture.connect();
    fixture.grant_session(0);
    let again: Vec<_> = std::iter::from_fn(|| fixture.bed.next_sent()).map(|(_, p)| p).collect();
    assert_eq!(again, [first[0].clone(), first[2].clone()]);
}

#[test]
fn a_server_that_acknowledges_nothing_is_left_after_a_minute() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    fixture.bed.advance(Duration::from_secs(59));
    assert!(!fixture.bed.is_closed(fixture.conn));
    fixture.bed.advance(Duration::from_secs(1));
    assert!(fixture.bed.is_closed(fixture.conn));
}

#[test]
fn a_server_that_acknowledges_is_not_left() {
    let (mut fixture, bob) = client_knowing_bob();
    for text in ["one", "two"] {
        fixture.bed.send_text(UserRef::Id(bob.id), text);
    }
    for id in 1..=2 {
        fixture.bed.advance(Duration::from_secs(45));
        assert!(!fixture.bed.is_closed(fixture.conn));
        let stored = fixture.server.stored(fixture.now(), &[(bob.id, MessageId(id))]);
        fixture.send(&stored);
    }
    fixture.bed.advance(Duration::from_mins(5));
    assert!(!fixture.bed.is_closed(fixture.conn), "nothing more is awaited");
}

#[test]
fn a_message_after_a_silence_has_its_full_minute() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    let stored = fixture.server.stored(fixture.now(), &[(bob.id, MessageId(1))]);
    fixture.bed.advance(Duration::from_secs(1));
    fixture.send(&stored);
    fixture.bed.advance(Duration::from_secs(50));
    fixture.bed.send_text(UserRef::Id(bob.id), "two");
    fixture.bed.advance(Duration::from_secs(59));
    assert!(!fixture.bed.is_closed(fixture.conn));
    fixture.bed.advance(Duration::from_secs(1));
    assert!(fixture.bed.is_closed(fixture.conn));
}

#[test]
fn a_repeat_is_acknowledged_again_and_not_delivered_again() {
    let (mut fixture, mut bob) = client_knowing_bob();
    let packet = receive_message(&mut fixture, &mut bob, (1, 0), "hello");
    assert_eq!(fixture.receive_all(), [receipt(&bob, 1, &[1])]);
    fixture.send(&packet);
    assert_eq!(fixture.receive_all(), [receipt(&bob, 2, &[1])]);
    fixture.bed = fixture.bed.restart();
    fixture.bed.command(Command::Connect);
    fixture.connect();
    fixture.grant_session(1);
    fixture.bed.take_delivered();
    fixture.send(&packet);
    assert_eq!(fixture.bed.take_delivered(), []);
    let Some(Request::Receipt(_, again)) = fixture.receive() else { panic!() };
    assert!(again.receipt_id > ReceiptId(2), "numbers are not used again after a crash");
}

/// Whoever is on the wire holds a message back until an id of 1,024 and more has passed.
#[test]
fn a_message_held_back_by_thousands_of_ids_is_shown_before_it_is_signed_for() {
    let (mut fixture, mut bob) = client_knowing_bob();
    let key = fixture.bed.public_key().clone();
    let held_back = bob.message(fixture.now(), (me(), &key), (2, 1), "held back");
    receive_message(&mut fixture, &mut bob, (1, 0), "one");
    receive_message(&mut fixture, &mut bob, (5_000, 2), "later");
    fixture.receive_all();
    fixture.bed.take_delivered();

    fixture.bed.hold_store = true;
    fixture.send(&held_back);
    assert_eq!(fixture.receive_all(), [], "nothing is signed for that the history does not hold");
    fixture.bed.hold_store = false;
    fixture.bed.release_store();
    let delivered = fixture.bed.take_delivered();
    assert_eq!(texts(&delivered), ["held back"]);
    assert_eq!(
        (delivered[0].arrival, delivered[0].continuity),
        (Arrival::FillsGap, Continuity::Next)
    );
    assert_eq!(fixture.receive_all(), [receipt(&bob, 3, &[2])]);

    fixture.send(&held_back);
    assert_eq!(fixture.bed.take_delivered(), []);
    assert_eq!(fixture.receive_all(), [receipt(&bob, 4, &[2])], "now it is a repeat");
}

/// A sender who was restored from a backup uses ids again.
#[test]
fn a_known_id_with_another_packet_is_delivered_with_a_mark_and_acknowledged() {
    let (mut fixture, mut bob) = client_knowing_bob();
    let first = receive_message(&mut fixture, &mut bob, (1, 0), "before the backup");
    receive_message(&mut fixture, &mut bob, (2, 1), "after the backup");
    fixture.bed.take_delivered();
    fixture.receive_all();
    let second = receive_message(&mut fixture, &mut bob, (1, 0), "restored");
    assert_ne!(first, second);
    let delivered = fixture.bed.take_delivered();
    assert_eq!(texts(&delivered), ["restored"]);
    assert_eq!(delivered[0].arrival, Arrival::ReusedId);
    assert_eq!(fixture.receive_all(), [receipt(&bob, 3, &[1])]);
    for packet in [first, second] {
        fixture.send(&packet);
    }
    assert_eq!(fixture.bed.take_delivered(), [], "both are repeats now");
}

#[test]
fn while_a_receipt_is_signed_the_next_are_gathered() {
    let (mut fixture, mut bob) = client_knowing_bob();
    let key = fixture.bed.public_key().clone();
    receive_message(&mut fixture, &mut bob, (1, 0), "one");
    assert_eq!(fixture.receive_all(), [receipt(&bob, 1, &[1])]);
    let packets =
        [2, 3, 4].map(|id| bob.message(fixture.now(), (me(), &key), (id, id - 1), "more"));
    let bytes: Vec<u8> = packets.iter().flat_map(|packet| packet.bytes().to_vec()).collect();
    fixture.bed.hold_store = true;
    fixture.bed.input_bytes(fixture.conn, &bytes);
    fixture.bed.hold_jobs = true;
    // The first is being stored when the others come, and they are stored together.
    for _ in 0..2 {
        fixture.bed.release_store();
    }
    fixture.bed.hold_jobs = false;
    fixture.bed.hold_store = false;
    fixture.bed.release_jobs(|_| {});
    assert_eq!(fixture.receive_all(), [receipt(&bob, 2, &[2]), receipt(&bob, 3, &[3, 4])]);
}

#[test]
fn a_receipt_signed_before_another_key_was_accepted_counts() {
    let (mut fixture, mut bob) = client_knowing_bob();
    for text in ["one", "two"] {
        fixture.bed.send_text(UserRef::Id(bob.id), text);
    }
    fixture.receive_all();
    let items = [1, 2].map(|id| (bob.id, MessageId(id)));
    let stored = fixture.server.stored(fixture.now(), &items);
    fixture.send(&stored);
    let receipts = [1, 2].map(|id| bob.receipt(fixture.now(), me(), id, &[id]));
    let mut new_bob = ScriptedPeer::new(Profile::Compact, 3);
    new_bob.phone = bob.phone;
    fixture.bed.command(Command::Lookup { phone: bob.phone });
    fixture.receive_all();
    let answer = fixture.server.public_key_of(fixture.now(), &new_bob);
    fixture.send(&answer);
    let fingerprint = *new_bob.public_key().fingerprint();
    fixture.bed.command(Command::AcceptKey { phone: bob.phone, fingerprint });
    fixture.bed.take_notices();
    fixture.send(&receipts[0]);
    assert_eq!(
        fixture.bed.take_notices(),
        [Notice::Delivered { recipient: bob.id, ids: ids(&[1]) }]
    );

    fixture.bed = fixture.bed.restart();
    fixture.bed.command(Command::Connect);
    fixture.connect();
    fixture.grant_session(1);
    fixture.bed.take_notices();
    fixture.send(&receipts[1]);
    assert_eq!(
        fixture.bed.take_notices(),
        [Notice::Delivered { recipient: bob.id, ids: ids(&[2]) }]
    );
}

#[test]
fn a_forged_receipt_is_not_believed_and_is_taken_off_the_server_when_it_comes_again() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    fixture.receive_all();
    fixture.bed.take_notices();
    let mut mallory = ScriptedPeer::new(Profile::Compact, 3);
    mallory.id = bob.id;
    let forged = mallory.receipt(fixture.now(), me(), 9, &[1]);
    let suspicion =
        Notice::Suspicious { suspicion: Suspicion::ForgedReceipt { recipient: bob.id } };
    fixture.send(&forged);
    assert_eq!(fixture.bed.take_notices().first(), Some(&suspicion));
    assert!(fixture.bed.is_closed(fixture.conn), "it may have been changed on the wire");
    fixture.reconnect();
    fixture.receive_all();
    fixture.bed.take_notices();
    fixture.send(&forged);
    assert_eq!(fixture.bed.take_notices(), [suspicion]);
    fixture.bed.advance(Duration::from_secs(1));
    assert_eq!(fixture.receive_all(), [Request::Taken(vec![(bob.id, ReceiptId(9))])]);
    let mut carol = ScriptedPeer::new(Profile::Compact, 3);
    fixture.add_contact(&carol);
    let of_another = carol.receipt(fixture.now(), me(), 1, &[1]);
    fixture.send(&of_another);
    assert_eq!(fixture.bed.take_notices(), [], "only the recipient's counts");
    assert_eq!(fixture.bed.store.inner().outbox().unwrap().queued, 1);
}

#[test]
fn a_receipt_is_told_to_the_server_only_once_it_is_durable() {
    let (mut fixture, mut bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    fixture.receive_all();
    fixture.bed.hold_store = true;
    let packet = bob.receipt(fixture.now(), me(), 1, &[1]);
    fixture.send(&packet);
    fixture.bed.advance(Duration::from_secs(5));
    assert_eq!(fixture.receive_all(), [], "the server would delete it");
    fixture.bed.hold_store = false;
    fixture.bed.release_store();
    fixture.bed.advance(Duration::from_secs(2));
    assert_eq!(fixture.receive_all(), [Request::Taken(vec![(bob.id, ReceiptId(1))])]);
}

#[test]
fn a_receipt_that_can_not_be_recorded_is_not_taken_and_comes_again() {
    let (mut fixture, mut bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    fixture.receive_all();
    fixture.bed.take_notices();
    fixture.bed.fail_store(1, StoreError::Io);
    let packet = bob.receipt(fixture.now(), me(), 1, &[1]);
    fixture.send(&packet);
    assert_eq!(
        fixture.bed.take_notices().first(),
        Some(&Notice::StoreFailed { error: StoreError::Io })
    );
    assert!(fixture.bed.is_closed(fixture.conn), "so that the server sends it again");
    fixture.reconnect();
    fixture.bed.advance(Duration::from_secs(2));
    fixture.receive_all();
    fixture.bed.take_notices();
    fixture.send(&packet);
    let delivered = Notice::Delivered { recipient: bob.id, ids: ids(&[1]) };
    assert_eq!(fixture.bed.take_notices(), [delivered]);
}

#[test]
fn owed_receipts_are_sent_before_disconnecting() {
    let (mut fixture, mut bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    fixture.receive_all();
    let packet = bob.receipt(fixture.now(), me(), 1, &[1]);
    fixture.send(&packet);
    fixture.bed.hold_store = true;
    receive_message(&mut fixture, &mut bob, (1, 0), "hello");
    fixture.bed.command(Command::Disconnect);
    assert_eq!(fixture.receive_all(), [Request::Taken(vec![(bob.id, ReceiptId(1))])]);
    fixture.bed.hold_store = false;
    fixture.bed.hold_jobs = true;
    fixture.bed.release_store();
    assert_eq!(fixture.bed.waiting_jobs(), 1, "the receipt is signed first");
    fixture.bed.hold_jobs = false;
    fixture.bed.release_jobs(|_| ());
    assert_eq!(fixture.receive_all(), [receipt(&bob, 1, &[1]), Request::Disconnect]);
}

#[test]
fn a_disconnect_waits_for_a_receipt_that_is_being_recorded() {
    let (mut fixture, mut bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    fixture.receive_all();
    fixture.bed.hold_store = true;
    let packet = bob.receipt(fixture.now(), me(), 1, &[1]);
    fixture.send(&packet);
    fixture.bed.command(Command::Disconnect);
    assert_eq!(fixture.receive_all(), []);
    fixture.bed.release_store();
    assert_eq!(
        fixture.receive_all(),
        [Request::Taken(vec![(bob.id, ReceiptId(1))]), Request::Disconnect]
    );
}

#[test]
fn a_client_with_nothing_to_do_sets_no_alarm() {
    let (mut fixture, mut bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    fixture.receive_all();
    let packet = bob.receipt(fixture.now(), me(), 1, &[1]);
    fixture.send(&packet);
    fixture.bed.advance(Duration::from_secs(1));
    assert_eq!(fixture.receive_all(), [Request::Taken(vec![(bob.id, ReceiptId(1))])]);
    fixture.bed.advance(Duration::from_mins(1));
    assert_eq!(fixture.bed.deadline(), None);
}

#[test]
fn a_repeat_of_the_stored_ack_changes_nothing() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    fixture.receive_all();
    fixture.bed.take_notices();
    let stored = fixture.server.stored(fixture.now(), &[(bob.id, MessageId(1))]);
    fixture.send(&stored);
    fixture.send(&stored);
    assert_eq!(fixture.bed.take_notices(), [Notice::Stored { ids: ids(&[1]) }]);
    fixture.bed.hold_store = true;
    let wrong = fixture.server.stored(fixture.now(), &[(me(), MessageId(1))]);
    fixture.send(&wrong);
    assert!(!fixture.bed.waiting_ops().any(|op| matches!(op, ClientOp::MarkStored(_))));
}

#[test]
fn a_message_is_stored_for_its_own_recipient_only() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    fixture.receive_all();
    fixture.bed.take_notices();
    let wrong = fixture.server.stored(fixture.now(), &[(me(), MessageId(1))]);
    fixture.send(&wrong);
    assert_eq!(fixture.bed.take_notices(), []);
    let right = fixture.server.stored(fixture.now(), &[(bob.id, MessageId(1))]);
    fixture.send(&right);
    assert_eq!(fixture.bed.take_notices(), [Notice::Stored { ids: ids(&[1]) }]);
}
