//! Accounts.

use sealpost_core::ids::{UserId, UserRef};
use sealpost_core::server::store::{
    Appended, CreateOutcome, LookupOutcome, ReconnectOutcome, Seq, SessionOutcome, StoreOp,
    StoreReply, User,
};

use super::harness::{Case, Harness, LOOKUPS, counted, take_reconnect_places};
use super::subject::Subject;
use crate::conformance::{at, cases, phone, public_key, wrapped_key};
use crate::server::suspension::{Suspension, SuspensionOutcome};

cases![
    ids_start_at_one_and_grow,
    created_user_is_found_by_id_and_by_phone,
    unregistered_user_is_not_found,
    taken_phone_gets_no_second_account,
    ids_end_at_the_maximum,
    refused_account_takes_no_id,
    id_of_a_deleted_user_is_never_given_again,
    deleted_phone_can_register_again,
    lookups_of_a_day_are_limited_and_those_that_find_nobody_count,
    another_day_has_a_new_budget,
    budget_belongs_to_a_registered_asker,
    sender_is_found_while_a_message_is_stored,
    first_reconnect_may_have_the_time_of_the_account,
    reconnect_must_be_newer_than_the_last_one,
    reconnect_in_the_future_does_not_bind,
    reconnect_in_the_future_is_never_recorded_again,
    reconnect_replaces_the_session_key,
    reconnect_of_an_unregistered_user_is_unknown,
    suspended_account_takes_no_reconnect_until_it_is_resumed,
    reconnect_refused_by_a_suspension_is_never_recorded_again,
    suspension_of_nobody_changes_nothing,
    each_session_has_a_later_place_in_a_shared_store,
];

fn ids_start_at_one_and_grow<S: Subject>(store: &mut Harness<S>) {
    assert_eq!([1, 2, 3].map(|n| store.create(n).value()), [1, 2, 3]);
}

fn created_user_is_found_by_id_and_by_phone<S: Subject>(store: &mut Harness<S>) {
    let (_, second) = store.pair();
    let user = User { id: second, phone: phone(2), public_key: public_key(2), last_seen: at(0) };
    assert_eq!(store.find(UserRef::Id(second)), Some(user.clone()));
    assert_eq!(store.find(UserRef::Phone(phone(2))), Some(user));
}

fn unregistered_user_is_not_found<S: Subject>(store: &mut Harness<S>) {
    store.create(1);
    assert_eq!(store.find(UserRef::Phone(phone(2))), None);
    for id in [2, u64::MAX] {
        assert_eq!(store.find(UserRef::Id(UserId::new(id).expect("not 0"))), None);
    }
}

fn taken_phone_gets_no_second_account<S: Subject>(store: &mut Harness<S>) {
    let id = store.create(1);
    let again = StoreOp::CreateUser {
        phone: phone(1),
        public_key: public_key(2),
        aes_key: wrapped_key(9),
        at: at(9),
        max_id: u64::MAX,
        invitation: None,
    };
    assert_eq!(store.ask(again), StoreReply::Created(CreateOutcome::PhoneTaken));
    let user = store.find(UserRef::Phone(phone(1))).expect("registered");
    assert_eq!((user.id, user.public_key, user.last_seen), (id, public_key(1), at(0)));
    assert_eq!(store.aes_key(id), Some(wrapped_key(1)));
}

fn ids_end_at_the_maximum<S: Subject>(store: &mut Harness<S>) {
    store.create(1);
    let full = StoreReply::Created(CreateOutcome::NoIdLeft);
    assert_eq!(store.ask(Harness::<S>::registration(2, 1)), full);
    assert_eq!(store.find(UserRef::Phone(phone(2))), None);
    let last = UserId::new(2).expect("not 0");
    let created = StoreReply::Created(CreateOutcome::Created(last));
    assert_eq!(store.ask(Harness::<S>::registration(2, 2)), created);
    assert_eq!(store.ask(Harness::<S>::registration(3, 2)), full);
}

fn refused_account_takes_no_id<S: Subject>(store: &mut Harness<S>) {
    store.create(1);
    store.ask(Harness::<S>::registration(1, u64::MAX));
    store.ask(Harness::<S>::registration(2, 1));
    assert_eq!(store.create(2).value(), 2);
}

fn id_of_a_deleted_user_is_never_given_again<S: Subject>(store: &mut Harness<S>) {
    let (_, second) = store.pair();
    assert_eq!(store.store().delete_user(phone(2)), Some(second));
    assert_eq!(store.store().delete_user(phone(2)), None);
    assert_eq!(store.find(UserRef::Id(second)), None);
    assert_eq!(store.create(3).value(), 3);
}

fn deleted_phone_can_register_again<S: Subject>(store: &mut Harness<S>) {
    store.create(1);
    store.store().delete_user(phone(1));
    assert_eq!(store.create(1).value(), 2);
}

