//! The client machine: pinned keys, changed keys and forgotten contacts (PROTOCOL 5.1).

use std::time::Duration;

use sealpost_core::client::store::{
    ClientOp, Content, Draft, DraftId, Failure, Trust, Verification,
};
use sealpost_core::client::{
    Command, Limits, LookupFailure, Notice, SendRefusal, Suspicion, Token,
};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::{EndpointIndex, MessageId, UserId, UserRef};
use sealpost_core::keys::Fingerprint;
use sealpost_core::wire::{ErrorCode, Profile};
use sealpost_storage::Storage;
use sealpost_storage::client::ClientStorage;
use sealpost_tests::client_fixture::{
    ClientFixture, bob, client_knowing_bob, ids, me, message, receipt, receive_message,
    session_error, texts,
};
use sealpost_tests::scripted_peer::ScriptedPeer;
use sealpost_tests::scripted_server::Request;

/// Has the server answer a look-up of bob's phone with another user.
fn offer_key(fixture: &mut ClientFixture, bob: &ScriptedPeer) -> ScriptedPeer {
    let mut new_bob = ScriptedPeer::new(Profile::Compact, 3);
    new_bob.phone = bob.phone;
    fixture.add_contact(&new_bob);
    new_bob
}

/// Has the server answer with another user for bob's phone, whom the application accepts.
fn replace_key(fixture: &mut ClientFixture, bob: &ScriptedPeer) -> ScriptedPeer {
    let new_bob = offer_key(fixture, bob);
    let fingerprint = *new_bob.public_key().fingerprint();
    fixture.bed.command(Command::AcceptKey { phone: bob.phone, fingerprint });
    fixture.bed.take_notices();
    new_bob
}

#[test]
fn under_a_changed_key_messages_are_shown_so_and_nothing_is_sent_until_it_is_accepted() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "for the old key");
    fixture.receive_all();
    fixture.bed.take_notices();
    // The same phone, registered again: another id, another key.
    let mut new_bob = ScriptedPeer::new(Profile::Compact, 3);
    new_bob.phone = bob.phone;
    receive_message(&mut fixture, &mut new_bob, (1, 0), "it's me");
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Id(new_bob.id))]);
    let answer = fixture.server.public_key_of(fixture.now(), &new_bob);
    fixture.send(&answer);
    let (pinned, offered) = (*bob.public_key().fingerprint(), *new_bob.public_key().fingerprint());
    let phone = bob.phone;
    assert_eq!(fixture.bed.take_notices(), [Notice::KeyChanged { phone, pinned, offered }]);
    let delivered = fixture.bed.take_delivered();
    assert_eq!(texts(&delivered), ["it's me"]);
    assert_eq!(delivered[0].message.trust, Trust::Changed);
    assert_eq!(fixture.receive_all(), [receipt(&new_bob, 1, &[1])]);

    let to = UserRef::Phone(phone);
    let token = fixture.bed.send_text(to, "hello");
    let (refusal, content) = (SendRefusal::KeyChanged, Content::Text("hello".into()));
    assert_eq!(fixture.bed.take_notices(), [Notice::SendRefused { token, to, refusal, content }]);
    fixture.bed.command(Command::AcceptKey { phone, fingerprint: pinned });
    assert_eq!(fixture.bed.take_notices(), [Notice::KeyMismatch { phone }]);

    fixture.bed.command(Command::AcceptKey { phone, fingerprint: offered });
    let failure = Failure::KeyReplaced;
    assert_eq!(
        fixture.bed.take_notices(),
        [
            Notice::KeyAccepted { phone, fingerprint: offered },
            Notice::Failed { ids: ids(&[1]), failure },
        ]
    );
    fixture.bed.send_text(UserRef::Phone(phone), "hello");
    assert_eq!(fixture.receive_all(), [message(&new_bob, 2)]);
    let last = fixture.server.last_request().clone();
    assert_eq!(new_bob.open_message(last, fixture.bed.public_key()).previous(), None);
}

