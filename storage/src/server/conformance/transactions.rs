//! Several requests in one commit.

use sealpost_core::frame::StoreError;
use sealpost_core::ids::UserRef;
use sealpost_core::server::store::Appended::Stored;
use sealpost_core::server::store::{CreateOutcome, Seq, Settlement, StoreOp, StoreReply};
use sealpost_core::wire::{ItemId, ItemKind, Profile};

use super::harness::{Case, Harness, counted};
use super::subject::Subject;
use crate::conformance::{at, cases, message, phone};

cases![
    request_sees_the_effects_of_earlier_ones,
    empty_commit_has_no_outcomes,
    outcomes_of_an_earlier_commit_are_cleared,
    packet_for_another_mailbox_fails_its_request_only,
    packet_in_another_profile_is_refused,
    packet_that_is_not_an_item_is_refused,
    settlement_that_contradicts_itself_is_refused,
    dropping_messages_is_refused,
];

fn request_sees_the_effects_of_earlier_ones<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let packets = vec![store.message(alice, bob, 1)];
    let outcomes = store.commit(&[
        StoreOp::BeginSession { user: bob, place: Seq::START },
        StoreOp::Append { recipient: bob, packets, at: at(1) },
        StoreOp::BeginSession { user: bob, place: Seq::START },
        Harness::<S>::registration(3, u64::MAX),
        Harness::<S>::registration(3, u64::MAX),
        StoreOp::Expire { before: at(2), limit: 9 },
        StoreOp::BeginSession { user: bob, place: Seq::START },
    ]);
    let third = store.find(UserRef::Phone(phone(3))).expect("registered").id;
    let expected = [
        counted(0),
        StoreReply::Appended(vec![Stored]),
        counted(1),
        StoreReply::Created(CreateOutcome::Created(third)),
        StoreReply::Created(CreateOutcome::PhoneTaken),
        StoreReply::Expired(1),
        counted(0),
    ];
    assert_eq!(outcomes, expected.map(Ok));
}

fn empty_commit_has_no_outcomes<S: Subject>(store: &mut Harness<S>) {
    assert_eq!(store.commit(&[]), []);
}

fn outcomes_of_an_earlier_commit_are_cleared<S: Subject>(store: &mut Harness<S>) {
    let user = store.create(1);
    let mut outcomes = vec![Err(StoreError::Io); 3];
    store.store().commit(&[StoreOp::BeginSession { user, place: Seq::START }], &mut outcomes);
    assert_eq!(outcomes, [Ok(counted(0))]);
    store.store().commit(&[], &mut outcomes);
    assert_eq!(outcomes, []);
}

fn packet_for_another_mailbox_fails_its_request_only<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let good = |id| vec![store.message(alice, bob, id)];
    let stray = vec![store.message(alice, bob, 2), store.message(alice, alice, 3)];
    let requests = [good(1), stray, good(4)].map(|packets| StoreOp::Append {
        recipient: bob,
        packets,
        at: at(1),
    });
    let stored = Ok(StoreReply::Appended(vec![Stored]));
    let outcomes = store.commit(&requests);
    assert_eq!(outcomes, [stored.clone(), Err(StoreError::Corrupt), stored]);
    assert_eq!(store.mailbox(bob), [1, 4].map(|id| store.message(alice, bob, id)));
}

fn packet_in_another_profile_is_refused<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    for profile in [Profile::Compact, Profile::Wide] {
        let packet = message(profile, alice, bob, 1, 20);
        let ours = packet.bytes() == store.message(alice, bob, 1).bytes();
        let request = StoreOp::Append { recipient: bob, packets: vec![packet], at: at(1) };
        assert_eq!(store.commit(&[request])[0].is_ok(), ours);
    }
}

fn packet_that_is_not_an_item_is_refused<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    // Too short to contain an id.
    let packets = vec![store.message_without_id(alice, bob)];
    let request = StoreOp::Append { recipient: bob, packets, at: at(1) };
    assert_eq!(store.commit(&[request]), [Err(StoreError::Corrupt)]);
}

fn settlement_that_contradicts_itself_is_refused<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let message = ItemId { kind: ItemKind::Message, origin: alice, id: 1 };
    let contradictions = [
        // The receipt of another user; a message instead of a receipt; a message from another user;
        // a receipt as the delivered item.
        (store.receipt(alice, alice, 1, &[1]), message),
        (store.message(bob, alice, 1), message),
        (store.receipt(bob, alice, 1, &[1]), ItemId { origin: bob, ..message }),
        (store.receipt(bob, alice, 1, &[1]), ItemId { kind: ItemKind::Receipt, ..message }),
    ];
    for (receipt, delivered) in contradictions {
        let settlement =
            Settlement { recipient: bob, delivered: vec![delivered], receipt, at: at(1) };
        assert_eq!(store.commit(&[StoreOp::Settle(settlement)]), [Err(StoreError::Corrupt)]);
        assert_eq!(store.count(alice), 0);
    }
}

fn dropping_messages_is_refused<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let message = store.message(alice, bob, 1);
    store.append(bob, std::slice::from_ref(&message));
    let messages = vec![ItemId { kind: ItemKind::Message, origin: alice, id: 1 }];
    let request = StoreOp::DropReceipts { recipient: bob, receipts: messages };
    assert_eq!(store.commit(&[request]), [Err(StoreError::Corrupt)]);
    assert_eq!(store.count(bob), 1);
}
