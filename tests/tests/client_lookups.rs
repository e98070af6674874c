//! The client machine: look-ups (PROTOCOL 5.1).

use std::time::Duration;

use sealpost_core::client::store::{Content, Verification};
use sealpost_core::client::{Command, Limits, LookupFailure, Notice, SendRefusal, Suspicion};
use sealpost_core::ids::{MessageId, UserId, UserRef};
use sealpost_core::wire::{ErrorCode, Profile};
use sealpost_tests::beds::ClientBed;
use sealpost_tests::client_fixture::{
    ClientFixture, bob, client_knowing_bob, message, receive_message, session_error, texts,
};
use sealpost_tests::scripted_peer::ScriptedPeer;
use sealpost_tests::scripted_server::Request;

#[test]
fn a_stranger_is_looked_up_before_the_first_message() {
    let mut fixture = ClientFixture::online(Limits::default());
    let bob = bob();
    let token = fixture.bed.send_text(UserRef::Phone(bob.phone), "hello");
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Phone(bob.phone))]);
    let answer = fixture.server.public_key_of(fixture.now(), &bob);
    fixture.send(&answer);
    let queued = Notice::Queued { token, id: MessageId(1) };
    assert_eq!(fixture.bed.take_notices(), [Notice::Kept { token }, queued]);
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);

    let token = fixture.bed.send_text(UserRef::Id(UserId::new(9).unwrap()), "hello");
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Id(UserId::new(9).unwrap()))]);
    session_error(&mut fixture, ErrorCode::UnknownUser);
    let content = Content::Text("hello".into());
    let to = UserRef::Id(UserId::new(9).unwrap());
    let refused = Notice::SendRefused { token, to, refusal: SendRefusal::UnknownUser, content };
    assert_eq!(fixture.bed.take_notices(), [Notice::Kept { token }, refused]);
}

#[test]
fn a_rate_limited_lookup_is_repeated_later() {
    let mut fixture = ClientFixture::online(Limits::default());
    let bob = bob();
    fixture.bed.command(Command::Lookup { phone: bob.phone });
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Phone(bob.phone))]);
    session_error(&mut fixture, ErrorCode::RateLimited);
    assert_eq!(fixture.receive_all(), []);
    fixture.bed.advance(Duration::from_secs(5));
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Phone(bob.phone))]);
    let answer = fixture.server.public_key_of(fixture.now(), &bob);
    fixture.send(&answer);
    assert_eq!(
        fixture.bed.take_notices(),
        [Notice::Found {
            phone: bob.phone,
            user: bob.id,
            fingerprint: *bob.public_key().fingerprint(),
            verification: Verification::FirstUse,
        }]
    );
}

#[test]
fn an_answer_about_another_user_is_ignored() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.command(Command::Lookup { phone: bob().phone });
    fixture.receive_all();
    let carol = ScriptedPeer::new(Profile::Compact, 3);
    let answer = fixture.server.public_key_of(fixture.now(), &carol);
    fixture.send(&answer);
    let notices = fixture.bed.take_notices();
    assert_eq!(notices[0], Notice::Suspicious { suspicion: Suspicion::UnaskedAnswer });
    assert!(fixture.bed.is_closed(fixture.conn));
}

#[test]
fn an_unanswered_lookup_ends_the_connection_and_is_asked_on_the_next() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.command(Command::Lookup { phone: bob().phone });
    fixture.receive_all();
    fixture.bed.advance(Duration::from_secs(10));
    assert!(fixture.bed.is_closed(fixture.conn));
    fixture.reconnect();
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Phone(bob().phone))]);
}

#[test]
fn a_lookup_whose_connection_ends_while_it_is_made_is_asked_on_the_next() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.hold_jobs = true;
    fixture.bed.command(Command::Lookup { phone: bob().phone });
    fixture.bed.cut(fixture.conn);
    fixture.bed.hold_jobs = false;
    fixture.bed.release_jobs(|_| {});
    fixture.reconnect();
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Phone(bob().phone))]);
}

#[test]
fn waiting_lookups_are_limited() {
    let mut fixture = ClientFixture::online(Limits { lookups_waiting: 1, ..Limits::default() });
    let (bob, carol) = (bob(), ScriptedPeer::new(Profile::Compact, 3));
    fixture.bed.command(Command::Lookup { phone: bob.phone });
    assert_eq!(fixture.bed.take_notices(), []);
    fixture.bed.command(Command::Lookup { phone: carol.phone });
    let (who, failure) = (UserRef::Phone(carol.phone), LookupFailure::Busy);
    assert_eq!(fixture.bed.take_notices(), [Notice::LookupFailed { who, failure }]);
}

#[test]
fn concurrent_lookups_are_limited() {
    let mut fixture = ClientFixture::online(Limits { lookups_at_once: 1, ..Limits::default() });
    let (bob, carol) = (bob(), ScriptedPeer::new(Profile::Compact, 3));
    for phone in [bob.phone, carol.phone] {
        fixture.bed.command(Command::Lookup { phone });
    }
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Phone(bob.phone))]);
    let answer = fixture.server.public_key_of(fixture.now(), &bob);
    fixture.send(&answer);
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Phone(carol.phone))]);
}

#[test]
fn the_answer_to_a_lookup_is_read_however_many_messages_wait_for_it() {
    let limits = Limits { arriving: 2, ..Limits::default() };
    let mut fixture = ClientFixture::online(limits);
    let mut bob = bob();
    for id in 1..=6 {
        receive_message(&mut fixture, &mut bob, (id, id - 1), &id.to_string());
    }
    assert!(!fixture.bed.is_paused(fixture.conn));
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Id(bob.id))]);
    let answer = fixture.server.public_key_of(fixture.now(), &bob);
    fixture.send(&answer);
    assert_eq!(texts(&fixture.bed.take_delivered()), ["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn a_lookup_has_its_full_time_on_each_connection() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.command(Command::Lookup { phone: bob().phone });
    fixture.receive_all();
    fixture.bed.advance(Duration::from_secs(8));
    fixture.bed.cut(fixture.conn);
    fixture.reconnect();
    assert_eq!(fixture.receive_all(), [Request::Lookup(UserRef::Phone(bob().phone))]);
    fixture.bed.advance(Duration::from_secs(9));
    assert!(!fixture.bed.is_closed(fixture.conn));
    fixture.bed.advance(Duration::from_secs(1));
    assert!(fixture.bed.is_closed(fixture.conn));
}

#[test]
fn an_answer_behind_a_long_backlog_is_waited_for() {
    let (mut fixture, mut bob) = client_knowing_bob();
    fixture.bed.command(Command::Lookup { phone: ClientBed::phone(3) });
    for id in 1..=4 {
        fixture.bed.advance(Duration::from_secs(8));
        receive_message(&mut fixture, &mut bob, (id, id - 1), "more");
    }
    assert!(!fixture.bed.is_closed(fixture.conn), "the connection is alive");
    fixture.bed.advance(Duration::from_secs(11));
    assert!(fixture.bed.is_closed(fixture.conn), "and now it is silent");
}

#[test]
fn a_lookup_behind_own_messages_gets_their_minute_too() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.send_text(UserRef::Id(bob.id), "much to read");
    fixture.bed.command(Command::Lookup { phone: ClientBed::phone(3) });
    fixture.bed.advance(Duration::from_secs(59));
    assert!(!fixture.bed.is_closed(fixture.conn));
    fixture.bed.advance(Duration::from_secs(1));
    assert!(fixture.bed.is_closed(fixture.conn));
}
