//! The client machine: look-ups, pinned keys, and keys that change (PROTOCOL 5.1).

use std::time::Duration;

use sealpost_core::client::store::{ClientOp, Content, Failure, Trust, Verification};
use sealpost_core::client::{Command, Limits, LookupFailure, Notice, Refusal, Suspicion};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::{MessageId, UserId, UserRef};
use sealpost_core::wire::{ErrorCode, Profile};
use sealpost_storage::client::ClientStorage;
use sealpost_tests::acquaintance::{
    acquainted, arrive, bob, ids, message, receipt, session_error, texts,
};
use sealpost_tests::clerk::{Asked, Counter, Peer};
use sealpost_tests::client_stage::ClientStage;

/// The server names another user for bob's phone.
fn offer_key(counter: &mut Counter, bob: &Peer) -> Peer {
    let mut new_bob = Peer::new(Profile::Compact, 3);
    new_bob.phone = bob.phone;
    counter.introduce(&new_bob);
    new_bob
}

/// The same, and the application accepts it.
fn replace_key(counter: &mut Counter, bob: &Peer) -> Peer {
    let new_bob = offer_key(counter, bob);
    let fingerprint = *new_bob.public_key().fingerprint();
    counter.stage.command(Command::AcceptKey { phone: bob.phone, fingerprint });
    counter.stage.notices();
    new_bob
}

#[test]
fn a_stranger_is_looked_up_before_the_first_message() {
    let mut counter = Counter::online(Limits::default());
    let bob = bob();
    let token = counter.stage.send_text(UserRef::Phone(bob.phone), "hello");
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Phone(bob.phone))]);
    let answer = counter.clerk.key_of(counter.at(), &bob);
    counter.say(&answer);
    assert_eq!(counter.stage.notices(), [Notice::Queued { token, id: MessageId(1) }]);
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);

    let token = counter.stage.send_text(UserRef::Id(UserId::new(9).unwrap()), "hello");
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Id(UserId::new(9).unwrap()))]);
    session_error(&mut counter, ErrorCode::UnknownUser);
    let content = Content::Text("hello".into());
    let refusal = Refusal::UnknownUser;
    assert_eq!(counter.stage.notices(), [Notice::SendRefused { token, refusal, content }]);
}

#[test]
fn a_lookup_that_the_server_limits_is_asked_again_later() {
    let mut counter = Counter::online(Limits::default());
    let bob = bob();
    counter.stage.command(Command::Lookup { phone: bob.phone });
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Phone(bob.phone))]);
    session_error(&mut counter, ErrorCode::RateLimited);
    assert_eq!(counter.hear_all(), []);
    counter.stage.pass(Duration::from_secs(5));
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Phone(bob.phone))]);
    let answer = counter.clerk.key_of(counter.at(), &bob);
    counter.say(&answer);
    assert_eq!(
        counter.stage.notices(),
        [Notice::Found {
            phone: bob.phone,
            user: bob.id,
            fingerprint: *bob.public_key().fingerprint(),
            verification: Verification::FirstUse,
        }]
    );
}

#[test]
fn an_answer_about_somebody_else_is_not_believed() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.command(Command::Lookup { phone: bob().phone });
    counter.hear_all();
    let carol = Peer::new(Profile::Compact, 3);
    let answer = counter.clerk.key_of(counter.at(), &carol);
    counter.say(&answer);
    let notices = counter.stage.notices();
    assert_eq!(notices[0], Notice::Suspicious(Suspicion::UnaskedAnswer));
    assert!(counter.stage.is_closed(counter.conn));
}

#[test]
fn an_unanswered_lookup_ends_the_connection_and_is_asked_on_the_next() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.command(Command::Lookup { phone: bob().phone });
    counter.hear_all();
    counter.stage.pass(Duration::from_secs(10));
    assert!(counter.stage.is_closed(counter.conn));
    counter.come_back();
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Phone(bob().phone))]);
}

#[test]
fn a_lookup_whose_connection_ends_while_it_is_made_is_asked_on_the_next() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.hold_jobs = true;
    counter.stage.command(Command::Lookup { phone: bob().phone });
    counter.stage.cut(counter.conn);
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|_| {});
    counter.come_back();
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Phone(bob().phone))]);
}

