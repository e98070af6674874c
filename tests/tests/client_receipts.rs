//! The client machine: acknowledgements and receipts, both ways (PROTOCOL 6.1).

use std::time::Duration;

use sealpost_core::client::store::ClientOp;
use sealpost_core::client::{Command, Notice, Suspicion};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::{MessageId, ReceiptId, UserRef};
use sealpost_core::wire::Profile;
use sealpost_storage::client::ClientStorage;
use sealpost_tests::acquaintance::{acquainted, arrive, ids, me, receipt};
use sealpost_tests::clerk::{Asked, Peer};

#[test]
fn what_is_not_acknowledged_is_repeated_byte_for_byte() {
    let (mut counter, bob) = acquainted();
    for text in ["one", "two", "three"] {
        counter.stage.send_text(UserRef::Id(bob.id), text);
    }
    let first: Vec<_> = std::iter::from_fn(|| counter.stage.sent()).map(|(_, p)| p).collect();
    assert_eq!(first.len(), 3);
    let stored = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(2))]);
    counter.say(&stored);

    counter.stage.cut(counter.conn);
    counter.come_back();
    let again: Vec<_> = std::iter::from_fn(|| counter.stage.sent()).map(|(_, p)| p).collect();
    assert_eq!(again, [first[0].clone(), first[2].clone()]);

    counter.stage = counter.stage.restart();
    counter.stage.command(Command::Connect);
    counter.open();
    counter.resume(0);
    let again: Vec<_> = std::iter::from_fn(|| counter.stage.sent()).map(|(_, p)| p).collect();
    assert_eq!(again, [first[0].clone(), first[2].clone()]);
}

#[test]
fn a_server_that_acknowledges_nothing_is_left_after_a_minute() {
    let (mut counter, bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.stage.pass(Duration::from_secs(59));
    assert!(!counter.stage.is_closed(counter.conn));
    counter.stage.pass(Duration::from_secs(1));
    assert!(counter.stage.is_closed(counter.conn));
}

#[test]
fn a_server_that_acknowledges_is_not_left() {
    let (mut counter, bob) = acquainted();
    for text in ["one", "two"] {
        counter.stage.send_text(UserRef::Id(bob.id), text);
    }
    for id in 1..=2 {
        counter.stage.pass(Duration::from_secs(45));
        assert!(!counter.stage.is_closed(counter.conn));
        let stored = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(id))]);
        counter.say(&stored);
    }
    counter.stage.pass(Duration::from_mins(5));
    assert!(!counter.stage.is_closed(counter.conn), "nothing more is awaited");
}

#[test]
fn what_is_sent_after_a_silence_has_its_full_minute() {
    let (mut counter, bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    let stored = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(1))]);
    counter.stage.pass(Duration::from_secs(1));
    counter.say(&stored);
    counter.stage.pass(Duration::from_secs(50));
    counter.stage.send_text(UserRef::Id(bob.id), "two");
    counter.stage.pass(Duration::from_secs(59));
    assert!(!counter.stage.is_closed(counter.conn));
    counter.stage.pass(Duration::from_secs(1));
    assert!(counter.stage.is_closed(counter.conn));
}

#[test]
fn a_repeat_is_acknowledged_again_and_not_delivered_again() {
    let (mut counter, mut bob) = acquainted();
    let packet = arrive(&mut counter, &mut bob, (1, 0), "hello");
    assert_eq!(counter.hear_all(), [receipt(&bob, 1, &[1])]);
    counter.say(&packet);
    assert_eq!(counter.hear_all(), [receipt(&bob, 2, &[1])]);
    counter.stage = counter.stage.restart();
    counter.stage.command(Command::Connect);
    counter.open();
    counter.resume(1);
    counter.stage.delivered();
    counter.say(&packet);
    assert_eq!(counter.stage.delivered(), []);
    let Some(Asked::Receipt(_, again)) = counter.hear() else { panic!() };
    assert!(again.receipt_id > ReceiptId(2), "numbers are not used again after a crash");
}

