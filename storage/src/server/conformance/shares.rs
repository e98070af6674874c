//! What one sender may take of a mailbox, and all of the store.

use sealpost_core::ids::UserId;
use sealpost_core::server::store::Appended::{self, Duplicate, MailboxFull, StoreFull, Stored};
use sealpost_core::server::store::StoreReply;
use sealpost_core::wire::Packet;

use super::harness::{Case, Harness};
use super::subject::Subject;
use crate::conformance::cases;
use crate::server::quota::MAX_ANSWERED;

cases![
    stranger_gets_a_quarter_of_the_messages,
    stranger_gets_a_quarter_of_the_bytes,
    last_quarter_is_kept_for_people_whom_the_owner_has_answered,
    answered_sender_gets_three_quarters,
    share_is_free_again_once_its_messages_are_gone,
    receipts_take_no_share,
    answering_again_changes_nothing,
    answer_to_nobody_is_ignored,
    only_so_many_answers_are_remembered,
    full_store_refuses_messages_and_takes_receipts,
    message_refused_for_a_full_store_blocks_later_ones,
    store_is_free_again_once_messages_are_gone,
];

fn send<S: Subject>(
    store: &mut Harness<S>,
    from: UserId,
    to: UserId,
    ids: impl IntoIterator<Item = u64>,
) -> Vec<Appended> {
    let packets: Vec<Packet> = ids.into_iter().map(|id| store.message(from, to, id)).collect();
    store.append(to, &packets)
}

fn stranger_gets_a_quarter_of_the_messages<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob, carol) = (store.create(1), store.create(2), store.create(3));
    assert_eq!(send(store, alice, bob, 1..=3), [Stored, Stored, MailboxFull]);
    assert_eq!(send(store, alice, bob, [4, 1]), [MailboxFull, Duplicate]);
    assert_eq!(send(store, carol, bob, [1, 2]), [Stored; 2]);
    assert_eq!(send(store, carol, bob, [3]), [MailboxFull]);
    assert_eq!(send(store, alice, carol, [5]), [Stored], "each mailbox has shares of its own");
}

fn stranger_gets_a_quarter_of_the_bytes<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob, carol) = (store.create(1), store.create(2), store.create(3));
    let first = store.message_of(alice, bob, 1, 600);
    let too_large = store.message_of(alice, bob, 2, 401);
    let fitting = store.message_of(alice, bob, 2, 400);
    let carols = store.message_of(carol, bob, 1, 1_000);
    assert_eq!(store.append(bob, &[first]), [Stored]);
    assert_eq!(store.append(bob, &[too_large]), [MailboxFull]);
    assert_eq!(store.append(bob, &[fitting]), [Stored]);
    assert_eq!(store.append(bob, &[carols]), [Stored]);
}

fn last_quarter_is_kept_for_people_whom_the_owner_has_answered<S: Subject>(store: &mut Harness<S>) {
    let bob = store.create(1);
    let strangers = [2, 3, 4].map(|n| store.create(n));
    let (another, friend) = (store.create(5), store.create(6));
    store.record_answers(bob, &[friend]);
    for stranger in strangers {
        assert_eq!(send(store, stranger, bob, [1, 2]), [Stored; 2]);
    }
    assert_eq!(send(store, another, bob, [1]), [MailboxFull]);
    assert_eq!(send(store, friend, bob, 1..=3), [Stored, Stored, MailboxFull]);
    assert_eq!(store.count(bob), 8);
}

fn answered_sender_gets_three_quarters<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob, carol) = (store.create(1), store.create(2), store.create(3));
    store.record_answers(bob, &[alice]);
    let mut expected = [Stored; 7];
    expected[6] = MailboxFull;
    assert_eq!(send(store, alice, bob, 1..=7), expected);
    store.record_answers(bob, &[carol]);
    assert_eq!(send(store, carol, bob, [1]), [Stored], "alice alone does not close the mailbox");
}

fn share_is_free_again_once_its_messages_are_gone<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    assert_eq!(send(store, alice, bob, [1, 2]), [Stored; 2]);
    let (message, receipt) = (store.message(alice, bob, 1), store.receipt(bob, alice, 1, &[1]));
    store.settle(bob, &[message], receipt);
    assert_eq!(send(store, alice, bob, [3, 4]), [Stored, MailboxFull]);
    assert_eq!(store.expire(1_000, 10), 3);
    assert_eq!(send(store, alice, bob, 5..=7), [Stored, Stored, MailboxFull]);
}