fn lookups_of_a_day_are_limited_and_those_that_find_nobody_count<S: Subject>(
    store: &mut Harness<S>,
) {
    let (asker, other) = store.pair();
    assert_eq!(store.look_up(asker, 9, 100), None);
    assert_eq!(store.look_up(asker, 2, 100), Some(other));
    let over = StoreReply::LookedUp(LookupOutcome::OverBudget);
    assert_eq!(store.ask(Harness::<S>::lookup(asker, 2, 100)), over);
    assert_eq!(store.ask(Harness::<S>::lookup(asker, 9, 100)), over);
    assert_eq!(store.look_up(other, 1, 100), Some(asker), "a user has a budget of their own");
}

fn another_day_has_a_new_budget<S: Subject>(store: &mut Harness<S>) {
    let (asker, other) = store.pair();
    // The second day is a step back: a clock that was ahead does not lock the asker out.
    for day in [100, 99, 101] {
        for _ in 0..LOOKUPS {
            assert_eq!(store.look_up(asker, 2, day), Some(other));
        }
        let over = StoreReply::LookedUp(LookupOutcome::OverBudget);
        assert_eq!(store.ask(Harness::<S>::lookup(asker, 2, day)), over);
    }
}

fn budget_belongs_to_a_registered_asker<S: Subject>(store: &mut Harness<S>) {
    let (_, second) = store.pair();
    assert_eq!(store.store().delete_user(phone(2)), Some(second));
    assert_eq!(store.look_up(second, 1, 100), None);
}

fn sender_is_found_while_a_message_is_stored<S: Subject>(store: &mut Harness<S>) {
    let (first, second) = store.pair();
    let third = store.create(3);
    assert_eq!(store.find_sender(first, second), None);
    let message = store.message(first, second, 1);
    store.append(second, std::slice::from_ref(&message));
    assert_eq!(store.find_sender(first, second), Some(first));
    assert_eq!(store.find_sender(first, third), None, "not for another user");
    assert_eq!(store.find_sender(second, first), None, "not in the other direction");
    let receipt = store.receipt(second, first, 1, &[1]);
    store.settle(second, &[message], receipt.clone());
    assert_eq!(store.find_sender(first, second), None);
    assert_eq!(store.find_sender(second, first), None, "of whom a receipt is stored");
    store.drop_receipts(first, &[receipt]);
    assert_eq!(store.find_sender(second, first), None);
}

fn first_reconnect_may_have_the_time_of_the_account<S: Subject>(store: &mut Harness<S>) {
    let user = store.create(1);
    assert_eq!(reconnect(store, user, 0), ReconnectOutcome::Recorded(Seq::START));
    assert_eq!(reconnect(store, user, 0), ReconnectOutcome::NotNewer);
}

fn reconnect_must_be_newer_than_the_last_one<S: Subject>(store: &mut Harness<S>) {
    let (user, other) = store.pair();
    assert_eq!(reconnect(store, user, 60), ReconnectOutcome::Recorded(Seq::START));
    assert_eq!(reconnect(store, user, 60), ReconnectOutcome::NotNewer);
    assert_eq!(reconnect(store, user, 59), ReconnectOutcome::NotNewer);
    assert_eq!(store.find(UserRef::Id(user)).map(|user| user.last_seen), Some(at(60)));
    // The times of different users are independent.
    assert_eq!(reconnect(store, other, 59), ReconnectOutcome::Recorded(Seq::START));
}

/// The clock was a year ahead when the second reconnect was accepted.
fn reconnect_in_the_future_does_not_bind<S: Subject>(store: &mut Harness<S>) {
    let user = store.create(1);
    for secs in [60, YEAR_SECS, 120] {
        assert_eq!(reconnect(store, user, secs), ReconnectOutcome::Recorded(Seq::START));
        assert_eq!(store.find(UserRef::Id(user)).map(|user| user.last_seen), Some(at(secs)));
    }
    for secs in [60, 119, 120] {
        assert_eq!(reconnect(store, user, secs), ReconnectOutcome::NotNewer);
    }
    assert_eq!(reconnect(store, user, YEAR_SECS - 301), ReconnectOutcome::Recorded(Seq::START));
    assert_eq!(reconnect(store, user, YEAR_SECS - 300), ReconnectOutcome::NotNewer);
}

fn reconnect_in_the_future_is_never_recorded_again<S: Subject>(store: &mut Harness<S>) {
    let user = store.create(1);
    for secs in [60, YEAR_SECS, YEAR_SECS + 7, 120, 180] {
        assert_eq!(reconnect(store, user, secs), ReconnectOutcome::Recorded(Seq::START));
    }
    for secs in [YEAR_SECS, YEAR_SECS + 7] {
        assert_eq!(reconnect(store, user, secs), ReconnectOutcome::NotNewer);
    }
    assert_eq!(reconnect(store, user, YEAR_SECS + 8), ReconnectOutcome::Recorded(Seq::START));
}

