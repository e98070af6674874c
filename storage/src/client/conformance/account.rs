//! The account and its contacts.

use sealpost_core::address::{Endpoints, Transport};
use sealpost_core::client::store::{Account, Binding, ClientOp, Snapshot, Verification};
use sealpost_core::ids::{MessageId, ReceiptId};
use sealpost_core::keys::{Fingerprint, SymmetricKey};

use super::harness::{Case, Harness, binding, identity, outgoing, user};
use super::subject::Subject;
use crate::client::identity::Identity;
use crate::client::outbox::OutboxCounts;
use crate::conformance::{at, cases, phone, public_key};

cases![
    new_store_is_blank,
    identity_never_changes_but_for_the_address,
    account_keeps_its_settings,
    first_server_key_stays_until_it_is_changed,
    reply_key_is_kept_until_there_is_a_user,
    reconnect_time_never_goes_back,
    reserved_receipts_never_go_back,
    first_pin_is_kept,
    contacts_are_in_order_of_their_phone_numbers,
    offer_is_kept_beside_the_pinned_key,
    former_id_of_an_offered_key_is_kept,
    offer_for_a_stranger_creates_no_contact,
    withdrawn_offer_is_gone,
    accepted_key_is_pinned_and_unverified,
    key_is_accepted_without_an_offer,
    accepted_stranger_becomes_a_contact,
    offer_after_an_acceptance_is_kept,
    former_ids_are_kept,
    forgotten_contact_is_a_former_one,
    new_id_forgets_the_last_message,
    new_id_of_the_pinned_key_keeps_the_verification,
    only_the_pinned_key_is_verified,
];

fn new_store_is_blank<S: Subject>(store: &mut Harness<S>) {
    let snapshot = store.load();
    let account = Account {
        phone: identity().phone,
        server: identity().server,
        server_key: None,
        successor: None,
        reply_key: None,
        user: None,
        last_reconnect: None,
        clock_offset_secs: 0,
    };
    assert_eq!(snapshot.account, account);
    assert_eq!((snapshot.contacts, snapshot.outbox), (vec![], vec![]));
    assert_eq!((snapshot.last_message, snapshot.next_receipt), (None, ReceiptId(1)));
    assert_eq!(store.store().outbox(), Ok(OutboxCounts::default()));
    assert_eq!(store.unshown_ids(), [0_u64; 0]);
}

fn identity_never_changes_but_for_the_address<S: Subject>(store: &mut Harness<S>) {
    assert_eq!(store.store().identity(), Ok(identity()));
    store.tell(ClientOp::SetUser(user(1)));
    for n in [1, 1, 2] {
        let (server, before) = (*public_key(n).fingerprint(), store.load().account);
        let endpoints: Endpoints = "[::1]:7,b.example.org:8".parse().expect("two endpoints");
        store.store().move_server(&server, Transport::Tls, &endpoints).expect("the store works");
        let account = store.load().account;
        let moved = Identity { server, transport: Transport::Tls, endpoints, ..identity() };
        assert_eq!(store.store().identity(), Ok(moved));
        // What was known of another key is forgotten with it.
        let expected = if before.server == server {
            before
        } else {
            Account { server, server_key: None, successor: None, ..before }
        };
        assert_eq!(account, expected);
        let successor = Some(*public_key(3).fingerprint());
        store.tell(ClientOp::ChangeServerKey { key: public_key(n), successor });
    }
}

fn account_keeps_its_settings<S: Subject>(store: &mut Harness<S>) {
    for offset in [5, -7] {
        store.tell(ClientOp::PinServerKey(public_key(1)));
        store.tell(ClientOp::SetUser(user(9)));
        store.tell(ClientOp::SetClockOffset { secs: offset });
        let account = store.load().account;
        assert_eq!((account.server_key, account.user), (Some(public_key(1)), Some(user(9))));
        assert_eq!(account.clock_offset_secs, offset);
    }
}

fn first_server_key_stays_until_it_is_changed<S: Subject>(store: &mut Harness<S>) {
    store.tell(ClientOp::PinServerKey(public_key(1)));
    store.tell(ClientOp::PinServerKey(public_key(2)));
    assert_eq!(store.load().account.server_key, Some(public_key(1)));
    let (key, other) = (public_key(2), *public_key(3).fingerprint());
    for successor in [Some(*key.fingerprint()), Some(other), None] {
        store.tell(ClientOp::ChangeServerKey { key: key.clone(), successor });
        let Account { server, server_key, successor: kept, .. } = store.load().account;
        assert_eq!((server, server_key.as_ref()), (*key.fingerprint(), Some(&key)));
        assert_eq!(kept, successor);
        let changed = Identity { server: *key.fingerprint(), ..identity() };
        assert_eq!(store.store().identity(), Ok(changed), "the address of the server");
    }
}

