//! Appending to mailboxes, and reading them.

use sealpost_core::ids::UserId;
use sealpost_core::server::store::Appended::{Duplicate, MailboxFull, Stored, UnknownUser};
use sealpost_core::server::store::{PageLimit, Seq};
use sealpost_core::wire::Packet;

use super::harness::{ALL, Case, Harness, QUOTA};
use super::subject::Subject;
use crate::conformance::{cases, phone};

cases![
    packets_come_back_byte_for_byte_in_order,
    largest_packet_and_largest_ids_fit,
    repeat_is_a_duplicate,
    first_item_with_an_id_is_kept,
    item_id_is_unique_across_mailboxes,
    receipt_and_message_with_one_number_are_two_items,
    append_to_an_unregistered_user_stores_nothing,
    quota_of_messages_is_exact,
    quota_of_bytes_is_exact,
    refused_message_blocks_later_ones_from_its_sender,
    refusal_lasts_for_one_append,
    duplicate_is_recognized_in_a_full_mailbox,
    receipts_are_accepted_in_a_full_mailbox,
    count_includes_messages_and_receipts,
    page_respects_its_limit_of_items,
    page_respects_its_limit_of_bytes,
    page_has_at_least_one_item,
    page_begins_after_a_place,
    page_of_an_unregistered_user_is_empty,
    places_are_never_used_twice,
    deleted_user_leaves_no_mailbox,
    messages_from_a_deleted_user_go_and_receipts_stay,
    messages_from_a_deleted_user_are_not_stored,
];

fn packets_come_back_byte_for_byte_in_order<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let packets = [
        store.message(alice, bob, 7),
        store.receipt(alice, bob, 1, &[5]),
        store.message(bob, bob, 3),
    ];
    assert_eq!(store.append(bob, &packets[..2]), [Stored, Stored]);
    assert_eq!(store.append(bob, &packets[2..]), [Stored]);
    assert_eq!(store.mailbox(bob), packets);
    assert_eq!(store.mailbox(alice), []);
}

fn largest_packet_and_largest_ids_fit<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let origin = UserId::new(u64::from(u16::MAX)).expect("not 0");
    let mut largest = Vec::new();
    for id in [0, 1 << 63, u64::MAX] {
        let messages: Vec<u64> = (0..8_190).map(|n| u64::MAX - n).collect();
        largest.push(store.receipt(origin, bob, id, &messages));
    }
    assert_eq!(store.append(bob, &largest), [Stored; 3]);
    let highest = store.message(alice, bob, u64::MAX);
    assert_eq!(store.append(bob, std::slice::from_ref(&highest)), [Stored]);
    largest.push(highest);
    assert_eq!(store.mailbox(bob), largest);
}

fn repeat_is_a_duplicate<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let packets = [store.message(alice, bob, 1), store.receipt(alice, bob, 1, &[4])];
    assert_eq!(store.append(bob, &packets), [Stored; 2]);
    assert_eq!(store.append(bob, &packets), [Duplicate; 2]);
    let twice = [store.message(alice, bob, 2), store.message(alice, bob, 2)];
    assert_eq!(store.append(bob, &twice), [Stored, Duplicate]);
    assert_eq!(store.count(bob), 3);
}

fn first_item_with_an_id_is_kept<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let first = store.message_of(alice, bob, 1, 400);
    store.append(bob, std::slice::from_ref(&first));
    let second = store.message_of(alice, bob, 1, 500);
    assert_eq!(store.append(bob, &[second]), [Duplicate]);
    assert_eq!(store.mailbox(bob), [first]);
}

fn item_id_is_unique_across_mailboxes<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let (to_bob, to_alice) = (store.message(alice, bob, 1), store.message(alice, alice, 1));
    assert_eq!(store.append(bob, &[to_bob]), [Stored]);
    let is_shared = store.store().is_shared();
    let expected = if is_shared { Stored } else { Duplicate };
    assert_eq!(store.append(alice, &[to_alice]), [expected]);
    assert_eq!(store.count(alice), u32::from(is_shared));
    // Every sender numbers messages independently.
    let bobs = store.message(bob, alice, 1);
    assert_eq!(store.append(alice, &[bobs]), [Stored]);
}

fn receipt_and_message_with_one_number_are_two_items<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let packets = [store.message(alice, bob, 1), store.receipt(alice, bob, 1, &[9])];
    assert_eq!(store.append(bob, &packets), [Stored; 2]);
}