fn receipts_take_no_share<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let receipts: Vec<Packet> = (1..=9).map(|id| store.receipt(alice, bob, id, &[id])).collect();
    assert_eq!(store.append(bob, &receipts), [Stored; 9]);
    let bytes: usize = receipts.iter().map(|receipt| receipt.bytes().len()).sum();
    assert_eq!(store.waiting(bob).receipt_bytes, bytes as u64);
    assert_eq!(send(store, alice, bob, [1, 2]), [Stored; 2]);
    store.drop_receipts(bob, &receipts);
    assert_eq!(store.waiting(bob).receipt_bytes, 0);
}

fn answering_again_changes_nothing<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    assert_eq!(send(store, alice, bob, [1, 2]), [Stored; 2]);
    for _ in 0..2 {
        store.record_answers(bob, &[alice, alice]);
    }
    assert_eq!(send(store, alice, bob, 3..=6), [Stored; 4]);
    assert_eq!(send(store, alice, bob, [7]), [MailboxFull]);
}

fn answer_to_nobody_is_ignored<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let nobody = UserId::new(9).expect("not 0");
    store.record_answers(bob, &[nobody]);
    store.record_answers(nobody, &[alice]);
    assert_eq!(send(store, alice, bob, 1..=3), [Stored, Stored, MailboxFull]);
}

fn only_so_many_answers_are_remembered<S: Subject>(store: &mut Harness<S>) {
    let most = u16::try_from(MAX_ANSWERED).expect("few");
    let users = most + 2;
    let registrations: Vec<_> =
        (1..=users).map(|n| Harness::<S>::registration(n, u64::MAX)).collect();
    let created = store.commit(&registrations);
    assert!(created.iter().all(|outcome| matches!(outcome, Ok(StoreReply::Created(_)))));
    let mut ids = (1..=u64::from(users)).map(|id| UserId::new(id).expect("not 0"));
    let bob = ids.next().expect("the first");
    let peers: Vec<UserId> = ids.collect();
    store.record_answers(bob, &peers);
    let (last, before) = (peers[usize::from(most)], peers[usize::from(most) - 1]);
    assert_eq!(send(store, last, bob, 1..=3), [Stored, Stored, MailboxFull]);
    assert_eq!(send(store, before, bob, 1..=3), [Stored; 3]);
}

/// Fills the store up to the size of one small message. Returns two users with room for each other.
fn nearly_full<S: Subject>(store: &mut Harness<S>) -> (UserId, UserId) {
    let [alice, bob, carol, dave] = [1, 2, 3, 4].map(|n| store.create(n));
    let small = store.message(alice, dave, 1).bytes().len();
    let filling = [
        (alice, alice, 1_000),
        (bob, alice, 1_000),
        (carol, alice, 1_000),
        (alice, bob, 1_000),
        (bob, bob, 1_000),
        (carol, bob, 1_000),
        (alice, carol, 1_000),
        (bob, carol, 1_000 - small),
    ];
    for (id, (from, to, len)) in (10..).zip(filling) {
        let message = store.message_of(from, to, id, len);
        assert_eq!(store.append(to, &[message]), [Stored]);
    }
    (alice, dave)
}

fn full_store_refuses_messages_and_takes_receipts<S: Subject>(store: &mut Harness<S>) {
    let (alice, dave) = nearly_full(store);
    let small = store.message(alice, dave, 1).bytes().len();
    let too_large = store.message_of(alice, dave, 1, small + 1);
    assert_eq!(store.append(dave, &[too_large]), [StoreFull]);
    assert_eq!(send(store, alice, dave, [1, 2, 1]), [Stored, StoreFull, Duplicate]);
    let receipt = store.receipt(alice, dave, 1, &[1]);
    assert_eq!(store.append(dave, &[receipt]), [Stored]);
}

fn message_refused_for_a_full_store_blocks_later_ones<S: Subject>(store: &mut Harness<S>) {
    let (alice, dave) = nearly_full(store);
    let packets = [store.message_of(alice, dave, 1, 900), store.message(alice, dave, 2)];
    assert_eq!(store.append(dave, &packets), [StoreFull; 2]);
    assert_eq!(send(store, alice, dave, [2]), [Stored], "for one append");
}

fn store_is_free_again_once_messages_are_gone<S: Subject>(store: &mut Harness<S>) {
    let (alice, dave) = nearly_full(store);
    assert_eq!(send(store, alice, dave, [1, 2]), [Stored, StoreFull]);
    assert_eq!(store.expire(1_000, 1), 1);
    assert_eq!(send(store, alice, dave, [2]), [Stored]);
}