#[test]
fn so_many_lookups_wait_and_no_more() {
    let mut counter = Counter::online(Limits { lookups_waiting: 1, ..Limits::default() });
    let (bob, carol) = (bob(), Peer::new(Profile::Compact, 3));
    counter.stage.command(Command::Lookup { phone: bob.phone });
    assert_eq!(counter.stage.notices(), []);
    counter.stage.command(Command::Lookup { phone: carol.phone });
    let (who, failure) = (UserRef::Phone(carol.phone), LookupFailure::Busy);
    assert_eq!(counter.stage.notices(), [Notice::LookupFailed { who, failure }]);
}

#[test]
fn so_many_lookups_are_asked_at_once() {
    let mut counter = Counter::online(Limits { lookups_at_once: 1, ..Limits::default() });
    let (bob, carol) = (bob(), Peer::new(Profile::Compact, 3));
    for phone in [bob.phone, carol.phone] {
        counter.stage.command(Command::Lookup { phone });
    }
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Phone(bob.phone))]);
    let answer = counter.clerk.key_of(counter.at(), &bob);
    counter.say(&answer);
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Phone(carol.phone))]);
}

#[test]
fn under_a_changed_key_messages_are_shown_so_and_nothing_is_sent_until_it_is_accepted() {
    let (mut counter, bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "for the old key");
    counter.hear_all();
    counter.stage.notices();
    // The same phone, registered again: another id, another key.
    let mut new_bob = Peer::new(Profile::Compact, 3);
    new_bob.phone = bob.phone;
    arrive(&mut counter, &mut new_bob, (1, 0), "it's me");
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Id(new_bob.id))]);
    let answer = counter.clerk.key_of(counter.at(), &new_bob);
    counter.say(&answer);
    let (pinned, offered) = (*bob.public_key().fingerprint(), *new_bob.public_key().fingerprint());
    let phone = bob.phone;
    assert_eq!(counter.stage.notices(), [Notice::KeyChanged { phone, pinned, offered }]);
    let delivered = counter.stage.delivered();
    assert_eq!(texts(&delivered), ["it's me"]);
    assert_eq!(delivered[0].message.trust, Trust::Changed);
    assert_eq!(counter.hear_all(), [receipt(&new_bob, 1, &[1])]);

    let token = counter.stage.send_text(UserRef::Phone(phone), "hello");
    let (refusal, content) = (Refusal::KeyChanged, Content::Text("hello".into()));
    assert_eq!(counter.stage.notices(), [Notice::SendRefused { token, refusal, content }]);
    counter.stage.command(Command::AcceptKey { phone, fingerprint: pinned });
    assert_eq!(counter.stage.notices(), [Notice::KeyMismatch { phone }]);

    counter.stage.command(Command::AcceptKey { phone, fingerprint: offered });
    let failure = Failure::KeyReplaced;
    assert_eq!(
        counter.stage.notices(),
        [
            Notice::KeyAccepted { phone, fingerprint: offered },
            Notice::Failed { ids: ids(&[1]), failure },
        ]
    );
    counter.stage.send_text(UserRef::Phone(phone), "hello");
    assert_eq!(counter.hear_all(), [message(&new_bob, 2)]);
    let last = counter.clerk.last().clone();
    assert_eq!(new_bob.read(last, counter.stage.public_key()).previous(), None);
}

#[test]
fn the_id_of_a_replaced_key_stands_for_nobody_we_know() {
    let (mut counter, bob) = acquainted();
    let new_bob = replace_key(&mut counter, &bob);
    counter.stage.send_text(UserRef::Id(bob.id), "to the old one");
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Id(bob.id))]);
    counter.stage.send_text(UserRef::Id(new_bob.id), "to the new one");
    assert_eq!(counter.hear_all(), [message(&new_bob, 1)]);
}

#[test]
fn another_key_under_the_same_id_is_noticed_by_the_signature() {
    let (mut counter, bob) = acquainted();
    let mut mallory = Peer::new(Profile::Compact, 3);
    (mallory.id, mallory.phone) = (bob.id, bob.phone);
    arrive(&mut counter, &mut mallory, (1, 0), "trust me");
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Id(bob.id))]);
    let answer = counter.clerk.key_of(counter.at(), &mallory);
    counter.say(&answer);
    assert!(matches!(counter.stage.notices()[..], [Notice::KeyChanged { .. }]));
    assert_eq!(counter.stage.delivered()[0].message.trust, Trust::Changed);

    // The server names the true key again: it was pinned all along.
    counter.stage.command(Command::Lookup { phone: bob.phone });
    counter.hear_all();
    let answer = counter.clerk.key_of(counter.at(), &bob);
    counter.say(&answer);
    let withdrawn = Notice::OfferWithdrawn { phone: bob.phone };
    assert!(counter.stage.notices().contains(&withdrawn));
    counter.stage.send_text(UserRef::Id(bob.id), "hello");
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);
}