fn append_to_an_unregistered_user_stores_nothing<S: Subject>(store: &mut Harness<S>) {
    let (alice, nobody) = (store.create(1), UserId::new(2).expect("not 0"));
    let packets = [store.message(alice, nobody, 1), store.receipt(alice, nobody, 1, &[9])];
    assert_eq!(store.append(nobody, &packets), [UnknownUser; 2]);
    // Nor are they there for the user who gets the id later.
    store.create(2);
    assert_eq!(store.mailbox(nobody), []);
    assert_eq!(store.append(nobody, &packets), [Stored; 2]);
}

fn quota_of_messages_is_exact<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let messages: Vec<Packet> = (1..=6).map(|id| store.message(alice, bob, id)).collect();
    assert_eq!(store.append(bob, &messages[..3]), [Stored; 3]);
    assert_eq!(store.append(bob, &messages[3..]), [Stored, MailboxFull, MailboxFull]);
    assert_eq!(store.mailbox(bob), messages[..4]);
    // Once a message is removed, another fits.
    let receipt = store.receipt(bob, alice, 1, &[1]);
    store.settle(bob, &messages[..1], receipt);
    assert_eq!(store.append(bob, &messages[4..]), [Stored, MailboxFull]);
}

fn quota_of_bytes_is_exact<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let whole = usize::try_from(QUOTA.bytes).expect("small");
    let first = store.message_of(alice, bob, 1, whole - 400);
    let too_large = store.message_of(alice, bob, 2, 401);
    let fitting = store.message_of(alice, bob, 2, 400);
    assert_eq!(store.append(bob, &[first]), [Stored]);
    assert_eq!(store.append(bob, &[too_large]), [MailboxFull]);
    assert_eq!(store.append(bob, &[fitting]), [Stored]);
    let tiny = store.message(alice, bob, 3);
    assert_eq!(store.append(bob, &[tiny]), [MailboxFull]);
}

fn refused_message_blocks_later_ones_from_its_sender<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let packets = [
        store.message_of(alice, bob, 1, 1_000),
        store.message_of(alice, bob, 2, 1_001),
        store.message_of(alice, bob, 3, 310),
        store.message_of(bob, bob, 1, 310),
        store.receipt(alice, bob, 1, &[9]),
        store.message_of(alice, bob, 4, 310),
    ];
    let outcomes = [Stored, MailboxFull, MailboxFull, Stored, Stored, MailboxFull];
    assert_eq!(store.append(bob, &packets), outcomes);
    let stored = [&packets[0], &packets[3], &packets[4]].map(Clone::clone);
    assert_eq!(store.mailbox(bob), stored);
}

fn refusal_lasts_for_one_append<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let (large, small) =
        (store.message_of(alice, bob, 1, 2_001), store.message_of(alice, bob, 2, 310));
    assert_eq!(store.append(bob, &[large]), [MailboxFull]);
    assert_eq!(store.append(bob, &[small]), [Stored]);
}

fn duplicate_is_recognized_in_a_full_mailbox<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let messages: Vec<Packet> = (1..=5).map(|id| store.message(alice, bob, id)).collect();
    store.append(bob, &messages);
    let again = [Duplicate, Duplicate, Duplicate, Duplicate, MailboxFull];
    assert_eq!(store.append(bob, &messages), again);
    // A stored message is a duplicate even after a refusal in the same append.
    let reversed: Vec<Packet> = messages.into_iter().rev().collect();
    let again = [MailboxFull, Duplicate, Duplicate, Duplicate, Duplicate];
    assert_eq!(store.append(bob, &reversed), again);
}

fn receipts_are_accepted_in_a_full_mailbox<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let receipts: Vec<Packet> =
        (1..=9).map(|id| store.receipt(alice, bob, id, &[id; 40])).collect();
    assert_eq!(store.append(bob, &receipts), [Stored; 9]);
    let messages: Vec<Packet> = (1..=5).map(|id| store.message(alice, bob, id)).collect();
    assert_eq!(store.append(bob, &messages), [Stored, Stored, Stored, Stored, MailboxFull]);
    let one_more = store.receipt(alice, bob, 10, &[10]);
    assert_eq!(store.append(bob, &[one_more]), [Stored]);
}

fn count_includes_messages_and_receipts<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let packets = [store.message(alice, bob, 1), store.receipt(alice, bob, 1, &[9])];
    store.append(bob, &packets);
    let nobody = UserId::new(3).expect("not 0");
    assert_eq!([bob, alice, nobody].map(|user| store.count(user)), [2, 0, 0]);
}

fn page_respects_its_limit_of_items<S: Subject>(store: &mut Harness<S>) {
    let (bob, messages) = three_messages(store);
    for (items, more) in [(1, true), (2, true), (3, false), (4, false)] {
        let page = store.page(bob, Seq::START, PageLimit { items, ..ALL });
        let expected = &messages[..messages.len().min(items as usize)];
        assert!(page.items.iter().map(|item| &item.packet).eq(expected), "{items}");
        assert_eq!(page.more, more, "{items}");
    }
}