fn reconnect_replaces_the_session_key<S: Subject>(store: &mut Harness<S>) {
    let user = store.create(1);
    assert_eq!(store.aes_key(user), Some(wrapped_key(1)));
    reconnect(store, user, 60);
    assert_eq!(store.aes_key(user), Some(wrapped_key(60)));
    reconnect(store, user, 50);
    assert_eq!(store.aes_key(user), Some(wrapped_key(60)));
}

fn reconnect_of_an_unregistered_user_is_unknown<S: Subject>(store: &mut Harness<S>) {
    let nobody = UserId::new(1).expect("not 0");
    assert_eq!(reconnect(store, nobody, 1), ReconnectOutcome::UnknownUser);
}

fn suspended_account_takes_no_reconnect_until_it_is_resumed<S: Subject>(store: &mut Harness<S>) {
    let (user, other) = store.pair();
    let suspend = |secs| Suspension::Suspended(at(secs));
    reconnect(store, user, 60);
    assert_eq!(store.suspend(1, suspend(70)), SuspensionOutcome::Changed(user));
    assert_eq!(store.suspend(1, suspend(71)), SuspensionOutcome::Unchanged(user));
    assert_eq!(reconnect(store, user, 80), ReconnectOutcome::Suspended);
    assert_eq!(reconnect(store, other, 80), ReconnectOutcome::Recorded(Seq::START));
    // It stays as it was, and can be found and written to.
    let found = store.find(UserRef::Id(user)).map(|user| user.last_seen);
    assert_eq!((found, store.aes_key(user)), (Some(at(60)), Some(wrapped_key(60))));
    let message = store.message(other, user, 1);
    assert_eq!(store.append(user, &[message]), [Appended::Stored]);
    assert_eq!(store.suspend(1, Suspension::Active), SuspensionOutcome::Changed(user));
    assert_eq!(store.suspend(1, Suspension::Active), SuspensionOutcome::Unchanged(user));
    assert_eq!(reconnect(store, user, 90), ReconnectOutcome::Recorded(Seq::START));
    assert_eq!(store.waiting(user).items, 1);
}

fn reconnect_refused_by_a_suspension_is_never_recorded_again<S: Subject>(store: &mut Harness<S>) {
    let user = store.create(1);
    store.suspend(1, Suspension::Suspended(at(1)));
    assert_eq!(reconnect(store, user, 80), ReconnectOutcome::Suspended);
    assert_eq!(reconnect(store, user, 80), ReconnectOutcome::NotNewer);
    store.suspend(1, Suspension::Active);
    assert_eq!(reconnect(store, user, 80), ReconnectOutcome::NotNewer);
    assert_eq!(reconnect(store, user, 81), ReconnectOutcome::Recorded(Seq::START));
}

fn suspension_of_nobody_changes_nothing<S: Subject>(store: &mut Harness<S>) {
    let user = store.create(1);
    assert_eq!(store.suspend(2, Suspension::Suspended(at(1))), SuspensionOutcome::UnknownUser);
    assert_eq!(reconnect(store, user, 1), ReconnectOutcome::Recorded(Seq::START));
}

#[track_caller]
fn reconnect<S: Subject>(store: &mut Harness<S>, user: UserId, secs: i64) -> ReconnectOutcome {
    let aes_key = wrapped_key(secs.to_le_bytes()[0]);
    let horizon = at(secs + 300);
    match store.ask(StoreOp::RecordReconnect { user, at: at(secs), horizon, aes_key }) {
        StoreReply::ReconnectRecorded(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

const YEAR_SECS: i64 = 365 * 24 * 60 * 60;

fn each_session_has_a_later_place_in_a_shared_store<S: Subject>(store: &mut Harness<S>) {
    let user = store.create(1);
    let is_shared = store.store().is_shared();
    let mut last = Seq::START;
    for secs in 0..3 {
        let (at, horizon) = (at(secs), at(secs + 300));
        let aes_key = wrapped_key(2);
        let mut outcomes = Vec::new();
        let reconnect = StoreOp::RecordReconnect { user, at, horizon, aes_key };
        store.store().commit(&[reconnect], &mut outcomes);
        let places = take_reconnect_places(&mut outcomes);
        assert_eq!(places.len(), 1);
        assert_eq!(places[0] > last, is_shared);
        let begin = StoreOp::BeginSession { user, place: places[0] };
        assert_eq!(store.ask(begin), counted(0));
        // One that comes late.
        let overtaken = StoreReply::SessionBegun(SessionOutcome::Overtaken);
        let late = StoreOp::BeginSession { user, place: last };
        let answer = if is_shared { overtaken } else { counted(0) };
        assert_eq!(store.ask(late), answer);
        last = places[0];
    }
}