#[test]
fn one_id_for_two_phones_is_not_believed() {
    let (mut counter, bob) = acquainted();
    let mut mallory = Peer::new(Profile::Compact, 3);
    mallory.id = bob.id;
    counter.stage.command(Command::Lookup { phone: mallory.phone });
    counter.hear_all();
    let answer = counter.clerk.key_of(counter.at(), &mallory);
    counter.say(&answer);
    let (who, failure) = (UserRef::Phone(mallory.phone), LookupFailure::Contradiction);
    assert_eq!(
        counter.stage.notices(),
        [
            Notice::Suspicious(Suspicion::Contradiction { user: bob.id }),
            Notice::LookupFailed { who, failure },
        ]
    );
}

#[test]
fn a_contact_whose_safety_number_was_compared_is_verified() {
    let (mut counter, mut bob) = acquainted();
    let (phone, fingerprint) = (bob.phone, *bob.public_key().fingerprint());
    counter.stage.command(Command::MarkVerified { phone, fingerprint });
    assert_eq!(counter.stage.notices(), [Notice::Verified { phone }]);
    arrive(&mut counter, &mut bob, (1, 0), "hello");
    assert_eq!(counter.stage.delivered()[0].message.trust, Trust::Verified);
}

#[test]
fn the_fingerprint_of_another_key_verifies_nobody() {
    let (mut counter, bob) = acquainted();
    let fingerprint = *Peer::new(Profile::Compact, 3).public_key().fingerprint();
    counter.stage.command(Command::MarkVerified { phone: bob.phone, fingerprint });
    assert_eq!(counter.stage.notices(), [Notice::KeyMismatch { phone: bob.phone }]);
    let contacts = counter.stage.store.inner().load().unwrap().contacts;
    assert_eq!(contacts[0].verification, Verification::FirstUse);
}

#[test]
fn who_was_compared_under_the_old_key_is_not_verified_under_the_new_one() {
    let (mut counter, bob) = acquainted();
    let new_bob = offer_key(&mut counter, &bob);
    let (phone, old) = (bob.phone, *bob.public_key().fingerprint());
    let new = *new_bob.public_key().fingerprint();
    counter.stage.hold_store = true;
    counter.stage.command(Command::AcceptKey { phone, fingerprint: new });
    counter.stage.command(Command::MarkVerified { phone, fingerprint: old });
    counter.stage.release_store();
    assert_eq!(counter.stage.notices(), [Notice::KeyAccepted { phone, fingerprint: new }]);
}

#[test]
fn a_verification_that_is_not_recorded_does_not_count() {
    let (mut counter, mut bob) = acquainted();
    let (phone, fingerprint) = (bob.phone, *bob.public_key().fingerprint());
    counter.stage.fail_store(1, StoreError::Io);
    counter.stage.command(Command::MarkVerified { phone, fingerprint });
    assert_eq!(counter.stage.notices(), [Notice::StoreFailed(StoreError::Io)]);
    arrive(&mut counter, &mut bob, (1, 0), "hello");
    assert_eq!(counter.stage.delivered()[0].message.trust, Trust::FirstUse);
}

#[test]
fn the_answer_to_a_lookup_is_read_however_many_messages_wait_for_it() {
    let limits = Limits { arriving: 2, ..Limits::default() };
    let mut counter = Counter::online(limits);
    let mut bob = bob();
    for id in 1..=6 {
        arrive(&mut counter, &mut bob, (id, id - 1), &id.to_string());
    }
    assert!(!counter.stage.is_paused(counter.conn));
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Id(bob.id))]);
    let answer = counter.clerk.key_of(counter.at(), &bob);
    counter.say(&answer);
    assert_eq!(texts(&counter.stage.delivered()), ["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn a_lookup_has_its_full_time_on_each_connection() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.command(Command::Lookup { phone: bob().phone });
    counter.hear_all();
    counter.stage.pass(Duration::from_secs(8));
    counter.stage.cut(counter.conn);
    counter.come_back();
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Phone(bob().phone))]);
    counter.stage.pass(Duration::from_secs(9));
    assert!(!counter.stage.is_closed(counter.conn));
    counter.stage.pass(Duration::from_secs(1));
    assert!(counter.stage.is_closed(counter.conn));
}