#[test]
fn while_a_receipt_is_signed_the_next_are_gathered() {
    let (mut counter, mut bob) = acquainted();
    let key = counter.stage.public_key().clone();
    arrive(&mut counter, &mut bob, (1, 0), "one");
    assert_eq!(counter.hear_all(), [receipt(&bob, 1, &[1])]);
    let packets = [2, 3, 4].map(|id| bob.message(counter.at(), (me(), &key), (id, id - 1), "more"));
    let bytes: Vec<u8> = packets.iter().flat_map(|packet| packet.bytes().to_vec()).collect();
    counter.stage.hold_store = true;
    counter.stage.bytes(counter.conn, &bytes);
    counter.stage.hold_jobs = true;
    // The first is being stored when the others come, and they are stored together.
    for _ in 0..2 {
        counter.stage.release_store();
    }
    counter.stage.hold_jobs = false;
    counter.stage.hold_store = false;
    counter.stage.release_jobs(|_| {});
    assert_eq!(counter.hear_all(), [receipt(&bob, 2, &[2]), receipt(&bob, 3, &[3, 4])]);
}

#[test]
fn a_receipt_signed_before_another_key_was_accepted_counts() {
    let (mut counter, mut bob) = acquainted();
    for text in ["one", "two"] {
        counter.stage.send_text(UserRef::Id(bob.id), text);
    }
    counter.hear_all();
    let items = [1, 2].map(|id| (bob.id, MessageId(id)));
    let stored = counter.clerk.stored(counter.at(), &items);
    counter.say(&stored);
    let receipts = [1, 2].map(|id| bob.receipt(counter.at(), me(), id, &[id]));
    let mut new_bob = Peer::new(Profile::Compact, 3);
    new_bob.phone = bob.phone;
    counter.stage.command(Command::Lookup { phone: bob.phone });
    counter.hear_all();
    let answer = counter.clerk.key_of(counter.at(), &new_bob);
    counter.say(&answer);
    let fingerprint = *new_bob.public_key().fingerprint();
    counter.stage.command(Command::AcceptKey { phone: bob.phone, fingerprint });
    counter.stage.notices();
    counter.say(&receipts[0]);
    assert_eq!(counter.stage.notices(), [Notice::Delivered { reader: bob.id, ids: ids(&[1]) }]);

    counter.stage = counter.stage.restart();
    counter.stage.command(Command::Connect);
    counter.open();
    counter.resume(1);
    counter.stage.notices();
    counter.say(&receipts[1]);
    assert_eq!(counter.stage.notices(), [Notice::Delivered { reader: bob.id, ids: ids(&[2]) }]);
}

#[test]
fn a_forged_receipt_is_not_believed_and_is_taken_off_the_server_when_it_comes_again() {
    let (mut counter, bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    counter.stage.notices();
    let mut mallory = Peer::new(Profile::Compact, 3);
    mallory.id = bob.id;
    let forged = mallory.receipt(counter.at(), me(), 9, &[1]);
    let suspicion = Notice::Suspicious(Suspicion::ForgedReceipt { reader: bob.id });
    counter.say(&forged);
    assert_eq!(counter.stage.notices().first(), Some(&suspicion));
    assert!(counter.stage.is_closed(counter.conn), "it may have been changed on the way");
    counter.come_back();
    counter.hear_all();
    counter.stage.notices();
    counter.say(&forged);
    assert_eq!(counter.stage.notices(), [suspicion]);
    counter.stage.pass(Duration::from_secs(1));
    assert_eq!(counter.hear_all(), [Asked::Taken(vec![(bob.id, ReceiptId(9))])]);
    let mut carol = Peer::new(Profile::Compact, 3);
    counter.introduce(&carol);
    let of_another = carol.receipt(counter.at(), me(), 1, &[1]);
    counter.say(&of_another);
    assert_eq!(counter.stage.notices(), [], "only the recipient's counts");
    assert_eq!(counter.stage.store.inner().outbox().unwrap().queued, 1);
}

#[test]
fn a_receipt_is_told_to_the_server_only_once_it_is_durable() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    counter.stage.hold_store = true;
    let packet = bob.receipt(counter.at(), me(), 1, &[1]);
    counter.say(&packet);
    counter.stage.pass(Duration::from_secs(5));
    assert_eq!(counter.hear_all(), [], "the server would forget it");
    counter.stage.hold_store = false;
    counter.stage.release_store();
    counter.stage.pass(Duration::from_secs(2));
    assert_eq!(counter.hear_all(), [Asked::Taken(vec![(bob.id, ReceiptId(1))])]);
}