#[test]
fn the_user_id_of_a_replaced_key_belongs_to_no_contact() {
    let (mut fixture, bob) = client_knowing_bob();
    let new_bob = replace_key(&mut fixture, &bob);
    fixture.bed.send_text(UserRef::Id(bob.id), "to the old one");
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Id(bob.id))]);
    fixture.bed.send_text(UserRef::Id(new_bob.id), "to the new one");
    assert_eq!(fixture.receive_all(), [message(&new_bob, 1)]);
}

#[test]
fn another_key_under_the_same_id_is_noticed_by_the_signature() {
    let (mut fixture, bob) = client_knowing_bob();
    let mut mallory = ScriptedPeer::new(Profile::Compact, 3);
    (mallory.id, mallory.phone) = (bob.id, bob.phone);
    receive_message(&mut fixture, &mut mallory, (1, 0), "trust me");
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Id(bob.id))]);
    let answer = fixture.server.public_key_of(fixture.now(), &mallory);
    fixture.send(&answer);
    assert!(matches!(fixture.bed.take_notices()[..], [Notice::KeyChanged { .. }]));
    assert_eq!(fixture.bed.take_delivered()[0].message.trust, Trust::Changed);

    // The server answers with the right key again, which was still pinned.
    fixture.bed.command(Command::Lookup { phone: bob.phone });
    fixture.receive_all();
    let answer = fixture.server.public_key_of(fixture.now(), &bob);
    fixture.send(&answer);
    let withdrawn = Notice::OfferWithdrawn { phone: bob.phone };
    assert!(fixture.bed.take_notices().contains(&withdrawn));
    fixture.bed.send_text(UserRef::Id(bob.id), "hello");
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
}

#[test]
fn one_user_id_for_two_phones_is_rejected() {
    let (mut fixture, bob) = client_knowing_bob();
    let mut mallory = ScriptedPeer::new(Profile::Compact, 3);
    mallory.id = bob.id;
    fixture.bed.command(Command::Lookup { phone: mallory.phone });
    fixture.receive_all();
    let answer = fixture.server.public_key_of(fixture.now(), &mallory);
    fixture.send(&answer);
    let (who, failure) = (UserRef::Phone(mallory.phone), LookupFailure::Contradiction);
    assert_eq!(
        fixture.bed.take_notices(),
        [
            Notice::Suspicious { suspicion: Suspicion::Contradiction { user: bob.id } },
            Notice::LookupFailed { who, failure },
        ]
    );
}

#[test]
fn a_contact_whose_safety_number_was_compared_is_verified() {
    let (mut fixture, mut bob) = client_knowing_bob();
    let (phone, fingerprint) = (bob.phone, *bob.public_key().fingerprint());
    fixture.bed.command(Command::MarkVerified { phone, fingerprint });
    assert_eq!(fixture.bed.take_notices(), [Notice::Verified { phone }]);
    receive_message(&mut fixture, &mut bob, (1, 0), "hello");
    assert_eq!(fixture.bed.take_delivered()[0].message.trust, Trust::Verified);
}

#[test]
fn the_fingerprint_of_another_key_verifies_nobody() {
    let (mut fixture, bob) = client_knowing_bob();
    let fingerprint = *ScriptedPeer::new(Profile::Compact, 3).public_key().fingerprint();
    fixture.bed.command(Command::MarkVerified { phone: bob.phone, fingerprint });
    assert_eq!(fixture.bed.take_notices(), [Notice::KeyMismatch { phone: bob.phone }]);
    let contacts = fixture.bed.store.inner().load().unwrap().contacts;
    assert_eq!(contacts[0].verification, Verification::FirstUse);
}

#[test]
fn a_contact_verified_under_the_old_key_is_not_verified_under_the_new_one() {
    let (mut fixture, bob) = client_knowing_bob();
    let new_bob = offer_key(&mut fixture, &bob);
    let (phone, old) = (bob.phone, *bob.public_key().fingerprint());
    let new = *new_bob.public_key().fingerprint();
    fixture.bed.hold_store = true;
    fixture.bed.command(Command::AcceptKey { phone, fingerprint: new });
    fixture.bed.command(Command::MarkVerified { phone, fingerprint: old });
    fixture.bed.release_store();
    assert_eq!(fixture.bed.take_notices(), [Notice::KeyAccepted { phone, fingerprint: new }]);
}

