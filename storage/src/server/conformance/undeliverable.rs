//! Messages that go with their recipient's account.

use sealpost_core::wire::{InReplyTo, Packet};

use super::harness::{Case, Harness};
use super::subject::Subject;
use crate::conformance::{cases, phone};

cases![
    messages_of_a_deleted_account_are_remembered_for_their_senders,
    told_messages_are_forgotten,
    senders_without_an_account_are_not_remembered,
    undelivered_receipts_are_not_remembered,
];

fn hashes(packets: &[Packet]) -> Vec<InReplyTo> {
    packets.iter().map(|packet| packet.request_hash().in_reply_to()).collect()
}

fn messages_of_a_deleted_account_are_remembered_for_their_senders<S: Subject>(
    store: &mut Harness<S>,
) {
    let (alice, bob, carol) = (store.create(1), store.create(2), store.create(3));
    let alices = [1, 2].map(|id| store.message(alice, bob, id));
    let carols = [store.message(carol, bob, 1)];
    store.append(bob, &alices);
    store.append(bob, &carols);
    assert_eq!(store.waiting(alice).undeliverable, 0);
    store.store().delete_user(phone(2));
    assert_eq!(store.undeliverable(alice, 9), hashes(&alices));
    assert_eq!(store.undeliverable(alice, 1), hashes(&alices[..1]));
    assert_eq!(store.undeliverable(carol, 9), hashes(&carols));
    assert_eq!([alice, carol].map(|user| store.waiting(user).undeliverable), [2, 1]);
    assert_eq!(store.undeliverable(bob, 9), []);
}

fn told_messages_are_forgotten<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let messages = [1, 2, 3].map(|id| store.message(alice, bob, id));
    store.append(bob, &messages);
    store.store().delete_user(phone(2));
    let hashes = hashes(&messages);
    for _ in 0..2 {
        store.forget_undeliverable(alice, &[hashes[0], hashes[2]]);
        assert_eq!(store.undeliverable(alice, 9), hashes[1..2]);
    }
    store.forget_undeliverable(bob, &hashes);
    assert_eq!(store.waiting(alice).undeliverable, 1);
    store.forget_undeliverable(alice, &hashes);
    assert_eq!(store.waiting(alice).undeliverable, 0);
}

fn senders_without_an_account_are_not_remembered<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let messages = [store.message(bob, bob, 1), store.message(alice, bob, 1)];
    store.append(bob, &messages);
    store.store().delete_user(phone(2));
    assert_eq!(store.undeliverable(bob, 9), []);
    store.store().delete_user(phone(1));
    assert_eq!((store.undeliverable(alice, 9), store.waiting(alice).undeliverable), (vec![], 0));
}

fn undelivered_receipts_are_not_remembered<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let receipt = store.receipt(alice, bob, 1, &[1]);
    store.append(bob, &[receipt]);
    store.store().delete_user(phone(2));
    assert_eq!(store.undeliverable(alice, 9), []);
}