#[test]
fn a_receipt_that_can_not_be_recorded_is_not_taken_and_comes_again() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    counter.stage.notices();
    counter.stage.fail_store(1, StoreError::Io);
    let packet = bob.receipt(counter.at(), me(), 1, &[1]);
    counter.say(&packet);
    assert_eq!(counter.stage.notices().first(), Some(&Notice::StoreFailed(StoreError::Io)));
    assert!(counter.stage.is_closed(counter.conn), "so that the server brings it again");
    counter.come_back();
    counter.stage.pass(Duration::from_secs(2));
    counter.hear_all();
    counter.stage.notices();
    counter.say(&packet);
    let delivered = Notice::Delivered { reader: bob.id, ids: ids(&[1]) };
    assert_eq!(counter.stage.notices(), [delivered]);
}

#[test]
fn before_leaving_what_is_owed_goes_out() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    let packet = bob.receipt(counter.at(), me(), 1, &[1]);
    counter.say(&packet);
    counter.stage.hold_store = true;
    arrive(&mut counter, &mut bob, (1, 0), "hello");
    counter.stage.command(Command::Disconnect);
    assert_eq!(counter.hear_all(), [Asked::Taken(vec![(bob.id, ReceiptId(1))])]);
    counter.stage.hold_store = false;
    counter.stage.hold_jobs = true;
    counter.stage.release_store();
    assert_eq!(counter.stage.waiting_jobs(), 1, "the receipt is signed first");
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|_| ());
    assert_eq!(counter.hear_all(), [receipt(&bob, 1, &[1]), Asked::Disconnect]);
}

#[test]
fn leaving_waits_for_a_receipt_that_is_being_recorded() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    counter.stage.hold_store = true;
    let packet = bob.receipt(counter.at(), me(), 1, &[1]);
    counter.say(&packet);
    counter.stage.command(Command::Disconnect);
    assert_eq!(counter.hear_all(), []);
    counter.stage.release_store();
    assert_eq!(counter.hear_all(), [Asked::Taken(vec![(bob.id, ReceiptId(1))]), Asked::Disconnect]);
}

#[test]
fn a_client_with_nothing_to_do_sets_no_alarm() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    let packet = bob.receipt(counter.at(), me(), 1, &[1]);
    counter.say(&packet);
    counter.stage.pass(Duration::from_secs(1));
    assert_eq!(counter.hear_all(), [Asked::Taken(vec![(bob.id, ReceiptId(1))])]);
    counter.stage.pass(Duration::from_mins(1));
    assert_eq!(counter.stage.deadline(), None);
}

#[test]
fn a_repeat_of_the_stored_ack_changes_nothing() {
    let (mut counter, bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    counter.stage.notices();
    let stored = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(1))]);
    counter.say(&stored);
    counter.say(&stored);
    assert_eq!(counter.stage.notices(), [Notice::Stored(ids(&[1]))]);
    counter.stage.hold_store = true;
    let wrong = counter.clerk.stored(counter.at(), &[(me(), MessageId(1))]);
    counter.say(&wrong);
    assert!(!counter.stage.waiting_ops().any(|op| matches!(op, ClientOp::MarkStored(_))));
}

#[test]
fn a_message_is_stored_for_its_own_recipient_only() {
    let (mut counter, bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    counter.stage.notices();
    let wrong = counter.clerk.stored(counter.at(), &[(me(), MessageId(1))]);
    counter.say(&wrong);
    assert_eq!(counter.stage.notices(), []);
    let right = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(1))]);
    counter.say(&right);
    assert_eq!(counter.stage.notices(), [Notice::Stored(ids(&[1]))]);
}
