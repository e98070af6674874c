//! The client machine: accounts that the server has lost, and people who have registered again
//! (PROTOCOL 4.3, 5.1, 6.2).
#![expect(clippy::unwrap_used, reason = "a helper fails its test by panicking")]

use std::time::Duration;

use sealpost_core::client::store::{Failure, Trust, Verification};
use sealpost_core::client::{Command, Notice, OfflineReason, RegistrationFailure, Suspicion};
use sealpost_core::ids::{EndpointIndex, MessageId, UserId, UserRef};
use sealpost_core::wire::{ErrorCode, ErrorForm, Otp, Packet, Profile};
use sealpost_storage::client::ClientStorage;
use sealpost_tests::beds::ClientBed;
use sealpost_tests::client_fixture::{
    ClientFixture, client_knowing_bob, ids, me, message, receipt, receive_message, session_error,
    texts,
};
use sealpost_tests::scripted_peer::ScriptedPeer;
use sealpost_tests::scripted_server::Request;

fn user(id: u64) -> UserId {
    UserId::new(id).unwrap()
}

/// The server answers the client's 106 with `UnknownUser`.
fn deny_account(fixture: &mut ClientFixture) {
    let asked = fixture.receive();
    assert!(matches!(asked, Some(Request::Reconnect(Some(_), ..))), "{asked:?}");
    let unknown = fixture.server.error(fixture.now(), ErrorForm::ReplyKey, ErrorCode::UnknownUser);
    fixture.send(&unknown);
}

/// A client that knows bob, that has sent him message 1, and that the server does not know any more.
/// Returns the packet of the message.
fn lost() -> (ClientFixture, ScriptedPeer, Packet) {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "one");
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    let packet = fixture.server.last_request().clone();
    fixture.bed.cut(fixture.conn);
    fixture.redial();
    deny_account(&mut fixture);
    fixture.bed.take_notices();
    (fixture, bob, packet)
}

/// Registers the client again, as a user with this id.
fn register_again(fixture: &mut ClientFixture, id: UserId) {
    fixture.bed.command(Command::Register { invitation: None });
    fixture.connect();
    deny_account(fixture);
    fixture.redial();
    assert_eq!(fixture.receive(), Some(Request::Register(ClientBed::phone(1))));
    let otp = Otp::from_number(42_137);
    let issued = fixture.server.otp_issued(fixture.now(), otp.clone());
    fixture.send(&issued);
    let confirm = Request::Confirm(ClientBed::phone(1), otp.unwrap());
    assert_eq!(fixture.receive(), Some(confirm));
    fixture.server.user = id;
    let issued = fixture.server.session_issued(fixture.now());
    fixture.send(&issued);
}

#[test]
fn a_lost_account_is_registered_again_and_its_messages_are_signed_for_the_new_id() {
    let (mut fixture, bob, before) = lost();
    fixture.bed.advance(Duration::from_mins(1));
    register_again(&mut fixture, user(5));
    let notices = fixture.bed.take_notices();
    assert!(notices.contains(&Notice::Registered { user: user(5) }), "{notices:?}");
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    let after = fixture.server.last_request();
    assert_eq!((after.header().sender, before.header().sender), (Some(user(5)), Some(me())));
    assert_eq!(after.payload(), before.payload(), "its number among them");
    assert_eq!(after.header().timestamp, before.header().timestamp);
    // The store has the new packet and id, also for the next process.
    let after = after.clone();
    fixture.bed = fixture.bed.restart();
    fixture.bed.command(Command::Connect);
    fixture.connect();
    fixture.grant_session(0);
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    assert_eq!(*fixture.server.last_request(), after);
    fixture.bed.send_text(UserRef::Id(bob.id), "two");
    assert_eq!(fixture.receive_all(), [message(&bob, 2)]);
}