#[test]
fn a_message_under_way_outlives_the_acceptance_of_another_key() {
    let (mut counter, mut bob) = acquainted();
    let mut new_bob = offer_key(&mut counter, &bob);
    counter.stage.hold_jobs = true;
    arrive(&mut counter, &mut bob, (1, 0), "the last of the old");
    let fingerprint = *new_bob.public_key().fingerprint();
    counter.stage.command(Command::AcceptKey { phone: bob.phone, fingerprint });
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|_| {});
    assert_eq!(texts(&counter.stage.delivered()), ["the last of the old"]);
    arrive(&mut counter, &mut new_bob, (1, 0), "the first of the new");
    assert_eq!(texts(&counter.stage.delivered()), ["the first of the new"]);
}

#[test]
fn an_accepted_key_is_durable_though_its_offer_was_not() {
    let (mut counter, bob) = acquainted();
    let mut new_bob = Peer::new(Profile::Compact, 3);
    new_bob.phone = bob.phone;
    counter.stage.command(Command::Lookup { phone: bob.phone });
    counter.hear_all();
    counter.stage.fail_store(1, StoreError::DiskFull);
    let answer = counter.clerk.key_of(counter.at(), &new_bob);
    counter.say(&answer);
    let pinned =
        |counter: &Counter| counter.stage.store.inner().load().unwrap().contacts[0].pinned.user;
    let fingerprint = *new_bob.public_key().fingerprint();
    counter.stage.command(Command::AcceptKey { phone: bob.phone, fingerprint });
    assert_eq!(pinned(&counter), new_bob.id);
    counter.stage.send_text(UserRef::Phone(bob.phone), "hello");
    assert_eq!(counter.hear_all(), [message(&new_bob, 1)]);
}

#[test]
fn a_contact_is_durable_before_anything_is_queued_for_it() {
    let mut counter = Counter::online(Limits::default());
    let bob = bob();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    counter.stage.fail_store(1, StoreError::Busy);
    let answer = counter.clerk.key_of(counter.at(), &bob);
    counter.say(&answer);
    let kept = |counter: &Counter| {
        let store = counter.stage.store.inner();
        (store.load().unwrap().contacts.len(), store.outbox().unwrap().queued)
    };
    assert_eq!(kept(&counter), (0, 0));
    counter.stage.pass(Duration::from_secs(2));
    assert_eq!(kept(&counter), (1, 1));
}

#[test]
fn nothing_is_queued_while_its_contact_is_being_recorded() {
    let mut counter = Counter::online(Limits::default());
    let bob = bob();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    counter.stage.hold_store = true;
    let answer = counter.clerk.key_of(counter.at(), &bob);
    counter.say(&answer);
    let waiting = |counter: &Counter| counter.stage.waiting_ops().cloned().collect::<Vec<_>>();
    assert!(matches!(waiting(&counter)[..], [ClientOp::PinContact { .. }]));
    counter.stage.release_store();
    assert!(matches!(waiting(&counter)[..], [ClientOp::Enqueue(_)]));
}

#[test]
fn a_lookup_behind_much_else_is_waited_for() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.command(Command::Lookup { phone: ClientStage::phone(3) });
    for id in 1..=4 {
        counter.stage.pass(Duration::from_secs(8));
        arrive(&mut counter, &mut bob, (id, id - 1), "more");
    }
    assert!(!counter.stage.is_closed(counter.conn), "the connection is alive");
    counter.stage.pass(Duration::from_secs(11));
    assert!(counter.stage.is_closed(counter.conn), "and now it is silent");
}

#[test]
fn a_lookup_behind_messages_of_ours_has_their_minute() {
    let (mut counter, bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "much to read");
    counter.stage.command(Command::Lookup { phone: ClientStage::phone(3) });
    counter.stage.pass(Duration::from_secs(59));
    assert!(!counter.stage.is_closed(counter.conn));
    counter.stage.pass(Duration::from_secs(1));
    assert!(counter.stage.is_closed(counter.conn));
}