fn reply_key_is_kept_until_there_is_a_user<S: Subject>(store: &mut Harness<S>) {
    for key in [1, 2].map(|byte| SymmetricKey::from_bytes([byte; 32])) {
        store.tell(ClientOp::KeepReplyKey(key.clone()));
        assert_eq!(store.load().account.reply_key, Some(key));
    }
    store.tell(ClientOp::SetUser(user(9)));
    assert_eq!(store.load().account.reply_key, None);
}

fn reconnect_time_never_goes_back<S: Subject>(store: &mut Harness<S>) {
    for (requested, kept) in [(5, 5), (9, 9), (9, 9), (7, 9)] {
        store.tell(ClientOp::UseReconnectTime(at(requested)));
        assert_eq!(store.load().account.last_reconnect, Some(at(kept)));
    }
}

fn reserved_receipts_never_go_back<S: Subject>(store: &mut Harness<S>) {
    for (requested, kept) in [(0, 1), (9, 9), (7, 9), (u64::MAX, u64::MAX), (1 << 62, u64::MAX)] {
        store.tell(ClientOp::ReserveReceipts { below: ReceiptId(requested) });
        assert_eq!(store.load().next_receipt, ReceiptId(kept));
    }
}

fn first_pin_is_kept<S: Subject>(store: &mut Harness<S>) {
    store.pin(2);
    let first = store.contact(2);
    assert_eq!((&first.pinned, first.verification), (&binding(2, 2), Verification::FirstUse));
    assert_eq!((&first.offered, first.last_sent), (&None, None));
    store.tell(ClientOp::PinContact { phone: phone(2), binding: binding(3, 3) });
    assert_eq!(store.contact(2), first);
}

fn contacts_are_in_order_of_their_phone_numbers<S: Subject>(store: &mut Harness<S>) {
    for n in [12, 3, 7] {
        store.pin(n);
    }
    let phones: Vec<_> = store.load().contacts.iter().map(|contact| contact.phone).collect();
    assert_eq!(phones, [3, 7, 12].map(phone));
}

fn offer_is_kept_beside_the_pinned_key<S: Subject>(store: &mut Harness<S>) {
    store.pin(2);
    for offered in [binding(2, 3), binding(5, 3)] {
        offer(store, 2, offered.clone());
        let contact = store.contact(2);
        assert_eq!((contact.pinned, contact.offered), (binding(2, 2), Some(offered)));
    }
}

fn former_id_of_an_offered_key_is_kept<S: Subject>(store: &mut Harness<S>) {
    store.pin(2);
    for _ in 0..2 {
        offer(store, 2, binding(8, 3));
        assert_eq!(store.load().former, []);
    }
    offer(store, 2, binding(9, 3));
    assert_eq!(store.load().former, [binding(8, 3)]);
    // Not that of a key in whose place another one is offered.
    offer(store, 2, binding(10, 4));
    assert_eq!(store.load().former, [binding(8, 3)]);
}

fn offer_for_a_stranger_creates_no_contact<S: Subject>(store: &mut Harness<S>) {
    offer(store, 2, binding(2, 3));
    store.tell(ClientOp::WithdrawOffer { phone: phone(2) });
    let fingerprint = *public_key(3).fingerprint();
    store.tell(ClientOp::MarkVerified { phone: phone(2), fingerprint });
    assert_eq!(store.load().contacts, []);
}

fn withdrawn_offer_is_gone<S: Subject>(store: &mut Harness<S>) {
    store.pin(2);
    let before = store.contact(2);
    offer(store, 2, binding(2, 3));
    for _ in 0..2 {
        store.tell(ClientOp::WithdrawOffer { phone: phone(2) });
        assert_eq!(store.contact(2), before);
    }
}

fn accepted_key_is_pinned_and_unverified<S: Subject>(store: &mut Harness<S>) {
    store.pin(2);
    store.enqueue(&[outgoing(4, 2)]);
    verify(store, 2, public_key(2).fingerprint());
    offer(store, 2, binding(2, 3));
    for _ in 0..2 {
        accept(store, 2, binding(2, 3));
        let contact = store.contact(2);
        assert_eq!((contact.pinned, contact.offered), (binding(2, 3), None));
        assert_eq!(contact.verification, Verification::FirstUse);
        assert_eq!(contact.last_sent, Some(MessageId(4)));
    }
}

fn key_is_accepted_without_an_offer<S: Subject>(store: &mut Harness<S>) {
    store.pin(2);
    accept(store, 2, binding(8, 3));
    assert_eq!((store.contact(2).pinned, store.contact(2).offered), (binding(8, 3), None));
    offer(store, 2, binding(9, 4));
    verify(store, 2, public_key(3).fingerprint());
    accept(store, 2, binding(8, 3));
    let contact = store.contact(2);
    assert_eq!((contact.pinned, contact.offered), (binding(8, 3), None));
    assert_eq!(contact.verification, Verification::Verified, "it was pinned before");
}