fn page_respects_its_limit_of_bytes<S: Subject>(store: &mut Harness<S>) {
    let (bob, _) = three_messages(store);
    for (bytes, items, more) in
        [(799, 1, true), (800, 2, true), (1_199, 2, true), (1_200, 3, false)]
    {
        let page = store.page(bob, Seq::START, PageLimit { bytes, ..ALL });
        assert_eq!((page.items.len(), page.more), (items, more), "{bytes}");
    }
}

fn page_has_at_least_one_item<S: Subject>(store: &mut Harness<S>) {
    let (bob, _) = three_messages(store);
    let page = store.page(bob, Seq::START, PageLimit { items: 0, bytes: 0 });
    assert_eq!((page.items.len(), page.more), (1, true));
}

fn page_begins_after_a_place<S: Subject>(store: &mut Harness<S>) {
    let (bob, messages) = three_messages(store);
    let places: Vec<Seq> =
        store.page(bob, Seq::START, ALL).items.iter().map(|item| item.seq).collect();
    assert!(places.is_sorted_by(|a, b| a < b));
    let page = store.page(bob, places[0], PageLimit { items: 1, ..ALL });
    assert_eq!((page.items[0].seq, &page.items[0].packet), (places[1], &messages[1]));
    assert!(page.more);
    for end in [places[2], Seq(u64::MAX)] {
        let page = store.page(bob, end, ALL);
        assert_eq!((page.items.len(), page.more), (0, false));
    }
}

fn page_of_an_unregistered_user_is_empty<S: Subject>(store: &mut Harness<S>) {
    assert_eq!(store.mailbox(UserId::new(1).expect("not 0")), []);
}

fn places_are_never_used_twice<S: Subject>(store: &mut Harness<S>) {
    let (bob, messages) = three_messages(store);
    let last = store.page(bob, Seq::START, ALL).items[2].seq;
    assert_eq!(store.expire(1_000, 10), 3);
    assert_eq!(store.append(bob, &messages[..1]), [Stored]);
    assert!(store.page(bob, Seq::START, ALL).items[0].seq > last);
}

fn deleted_user_leaves_no_mailbox<S: Subject>(store: &mut Harness<S>) {
    let (bob, messages) = three_messages(store);
    store.store().delete_user(phone(2));
    assert_eq!((store.count(bob), store.mailbox(bob)), (0, vec![]));
    assert_eq!(store.append(bob, &messages), [UnknownUser; 3]);
    assert_eq!(store.expire(1_000, 10), 0);
}

fn messages_from_a_deleted_user_go_and_receipts_stay<S: Subject>(store: &mut Harness<S>) {
    let (bob, messages) = three_messages(store);
    let alice = messages[0].header().sender.expect("a message has a sender");
    let carol = store.create(3);
    let from_carol = store.message(carol, bob, 1);
    let from_bob = store.message(bob, alice, 1);
    let receipt = store.receipt(alice, bob, 1, &[1]);
    store.append(bob, std::slice::from_ref(&from_carol));
    store.append(alice, std::slice::from_ref(&from_bob));
    store.settle(alice, &[from_bob], receipt.clone());
    store.store().delete_user(phone(1));
    assert_eq!(store.mailbox(bob), [from_carol, receipt]);
    assert_eq!(store.count(bob), 2);
}

/// They were on their way to the store when the account was deleted.
fn messages_from_a_deleted_user_are_not_stored<S: Subject>(store: &mut Harness<S>) {
    let (alice, bob) = store.pair();
    let carol = store.create(3);
    let from_alice = [1, 2].map(|id| store.message(alice, bob, id));
    let from_carol = store.message(carol, bob, 1);
    let receipt = store.receipt(alice, bob, 1, &[1]);
    store.store().delete_user(phone(1));
    let [first, second] = from_alice;
    let packets = [first, from_carol.clone(), second, receipt.clone()];
    let outcomes = [UnknownUser, Stored, UnknownUser, Stored];
    assert_eq!(store.append(bob, &packets), outcomes);
    assert_eq!(store.mailbox(bob), [from_carol, receipt]);
}

/// Appends three messages of 400 bytes each from the first user to the second. Returns the second
/// user and the messages.
fn three_messages<S: Subject>(store: &mut Harness<S>) -> (UserId, Vec<Packet>) {
    let (alice, bob) = store.pair();
    let messages: Vec<Packet> = (1..=3).map(|id| store.message_of(alice, bob, id, 400)).collect();
    assert_eq!(store.append(bob, &messages), [Stored; 3]);
    (bob, messages)
}