#[test]
fn a_verification_that_is_not_recorded_does_not_count() {
    let (mut fixture, mut bob) = client_knowing_bob();
    let (phone, fingerprint) = (bob.phone, *bob.public_key().fingerprint());
    fixture.bed.fail_store(1, StoreError::Io);
    fixture.bed.command(Command::MarkVerified { phone, fingerprint });
    assert_eq!(fixture.bed.take_notices(), [Notice::StoreFailed { error: StoreError::Io }]);
    receive_message(&mut fixture, &mut bob, (1, 0), "hello");
    assert_eq!(fixture.bed.take_delivered()[0].message.trust, Trust::FirstUse);
}

#[test]
fn a_forgotten_contact_is_trusted_on_first_use_again() {
    let (mut fixture, mut bob) = client_knowing_bob();
    let (phone, fingerprint) = (bob.phone, *bob.public_key().fingerprint());
    fixture.bed.command(Command::MarkVerified { phone, fingerprint });
    let new_bob = offer_key(&mut fixture, &bob);
    fixture.bed.take_notices();
    fixture.bed.command(Command::Forget { phone });
    assert_eq!(fixture.bed.take_notices(), [Notice::Forgotten { phone }]);
    assert_eq!(fixture.bed.store.inner().load().unwrap().contacts, []);
    // Nothing is offered any more: whoever the server names is pinned, and has the message.
    fixture.bed.send_text(UserRef::Phone(phone), "hello");
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Phone(phone))]);
    let answer = fixture.server.public_key_of(fixture.now(), &new_bob);
    fixture.send(&answer);
    assert_eq!(fixture.receive_all(), [message(&new_bob, 1)]);
    let contacts = fixture.bed.store.inner().load().unwrap().contacts;
    assert_eq!(contacts[0].verification, Verification::FirstUse);
    // The one who was forgotten is a stranger.
    fixture.bed.take_notices();
    receive_message(&mut fixture, &mut bob, (1, 0), "it is me");
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Id(bob.id))]);
    assert_eq!(fixture.bed.take_delivered(), []);
}

#[test]
fn a_receipt_of_a_forgotten_contact_counts_for_what_was_sent_before() {
    let (mut fixture, mut bob) = client_knowing_bob();
    let (phone, recipient) = (bob.phone, bob.id);
    fixture.bed.send_text(UserRef::Phone(phone), "hello");
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    let stored = fixture.server.stored(fixture.now(), &[(bob.id, MessageId(1))]);
    fixture.send(&stored);
    fixture.bed.command(Command::Forget { phone });
    fixture.bed.take_notices();
    let receipt = bob.receipt(fixture.now(), me(), 5, &[1]);
    fixture.send(&receipt);
    let delivered = Notice::Delivered { recipient, ids: ids(&[1]) };
    assert_eq!(fixture.bed.take_notices(), [delivered]);
}

#[test]
fn what_is_held_back_for_a_forgotten_contact_is_decided_by_the_server() {
    let (mut fixture, bob) = client_knowing_bob();
    let phone = bob.phone;
    fixture.bed.send_text(UserRef::Phone(phone), "hello");
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    session_error(&mut fixture, ErrorCode::UnknownUser);
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Phone(phone))]);
    fixture.bed.take_notices();
    fixture.bed.command(Command::Forget { phone });
    assert_eq!(fixture.bed.take_notices(), [Notice::Forgotten { phone }]);
    assert_eq!(fixture.receive_all(), [message(&bob, 1)], "once more");
    session_error(&mut fixture, ErrorCode::UnknownUser);
    let failed = Notice::Failed { ids: ids(&[1]), failure: Failure::UnknownUser };
    assert_eq!(fixture.bed.take_notices(), [failed]);
}

