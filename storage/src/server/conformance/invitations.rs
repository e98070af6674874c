//! Invitations, and accounts that are made with them.

use sealpost_core::ids::UserRef;
use sealpost_core::server::store::{
    CreateOutcome, InvitationOutcome, PresentedInvitation, StoreOp, StoreReply,
};
use sealpost_core::wire::InvitationHash;

use super::harness::{Case, Harness};
use super::subject::Subject;
use crate::conformance::{at, cases, phone, public_key, wrapped_key};
use crate::server::invitations::NewInvitation;

cases![
    invitation_is_good_for_its_number_of_accounts,
    check_uses_nothing_up,
    unknown_invitation_is_rejected,
    invitation_is_good_until_it_expires,
    invitation_for_a_phone_is_good_for_no_other,
    revoked_invitation_is_rejected,
    refused_account_uses_nothing_up,
    repeated_account_uses_nothing_more_up,
    invitation_serves_one_of_two_requests_in_a_commit,
    account_without_an_invitation_needs_none,
    expired_invitations_are_deleted_after_items,
    invitations_are_listed_in_order_and_ids_are_used_once,
];

fn invitation_is_good_for_its_number_of_accounts<S: Subject>(store: &mut Harness<S>) {
    invite(store, NewInvitation { uses: 2, ..new(1) });
    for n in [1, 2] {
        assert_eq!(check(store, 1, n, 0), InvitationOutcome::Good);
        let user = store.find(UserRef::Phone(phone(n)));
        assert_eq!(user, None, "a check makes no account");
        assert!(matches!(create(store, n, 1, 0), CreateOutcome::Created(_)));
    }
    assert_eq!(uses_left(store), [0]);
    assert_eq!(check(store, 1, 3, 0), InvitationOutcome::Rejected);
    assert_eq!(create(store, 3, 1, 0), CreateOutcome::InvitationRejected);
    assert_eq!(store.find(UserRef::Phone(phone(3))), None);
    assert_eq!(uses_left(store), [0]);
}

fn check_uses_nothing_up<S: Subject>(store: &mut Harness<S>) {
    invite(store, new(1));
    for _ in 0..3 {
        assert_eq!(check(store, 1, 1, 0), InvitationOutcome::Good);
    }
    assert_eq!(uses_left(store), [1]);
}

fn unknown_invitation_is_rejected<S: Subject>(store: &mut Harness<S>) {
    invite(store, new(1));
    assert_eq!(check(store, 2, 1, 0), InvitationOutcome::Rejected);
    assert_eq!(create(store, 1, 2, 0), CreateOutcome::InvitationRejected);
}

fn invitation_is_good_until_it_expires<S: Subject>(store: &mut Harness<S>) {
    invite(store, NewInvitation { uses: 2, ..new(1) });
    assert_eq!(check(store, 1, 1, EXPIRES - 1), InvitationOutcome::Good);
    assert!(matches!(create(store, 1, 1, EXPIRES - 1), CreateOutcome::Created(_)));
    for secs in [EXPIRES, EXPIRES + 1] {
        assert_eq!(check(store, 1, 2, secs), InvitationOutcome::Rejected);
        assert_eq!(create(store, 2, 1, secs), CreateOutcome::InvitationRejected);
    }
}

fn invitation_for_a_phone_is_good_for_no_other<S: Subject>(store: &mut Harness<S>) {
    invite(store, NewInvitation { phone: Some(phone(2)), ..new(1) });
    assert_eq!(check(store, 1, 1, 0), InvitationOutcome::Rejected);
    assert_eq!(create(store, 1, 1, 0), CreateOutcome::InvitationRejected);
    assert_eq!(check(store, 1, 2, 0), InvitationOutcome::Good);
    assert!(matches!(create(store, 2, 1, 0), CreateOutcome::Created(_)));
}

fn revoked_invitation_is_rejected<S: Subject>(store: &mut Harness<S>) {
    let (first, second) = (invite(store, new(1)), invite(store, new(2)));
    assert_eq!([first, second].map(|id| store.store().revoke_invitation(id)), [true; 2]);
    assert!(!store.store().revoke_invitation(first), "there is none any more");
    for code in [1, 2] {
        assert_eq!(check(store, code, 1, 0), InvitationOutcome::Rejected);
        assert_eq!(create(store, 1, code, 0), CreateOutcome::InvitationRejected);
    }
}

fn refused_account_uses_nothing_up<S: Subject>(store: &mut Harness<S>) {
    invite(store, new(1));
    store.create(1);
    assert_eq!(create(store, 1, 1, 0), CreateOutcome::PhoneTaken);
    let no_id = StoreOp::CreateUser {
        phone: phone(2),
        public_key: public_key(2),
        aes_key: wrapped_key(1),
        at: at(0),
        max_id: 1,
        invitation: Some(presented(1, 0)),
    };
    assert_eq!(store.ask(no_id), StoreReply::Created(CreateOutcome::NoIdLeft));
    assert_eq!(uses_left(store), [1]);
}