#[test]
fn nothing_overtakes_what_is_signed_again() {
    let (mut fixture, bob, _) = lost();
    for text in ["two", "three"] {
        fixture.bed.send_text(UserRef::Id(bob.id), text);
    }
    register_again(&mut fixture, user(5));
    fixture.bed.send_text(UserRef::Id(bob.id), "four");
    let sent = [1, 2, 3, 4].map(|id| message(&bob, id));
    assert_eq!(fixture.receive_all(), sent);
}

#[test]
fn an_account_that_the_server_knows_is_not_registered_again() {
    let mut fixture = ClientFixture::online(sealpost_core::client::Limits::default());
    fixture.bed = fixture.bed.restart();
    fixture.bed.command(Command::Register { invitation: None });
    fixture.connect();
    fixture.grant_session(0);
    assert_eq!(
        fixture.bed.take_notices(),
        [Notice::Online { pending: Some(0), endpoint: EndpointIndex(0) }]
    );
    assert_eq!(fixture.receive_all(), []);
}

#[test]
fn a_number_that_somebody_else_has_registered_meanwhile_is_told() {
    let (mut fixture, ..) = lost();
    fixture.bed.command(Command::Register { invitation: None });
    fixture.connect();
    deny_account(&mut fixture);
    fixture.redial();
    fixture.receive();
    let rejected = fixture.server.registration_rejected(fixture.now());
    fixture.send(&rejected);
    let asked = fixture.receive();
    assert!(matches!(asked, Some(Request::Reconnect(None, ..))), "{asked:?}");
    let (form, code) = (ErrorForm::ReplyKey, ErrorCode::BadSignature);
    let refused = fixture.server.error(fixture.now(), form, code);
    fixture.send(&refused);
    let failure = RegistrationFailure::PhoneTaken;
    assert!(fixture.bed.take_notices().contains(&Notice::RegistrationFailed { failure }));
}

#[test]
fn a_session_for_another_id_than_the_request_names_is_refused() {
    let (mut fixture, _) = client_knowing_bob();
    fixture.bed.cut(fixture.conn);
    fixture.bed.take_notices();
    fixture.server.user = user(5);
    fixture.reconnect();
    let suspicion = Suspicion::UnaskedAnswer;
    assert!(fixture.bed.take_notices().contains(&Notice::Suspicious { suspicion }));
    assert_eq!(fixture.bed.store.inner().load().unwrap().account.user, Some(me()));
}

#[test]
fn a_contact_with_a_new_id_is_found_and_gets_what_waited() {
    let (mut fixture, mut bob) = client_knowing_bob();
    let fingerprint = *bob.public_key().fingerprint();
    fixture.bed.command(Command::MarkVerified { phone: bob.phone, fingerprint });
    fixture.bed.take_notices();
    for text in ["one", "two"] {
        fixture.bed.send_text(UserRef::Phone(bob.phone), text);
    }
    assert_eq!(fixture.receive_all(), [message(&bob, 1), message(&bob, 2)]);
    let before = fixture.server.last_request().clone();
    fixture.bed.take_notices();
    session_error(&mut fixture, ErrorCode::UnknownUser);
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Phone(bob.phone))]);
    bob.id = user(9);
    let found = fixture.server.public_key_of(fixture.now(), &bob);
    fixture.send(&found);
    let moved = Notice::Moved { phone: bob.phone, user: bob.id };
    assert_eq!(fixture.bed.take_notices(), [moved]);
    // The second one was refused, the first one may have arrived under the former id.
    assert_eq!(fixture.receive_all(), []);
    let stored = fixture.server.stored(fixture.now(), &[(user(2), MessageId(1))]);
    fixture.send(&stored);
    assert_eq!(fixture.receive_all(), [message(&bob, 2)]);
    assert_eq!(fixture.server.last_request().payload(), before.payload());
    let contact = &fixture.bed.store.inner().load().unwrap().contacts[0];
    let known = (contact.pinned.user, contact.verification);
    assert_eq!(known, (bob.id, Verification::Verified));
}