#[test]
fn what_is_kept_for_a_forgotten_contact_is_given_back() {
    let (mut fixture, bob) = client_knowing_bob();
    let phone = bob.phone;
    fixture.bed.cut(fixture.conn);
    let to = UserRef::Phone(phone);
    let token = fixture.bed.send_text(to, "hello");
    fixture.bed.take_notices();
    fixture.bed.fail_store(1, StoreError::Io);
    fixture.bed.command(Command::Forget { phone });
    assert_eq!(fixture.bed.take_notices(), [Notice::StoreFailed { error: StoreError::Io }]);
    fixture.bed.command(Command::Forget { phone });
    let (refusal, content) = (SendRefusal::Cancelled, Content::Text("hello".into()));
    let refused = Notice::SendRefused { token, to, refusal, content };
    assert_eq!(fixture.bed.take_notices(), [Notice::Forgotten { phone }, refused]);
    assert_eq!(fixture.bed.store.inner().load().unwrap().drafts, []);
}

#[test]
fn a_message_under_way_outlives_the_acceptance_of_another_key() {
    let (mut fixture, mut bob) = client_knowing_bob();
    let mut new_bob = offer_key(&mut fixture, &bob);
    fixture.bed.hold_jobs = true;
    receive_message(&mut fixture, &mut bob, (1, 0), "the last of the old");
    let fingerprint = *new_bob.public_key().fingerprint();
    fixture.bed.command(Command::AcceptKey { phone: bob.phone, fingerprint });
    fixture.bed.hold_jobs = false;
    fixture.bed.release_jobs(|_| {});
    assert_eq!(texts(&fixture.bed.take_delivered()), ["the last of the old"]);
    receive_message(&mut fixture, &mut new_bob, (1, 0), "the first of the new");
    assert_eq!(texts(&fixture.bed.take_delivered()), ["the first of the new"]);
}

#[test]
fn a_restarted_client_names_each_offered_key_again_for_which_messages_wait() {
    let (mut fixture, bob) = client_knowing_bob();
    for text in ["one", "two"] {
        fixture.bed.send_text(UserRef::Phone(bob.phone), text);
    }
    // Carol is a contact to whom nothing waits.
    let carol = ScriptedPeer::new(Profile::Compact, 4);
    fixture.receive_all();
    fixture.add_contact(&carol);
    let new_bob = offer_key(&mut fixture, &bob);
    let mut new_carol = ScriptedPeer::new(Profile::Compact, 3);
    (new_carol.id, new_carol.phone) = (UserId::new(40).unwrap(), carol.phone);
    fixture.add_contact(&new_carol);
    let (pinned, offered) = (*bob.public_key().fingerprint(), *new_bob.public_key().fingerprint());
    let phone = bob.phone;
    for _ in 0..2 {
        fixture.bed = fixture.bed.restart();
        fixture.bed.command(Command::Connect);
        assert_eq!(fixture.bed.take_notices(), [Notice::KeyChanged { phone, pinned, offered }]);
        fixture.connect();
        fixture.grant_session(0);
        assert_eq!(
            fixture.bed.take_notices(),
            [Notice::Online { pending: Some(0), endpoint: EndpointIndex(0) }],
            "once"
        );
    }
    fixture.bed.command(Command::AcceptKey { phone, fingerprint: offered });
    fixture.bed = fixture.bed.restart();
    fixture.bed.command(Command::Connect);
    assert_eq!(fixture.bed.take_notices(), []);
}

#[test]
fn a_key_for_which_a_draft_waits_can_be_accepted_before_the_client_is_online() {
    let (mut fixture, bob) = client_knowing_bob();
    let mut new_bob = offer_key(&mut fixture, &bob);
    let (id, to) = (DraftId(1), UserRef::Phone(bob.phone));
    let draft = Draft { id, token: Token(9), to, key: None, content: Content::Text("kept".into()) };
    fixture.bed.store.commit(&[ClientOp::KeepDrafts(vec![draft])], &mut Vec::new());
    fixture.bed = fixture.bed.restart();
    let (phone, fingerprint) = (bob.phone, *new_bob.public_key().fingerprint());
    fixture.bed.command(Command::AcceptKey { phone, fingerprint });
    let notices = fixture.bed.take_notices();
    assert!(matches!(notices[..], [Notice::KeyChanged { .. }, Notice::KeyAccepted { .. }]));
    fixture.bed.command(Command::Connect);
    fixture.connect();
    fixture.grant_session(0);
    assert_eq!(fixture.receive_all(), [message(&new_bob, 1)]);
    let last = fixture.server.last_request().clone();
    let opened = new_bob.open_message(last, fixture.bed.public_key());
    assert_eq!(opened.into_content(), b"kept");
}