fn accepted_stranger_becomes_a_contact<S: Subject>(store: &mut Harness<S>) {
    accept(store, 2, binding(8, 3));
    let contact = store.contact(2);
    assert_eq!((&contact.pinned, contact.verification), (&binding(8, 3), Verification::FirstUse));
    store.pin(2);
    assert_eq!(store.contact(2), contact);
}

fn offer_after_an_acceptance_is_kept<S: Subject>(store: &mut Harness<S>) {
    store.pin(2);
    accept(store, 2, binding(8, 3));
    offer(store, 2, binding(9, 4));
    let contact = store.contact(2);
    assert_eq!((contact.pinned, contact.offered), (binding(8, 3), Some(binding(9, 4))));
}

fn new_id_of_the_pinned_key_keeps_the_verification<S: Subject>(store: &mut Harness<S>) {
    store.pin(2);
    store.enqueue(&[outgoing(4, 2)]);
    verify(store, 2, public_key(2).fingerprint());
    offer(store, 2, binding(9, 3));
    accept(store, 2, binding(8, 2));
    let contact = store.contact(2);
    assert_eq!((contact.pinned, contact.last_sent), (binding(8, 2), None));
    assert_eq!((contact.verification, contact.offered), (Verification::Verified, None));
    assert_eq!(store.load().former, [binding(2, 2)]);
}

fn new_id_forgets_the_last_message<S: Subject>(store: &mut Harness<S>) {
    store.pin(2);
    store.enqueue(&[outgoing(4, 2)]);
    assert_eq!(store.contact(2).last_sent, Some(MessageId(4)));
    offer(store, 2, binding(8, 3));
    accept(store, 2, binding(8, 3));
    let contact = store.contact(2);
    assert_eq!((contact.pinned, contact.last_sent), (binding(8, 3), None));
    // A message to the old id does not count as sent to the new one.
    store.enqueue(&[outgoing(4, 2), outgoing(5, 2)]);
    assert_eq!(store.contact(2).last_sent, None);
}

fn former_ids_are_kept<S: Subject>(store: &mut Harness<S>) {
    store.pin(2);
    accept(store, 2, binding(2, 3));
    assert_eq!(store.load().former, [], "the id is the same");
    for last in [7, 5, u64::MAX] {
        accept(store, 2, binding(last, 3));
    }
    let kept = [binding(2, 3), binding(5, 3), binding(7, 3)];
    assert_eq!(store.load().former, kept);
    accept(store, 2, binding(u64::MAX, 3));
    accept(store, 2, binding(5, 4));
    accept(store, 2, binding(6, 4));
    let kept = [binding(2, 3), binding(5, 4), binding(7, 3), binding(u64::MAX, 3)];
    assert_eq!(store.load().former, kept, "under the key that was accepted last");
}

fn forgotten_contact_is_a_former_one<S: Subject>(store: &mut Harness<S>) {
    store.pin(2);
    store.pin(3);
    verify(store, 2, public_key(2).fingerprint());
    offer(store, 2, binding(8, 3));
    for _ in 0..2 {
        store.tell(ClientOp::ForgetContact { phone: phone(2) });
        let Snapshot { contacts, former, .. } = store.load();
        assert_eq!(contacts, [store.contact(3)]);
        assert_eq!(former, [binding(2, 2), binding(8, 3)]);
    }
    // A message that was sealed before is no message before the next one.
    store.enqueue(&[outgoing(4, 2)]);
    store.pin(2);
    let contact = store.contact(2);
    assert_eq!((contact.verification, contact.last_sent), (Verification::FirstUse, None));
}

fn only_the_pinned_key_is_verified<S: Subject>(store: &mut Harness<S>) {
    store.pin(2);
    store.pin(3);
    offer(store, 2, binding(2, 3));
    verify(store, 2, public_key(3).fingerprint());
    assert_eq!(store.contact(2).verification, Verification::FirstUse);
    verify(store, 2, public_key(2).fingerprint());
    assert_eq!(store.contact(2).verification, Verification::Verified);
    assert_eq!(store.contact(3).verification, Verification::FirstUse);
}

fn offer<S: Subject>(store: &mut Harness<S>, n: u16, offered: Binding) {
    store.tell(ClientOp::OfferKey { phone: phone(n), offered });
}

fn accept<S: Subject>(store: &mut Harness<S>, n: u16, accepted: Binding) {
    store.tell(ClientOp::AcceptKey { phone: phone(n), accepted });
}

fn verify<S: Subject>(store: &mut Harness<S>, n: u16, fingerprint: &Fingerprint) {
    store.tell(ClientOp::MarkVerified { phone: phone(n), fingerprint: *fingerprint });
}