#[test]
fn nothing_overtakes_what_is_in_flight_to_a_former_id() {
    let (mut fixture, mut bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Phone(bob.phone), "one");
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    let first = fixture.server.last_request().request_hash().in_reply_to();
    fixture.bed.send_text(UserRef::Phone(bob.phone), "two");
    assert_eq!(fixture.receive_all(), [message(&bob, 2)]);
    session_error(&mut fixture, ErrorCode::UnknownUser);
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Phone(bob.phone))]);
    bob.id = user(9);
    let found = fixture.server.public_key_of(fixture.now(), &bob);
    fixture.send(&found);
    fixture.bed.send_text(UserRef::Phone(bob.phone), "three");
    assert_eq!(fixture.receive_all(), [], "the first one is not refused yet");
    let (form, code) = (ErrorForm::SessionKey, ErrorCode::UnknownUser);
    let refused = fixture.server.error_to(fixture.now(), form, code, first);
    fixture.send(&refused);
    assert_eq!(fixture.receive_all(), [1, 2, 3].map(|id| message(&bob, id)));
}

#[test]
fn another_key_is_offered_and_nothing_is_sent_for_it() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Phone(bob.phone), "one");
    fixture.receive_all();
    fixture.bed.take_notices();
    session_error(&mut fixture, ErrorCode::UnknownUser);
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Phone(bob.phone))]);
    let mut new_bob = ScriptedPeer::new(Profile::Compact, 3);
    new_bob.phone = bob.phone;
    let found = fixture.server.public_key_of(fixture.now(), &new_bob);
    fixture.send(&found);
    let pinned = *bob.public_key().fingerprint();
    let offered = *new_bob.public_key().fingerprint();
    let changed = Notice::KeyChanged { phone: bob.phone, pinned, offered };
    assert_eq!(fixture.bed.take_notices(), [changed]);
    fixture.bed.advance(Duration::from_hours(1));
    assert_eq!(fixture.receive_all(), []);
    fixture.bed.command(Command::AcceptKey { phone: bob.phone, fingerprint: offered });
    let failed = Notice::Failed { ids: ids(&[1]), failure: Failure::KeyReplaced };
    assert!(fixture.bed.take_notices().contains(&failed));
}

#[test]
fn a_server_that_denies_everybody_is_asked_rarely() {
    let (mut fixture, bob) = client_knowing_bob();
    let mut lookups = 0;
    for id in 1..=100 {
        fixture.bed.send_text(UserRef::Phone(bob.phone), "text");
        assert_eq!(fixture.receive(), Some(message(&bob, id)));
        session_error(&mut fixture, ErrorCode::UnknownUser);
        if let Some(asked) = fixture.receive() {
            assert_eq!(asked, Request::Lookup(UserRef::Phone(bob.phone)));
            lookups += 1;
            session_error(&mut fixture, ErrorCode::UnknownUser);
        }
        let failed = Notice::Failed { ids: ids(&[id]), failure: Failure::UnknownUser };
        assert!(fixture.bed.take_notices().contains(&failed), "message {id}");
        fixture.bed.advance(Duration::from_mins(1));
    }
    assert!((1..20).contains(&lookups), "{lookups} look-ups");
}

#[test]
fn a_message_under_a_new_id_is_the_contacts_and_one_under_the_former_id_too() {
    let (mut fixture, mut bob) = client_knowing_bob();
    receive_message(&mut fixture, &mut bob, (7, 0), "first");
    assert_eq!(fixture.receive_all(), [receipt(&bob, 1, &[7])]);
    bob.id = user(9);
    let packet = receive_message(&mut fixture, &mut bob, (8, 7), "second");
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Id(user(9)))]);
    fixture.bed.take_notices();
    let found = fixture.server.public_key_of(fixture.now(), &bob);
    fixture.send(&found);
    let moved = Notice::Moved { phone: bob.phone, user: bob.id };
    assert_eq!(fixture.bed.take_notices(), [moved]);
    assert_eq!(fixture.receive_all(), [receipt(&bob, 2, &[8])]);
    let items = fixture.bed.take_delivered();
    assert_eq!(texts(&items), ["first", "second"]);
    assert!(items.iter().all(|item| item.message.trust == Trust::FirstUse));
    fixture.send(&packet);
    bob.id = user(2);
    receive_message(&mut fixture, &mut bob, (6, 0), "sent before");
    assert_eq!(texts(&fixture.bed.take_delivered()), ["sent before"]);
}