#[test]
fn an_accepted_key_is_durable_though_its_offer_was_not() {
    let (mut fixture, bob) = client_knowing_bob();
    let mut new_bob = ScriptedPeer::new(Profile::Compact, 3);
    new_bob.phone = bob.phone;
    fixture.bed.command(Command::Lookup { phone: bob.phone });
    fixture.receive_all();
    fixture.bed.fail_store(1, StoreError::DiskFull);
    let answer = fixture.server.public_key_of(fixture.now(), &new_bob);
    fixture.send(&answer);
    let pinned =
        |fixture: &ClientFixture| fixture.bed.store.inner().load().unwrap().contacts[0].pinned.user;
    let fingerprint = *new_bob.public_key().fingerprint();
    fixture.bed.command(Command::AcceptKey { phone: bob.phone, fingerprint });
    assert_eq!(pinned(&fixture), new_bob.id);
    fixture.bed.send_text(UserRef::Phone(bob.phone), "hello");
    assert_eq!(fixture.receive_all(), [message(&new_bob, 1)]);
}

#[test]
fn a_contact_is_durable_before_anything_is_queued_for_it() {
    let mut fixture = ClientFixture::online(Limits::default());
    let bob = bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    fixture.receive_all();
    fixture.bed.fail_store(1, StoreError::Busy);
    let answer = fixture.server.public_key_of(fixture.now(), &bob);
    fixture.send(&answer);
    let kept = |fixture: &ClientFixture| {
        let store = fixture.bed.store.inner();
        let snapshot = store.load().unwrap();
        (snapshot.contacts.len(), snapshot.outbox.len())
    };
    assert_eq!(kept(&fixture), (0, 0));
    fixture.bed.advance(Duration::from_secs(2));
    assert_eq!(kept(&fixture), (1, 1));
}

#[test]
fn nothing_is_queued_while_its_contact_is_being_recorded() {
    let mut fixture = ClientFixture::online(Limits::default());
    let bob = bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    fixture.receive_all();
    fixture.bed.hold_store = true;
    let answer = fixture.server.public_key_of(fixture.now(), &bob);
    fixture.send(&answer);
    let waiting = |fixture: &ClientFixture| fixture.bed.waiting_ops().cloned().collect::<Vec<_>>();
    assert!(matches!(waiting(&fixture)[..], [ClientOp::PinContact { .. }]));
    fixture.bed.release_store();
    assert!(matches!(waiting(&fixture)[..], [ClientOp::Enqueue(_)]));
}

#[test]
fn a_message_for_a_key_reaches_nobody_else() {
    let mut fixture = ClientFixture::online(Limits::default());
    let bob = bob();
    let (phone, key) = (bob.phone, *bob.public_key().fingerprint());
    let send = |token, key| Command::SendToKey {
        token: Token(token),
        phone,
        key,
        content: Content::Text("hello".into()),
    };
    let refused = |token| Notice::SendRefused {
        token: Token(token),
        to: UserRef::Phone(phone),
        refusal: SendRefusal::OtherKey,
        content: Content::Text("hello".into()),
    };
    // The recipient is not known yet, and the server names a key of its own.
    let other = Fingerprint([9; 32]);
    fixture.bed.command(send(71, other));
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Phone(phone))]);
    // The draft is kept with its key.
    fixture.bed = fixture.bed.restart();
    fixture.bed.take_notices();
    fixture.bed.command(Command::Connect);
    fixture.connect();
    fixture.grant_session(0);
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Phone(phone))]);
    fixture.bed.take_notices();
    let answer = fixture.server.public_key_of(fixture.now(), &bob);
    fixture.send(&answer);
    assert_eq!(fixture.bed.take_notices(), [refused(71)]);
    assert_eq!(fixture.receive_all(), []);
    assert_eq!(fixture.bed.store.inner().load().unwrap().drafts, []);

    fixture.bed.command(send(72, key));
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    fixture.bed.take_notices();
    fixture.bed.command(send(73, other));
    assert_eq!((fixture.bed.take_notices(), fixture.receive_all()), (vec![refused(73)], vec![]));
}
