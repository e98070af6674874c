//! Removal of items from mailboxes: settled, dropped, expired.

use sealpost_core::server::store::Appended::Stored;
use sealpost_core::server::store::{Settlement, StoreOp, StoreReply};
use sealpost_core::wire::Packet;

use super::harness::{Case, Harness, item_ids};
use super::subject::Subject;
use crate::conformance::{at, cases, phone};

cases![
    settling_replaces_messages_by_a_receipt,
    settling_again_changes_nothing,
    settling_missing_messages_still_stores_the_receipt,
    settling_deletes_from_the_recipients_mailbox_only,
    settling_for_a_deleted_sender_stores_no_receipt,
    settling_ignores_the_senders_quota,
    settling_a_message_to_oneself_keeps_the_count,
    dropped_receipts_are_gone,
    dropping_deletes_receipts_of_that_mailbox_only,
    expiry_deletes_items_older_than_its_time,
    expiry_deletes_limited_batches_oldest_first,
    expiry_frees_the_quota,
];

fn settling_replaces_messages_by_a_receipt<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let messages = [1, 2, 3].map(|id| store.message(alice, bob, id));
    store.append(bob, &messages);
    let receipt = store.receipt(bob, alice, 1, &[1, 3]);
    store.settle(bob, &[messages[0].clone(), messages[2].clone()], receipt.clone());
    assert_eq!(store.mailbox(bob), [messages[1].clone()]);
    assert_eq!(store.mailbox(alice), [receipt]);
    assert_eq!((store.count(bob), store.count(alice)), (1, 1));
}

fn settling_again_changes_nothing<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let messages = [1, 2].map(|id| store.message(alice, bob, id));
    store.append(bob, &messages);
    let receipt = store.receipt(bob, alice, 1, &[1]);
    for _ in 0..2 {
        store.settle(bob, &messages[..1], receipt.clone());
        assert_eq!(store.mailbox(bob), messages[1..]);
        assert_eq!(store.mailbox(alice), std::slice::from_ref(&receipt));
        assert_eq!((store.count(bob), store.count(alice)), (1, 1));
    }
}

fn settling_missing_messages_still_stores_the_receipt<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let message = store.message(alice, bob, 1);
    let receipt = store.receipt(bob, alice, 1, &[1]);
    store.settle(bob, &[message], receipt.clone());
    assert_eq!(store.mailbox(alice), [receipt]);
    assert_eq!(store.count(bob), 0);
}

fn settling_deletes_from_the_recipients_mailbox_only<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let carol = store.create(3);
    let to_carol = store.message(alice, carol, 1);
    store.append(carol, std::slice::from_ref(&to_carol));
    let receipt = store.receipt(bob, alice, 1, &[1]);
    store.settle(bob, std::slice::from_ref(&to_carol), receipt);
    assert_eq!(store.mailbox(carol), [to_carol]);
    assert_eq!(store.count(carol), 1);
}

fn settling_for_a_deleted_sender_stores_no_receipt<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let message = store.message(alice, bob, 1);
    store.append(bob, std::slice::from_ref(&message));
    store.store().delete_user(phone(1));
    let receipt = store.receipt(bob, alice, 1, &[1]);
    store.settle(bob, &[message], receipt);
    assert_eq!((store.count(bob), store.count(alice)), (0, 0));
    assert_eq!(store.mailbox(alice), []);
}

fn settling_ignores_the_senders_quota<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let filling: Vec<Packet> = (1..=4).map(|id| store.message(bob, alice, id)).collect();
    assert_eq!(store.append(alice, &filling), [Stored; 4]);
    let message = store.message(alice, bob, 1);
    store.append(bob, std::slice::from_ref(&message));
    let receipt = store.receipt(bob, alice, 1, &[1]);
    store.settle(bob, &[message], receipt);
    assert_eq!(store.count(alice), 5);
}

fn settling_a_message_to_oneself_keeps_the_count<S: Subject>(store: &mut Harness<S>) {
    let alice = store.create(1);
    let messages = [1, 2].map(|id| store.message(alice, alice, id));
    store.append(alice, &messages);
    let receipt = store.receipt(alice, alice, 1, &[1]);
    store.settle(alice, &messages[..1], receipt.clone());
    assert_eq!(store.mailbox(alice), [messages[1].clone(), receipt]);
    assert_eq!(store.count(alice), 2);
}

fn dropped_receipts_are_gone<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let receipts = [1, 2, 3].map(|id| store.receipt(bob, alice, id, &[id]));
    store.append(alice, &receipts);
    for _ in 0..2 {
        store.drop_receipts(alice, &receipts[..2]);
        assert_eq!(store.mailbox(alice), receipts[2..]);
        assert_eq!(store.count(alice), 1);
    }
}

fn dropping_deletes_receipts_of_that_mailbox_only<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let (receipt, message) = (store.receipt(bob, alice, 1, &[1]), store.message(bob, alice, 1));
    store.append(alice, &[receipt.clone(), message.clone()]);
    store.drop_receipts(bob, std::slice::from_ref(&receipt));
    assert_eq!(store.count(alice), 2);
    store.drop_receipts(alice, &[receipt]);
    assert_eq!(store.mailbox(alice), [message]);
}

fn expiry_deletes_items_older_than_its_time<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let packets = [
        store.message(alice, bob, 1),
        store.receipt(alice, bob, 1, &[9]),
        store.message(alice, bob, 2),
    ];
    for (packet, secs) in packets.iter().zip([9, 9, 10]) {
        store.append_at(bob, std::slice::from_ref(packet), secs);
    }
    assert_eq!(store.expire(9, 100), 0);
    assert_eq!(store.expire(10, 100), 2);
    assert_eq!(store.expire(10, 100), 0);
    assert_eq!(store.mailbox(bob), packets[2..]);
    assert_eq!(store.count(bob), 1);
}

fn expiry_deletes_limited_batches_oldest_first<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let (to_bob, to_alice) = (store.message(alice, bob, 1), store.message(bob, alice, 1));
    let late = store.message(alice, bob, 2);
    // The clock was set back after the first append.
    store.append_at(bob, std::slice::from_ref(&late), 3);
    store.append_at(bob, &[to_bob], 1);
    store.append_at(alice, &[to_alice], 2);
    assert_eq!(store.expire(100, 0), 0);
    assert_eq!(store.expire(100, 2), 2);
    if store.store().is_shared() {
        assert_eq!(store.count(bob) + store.count(alice), 1);
    } else {
        assert_eq!((store.mailbox(bob), store.mailbox(alice)), (vec![late], vec![]));
    }
    assert_eq!(store.expire(100, 2), 1);
    assert_eq!((store.count(bob), store.count(alice)), (0, 0));
}

fn expiry_frees_the_quota<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let messages: Vec<Packet> = (1..=8).map(|id| store.message(alice, bob, id)).collect();
    assert_eq!(store.append_at(bob, &messages[..4], 1), [Stored; 4]);
    assert_eq!(store.expire(2, 100), 4);
    assert_eq!(store.append_at(bob, &messages[4..], 1), [Stored; 4]);
    // Settling frees the quota by the same rule.
    let settlement = Settlement {
        recipient: bob,
        delivered: item_ids(&messages),
        receipt: store.receipt(bob, alice, 1, &[5, 6, 7, 8]),
        at: at(3),
    };
    assert_eq!(store.ask(StoreOp::Settle(settlement)), StoreReply::Settled);
    assert_eq!(store.append_at(bob, &messages[..4], 1), [Stored; 4]);
}