/// As after a power loss that cost the answer.
fn repeated_account_uses_nothing_more_up<S: Subject>(store: &mut Harness<S>) {
    invite(store, NewInvitation { uses: 2, ..new(1) });
    assert!(matches!(create(store, 1, 1, 0), CreateOutcome::Created(_)));
    assert_eq!(create(store, 1, 1, 0), CreateOutcome::PhoneTaken);
    assert_eq!(uses_left(store), [1]);
}

fn invitation_serves_one_of_two_requests_in_a_commit<S: Subject>(store: &mut Harness<S>) {
    invite(store, new(1));
    let outcomes = store.commit(&[creation(1, 1, 0), creation(2, 1, 0)]);
    let first = store.find(UserRef::Phone(phone(1))).expect("registered").id;
    let expected = [CreateOutcome::Created(first), CreateOutcome::InvitationRejected];
    assert_eq!(outcomes, expected.map(|outcome| Ok(StoreReply::Created(outcome))));
    assert_eq!(uses_left(store), [0]);
}

fn account_without_an_invitation_needs_none<S: Subject>(store: &mut Harness<S>) {
    invite(store, new(1));
    store.create(1);
    assert_eq!(uses_left(store), [1]);
}

fn expired_invitations_are_deleted_after_items<S: Subject>(store: &mut Harness<S>) {
    for code in [3, 1, 2] {
        invite(store, NewInvitation { expires_at: at(code.into()), ..new(code) });
    }
    let (alice, bob) = store.pair();
    let message = store.message(alice, bob, 1);
    store.append_at(bob, &[message], 0);
    assert_eq!(store.expire(3, 2), 2, "the message and the earliest invitation");
    assert_eq!((store.count(bob), ids(store)), (0, vec![1, 3]));
    assert_eq!(store.expire(3, 2), 1, "the last one expires only then");
    assert_eq!(ids(store), [1]);
    assert_eq!(store.expire(4, 0), 0);
    assert_eq!(store.expire(4, 9), 1);
    assert!(ids(store).is_empty());
}

fn invitations_are_listed_in_order_and_ids_are_used_once<S: Subject>(store: &mut Harness<S>) {
    let note = "for Bob, who plays the bass".to_owned();
    let first = invite(store, NewInvitation { note: note.clone(), uses: 7, ..new(2) });
    let second = invite(store, NewInvitation { phone: Some(phone(1)), ..new(1) });
    let listed = store.store().invitations();
    let [one, other] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!((one.id, one.uses, one.uses_left, &one.note), (first, 7, 7, &note));
    assert_eq!((one.created_at, one.expires_at), (at(0), at(EXPIRES)));
    assert_eq!((other.id, other.phone), (second, Some(phone(1))));
    store.store().revoke_invitation(second);
    let third = invite(store, new(3));
    assert!(second < third);
    assert_eq!(ids(store), [first, third]);
}

/// An invitation for one account, whose code stands for this number.
fn new(code: u8) -> NewInvitation {
    NewInvitation {
        hash: InvitationHash([code; 32]),
        uses: 1,
        created_at: at(0),
        expires_at: at(EXPIRES),
        phone: None,
        note: String::new(),
    }
}

fn invite<S: Subject>(store: &mut Harness<S>, new: NewInvitation) -> u64 {
    store.store().create_invitation(new)
}

fn presented(code: u8, secs: i64) -> PresentedInvitation {
    PresentedInvitation { hash: InvitationHash([code; 32]), at: at(secs) }
}

#[track_caller]
fn check<S: Subject>(store: &mut Harness<S>, code: u8, n: u16, secs: i64) -> InvitationOutcome {
    let invitation = presented(code, secs);
    match store.ask(StoreOp::CheckInvitation { invitation, phone: phone(n) }) {
        StoreReply::InvitationChecked(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

/// Returns the request that registers the `n`-th phone number with an invitation. The date of the
/// account is not that of the invitation's use.
fn creation(n: u16, code: u8, secs: i64) -> StoreOp {
    StoreOp::CreateUser {
        phone: phone(n),
        public_key: public_key(n),
        aes_key: wrapped_key(1),
        at: at(-300),
        max_id: u64::MAX,
        invitation: Some(presented(code, secs)),
    }
}

#[track_caller]
fn create<S: Subject>(store: &mut Harness<S>, n: u16, code: u8, secs: i64) -> CreateOutcome {
    match store.ask(creation(n, code, secs)) {
        StoreReply::Created(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

fn uses_left<S: Subject>(store: &mut Harness<S>) -> Vec<u32> {
    store.store().invitations().iter().map(|record| record.uses_left).collect()
}

fn ids<S: Subject>(store: &mut Harness<S>) -> Vec<u64> {
    store.store().invitations().iter().map(|record| record.id).collect()
}

const EXPIRES: i64 = 100;