#[test]
fn a_message_that_was_signed_again_is_acknowledged_and_not_delivered_twice() {
    let (mut fixture, mut bob) = client_knowing_bob();
    receive_message(&mut fixture, &mut bob, (7, 0), "hello");
    fixture.receive_all();
    bob.id = user(9);
    fixture.add_contact(&bob);
    receive_message(&mut fixture, &mut bob, (7, 0), "hello");
    assert_eq!(fixture.receive_all(), [receipt(&bob, 2, &[7])]);
    assert_eq!(texts(&fixture.bed.take_delivered()), ["hello"]);
}

/// A client with receipts of bob that are overdue, in a session.
fn overdue() -> (ClientFixture, ScriptedPeer) {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Phone(bob.phone), "one");
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    let stored = fixture.server.stored(fixture.now(), &[(bob.id, MessageId(1))]);
    fixture.send(&stored);
    fixture.bed = fixture.bed.restart();
    fixture.bed.advance(Duration::from_hours(24));
    fixture.bed.command(Command::Connect);
    fixture.connect();
    fixture.grant_session(0);
    (fixture, bob)
}

#[test]
fn nothing_is_given_up_if_a_contact_whose_receipts_are_overdue_has_the_same_id() {
    let (mut fixture, bob) = overdue();
    fixture.bed.send_text(UserRef::Phone(bob.phone), "two");
    assert_eq!(fixture.receive(), Some(Request::Lookup(UserRef::Phone(bob.phone))));
    let found = fixture.server.public_key_of(fixture.now(), &bob);
    assert_eq!(fixture.receive_all(), [message(&bob, 2)]);
    fixture.bed.take_notices();
    fixture.send(&found);
    assert_eq!(fixture.bed.take_notices(), []);
    let stored = fixture.server.stored(fixture.now(), &[(bob.id, MessageId(2))]);
    fixture.send(&stored);
    assert_eq!(fixture.bed.take_notices(), [Notice::Stored { ids: ids(&[2]) }]);
}

#[test]
fn a_contact_whose_receipts_are_overdue_is_looked_up_again() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Phone(bob.phone), "one");
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    let stored = fixture.server.stored(fixture.now(), &[(bob.id, MessageId(1))]);
    fixture.send(&stored);
    fixture.bed.advance(Duration::from_hours(1));
    fixture.bed.send_text(UserRef::Phone(bob.phone), "two");
    assert_eq!(fixture.receive_all(), [message(&bob, 2)], "it is early");
    fixture.bed.cut(fixture.conn);
    fixture.bed = fixture.bed.restart();
    fixture.bed.advance(Duration::from_hours(24));
    fixture.bed.command(Command::Connect);
    fixture.connect();
    fixture.grant_session(0);
    fixture.receive_all();
    fixture.bed.send_text(UserRef::Phone(bob.phone), "three");
    let sent = fixture.receive_all();
    assert!(sent.contains(&Request::Lookup(UserRef::Phone(bob.phone))), "{sent:?}");
}

#[test]
fn the_account_is_not_given_up_by_itself() {
    let (mut fixture, ..) = lost();
    fixture.bed.command(Command::Connect);
    fixture.connect();
    deny_account(&mut fixture);
    let reason = OfflineReason::NotRegistered;
    assert_eq!(fixture.bed.take_notices(), [Notice::Offline { reason, retry_in: None }]);
    assert_eq!(fixture.bed.try_accept_dial(), None);
}
