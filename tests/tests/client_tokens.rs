//! The client machine: a message that the application sends again is sent once.

use sealpost_core::client::store::Content;
use sealpost_core::client::{Command, Limits, Notice, SendRefusal, Token};
use sealpost_core::frame::{Event, StoreError};
use sealpost_core::ids::{MessageId, UserRef};
use sealpost_core::wire::ErrorCode;
use sealpost_storage::client::ClientStorage;
use sealpost_tests::client_fixture::{
    ClientFixture, bob, client_knowing_bob, me, message, session_error,
};
use sealpost_tests::scripted_server::Request;

const TOKEN: Token = Token(77);

fn send(fixture: &mut ClientFixture, to: UserRef) {
    let content = Content::Text("hello".into());
    fixture.bed.command(Command::Send { token: TOKEN, to, content });
}

fn restart_online(mut fixture: ClientFixture) -> ClientFixture {
    fixture.bed = fixture.bed.restart();
    fixture.bed.command(Command::Connect);
    fixture.connect();
    fixture.grant_session(0);
    fixture.bed.take_notices();
    fixture
}

#[test]
fn a_message_sent_again_after_a_crash_is_sent_once_whatever_has_become_of_it() {
    let (mut fixture, mut bob) = client_knowing_bob();
    let to = UserRef::Id(bob.id);
    let queued = || Notice::Queued { token: TOKEN, id: MessageId(1) };
    send(&mut fixture, to);
    assert_eq!(fixture.bed.take_notices(), [queued()]);
    let mut fixture = restart_online(fixture);
    assert_eq!(fixture.receive_all(), [message(&bob, 1)], "repeated by the client");
    send(&mut fixture, to);
    assert_eq!(fixture.bed.take_notices(), [queued()]);
    assert_eq!(fixture.receive_all(), []);

    let receipt = bob.receipt(fixture.now(), me(), 7, &[1]);
    fixture.send(&receipt);
    let mut fixture = restart_online(fixture);
    send(&mut fixture, to);
    assert_eq!(fixture.bed.take_notices(), [queued()]);
    assert_eq!(fixture.receive_all(), []);
    let counts = fixture.bed.store.inner().outbox().unwrap();
    assert_eq!((counts.queued, counts.delivered), (0, 1));
}

#[test]
fn a_kept_message_sent_again_is_kept_once() {
    let mut fixture = ClientFixture::online(Limits::default());
    let to = UserRef::Phone(bob().phone);
    fixture.bed.cut(fixture.conn);
    fixture.bed.take_notices();
    for _ in 0..2 {
        send(&mut fixture, to);
        assert_eq!(fixture.bed.take_notices(), [Notice::Kept { token: TOKEN }]);
    }
    let mut fixture = restart_online(fixture);
    send(&mut fixture, to);
    assert_eq!(fixture.bed.take_notices(), [Notice::Kept { token: TOKEN }]);
    assert_eq!(fixture.receive_all(), [Request::Lookup(to)]);
    let answer = fixture.server.public_key_of(fixture.now(), &bob());
    fixture.send(&answer);
    assert_eq!(fixture.receive_all(), [message(&bob(), 1)]);
    let queued = Notice::Queued { token: TOKEN, id: MessageId(1) };
    assert_eq!(fixture.bed.take_notices(), [queued]);
}

#[test]
fn a_message_sent_twice_at_once_is_sent_once() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.hold_store = true;
    fixture.bed.hold_jobs = true;
    for _ in 0..2 {
        // The store is asked for the token.
        send(&mut fixture, UserRef::Id(bob.id));
    }
    fixture.bed.hold_store = false;
    fixture.bed.release_store();
    // The message is being sealed.
    send(&mut fixture, UserRef::Id(bob.id));
    fixture.bed.hold_jobs = false;
    fixture.bed.release_jobs(|_| ());
    let queued = Notice::Queued { token: TOKEN, id: MessageId(1) };
    assert_eq!(fixture.bed.take_notices(), [queued]);
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
}

#[test]
fn the_token_of_a_refused_message_may_be_used_again() {
    let mut fixture = ClientFixture::online(Limits::default());
    let to = UserRef::Phone(bob().phone);
    send(&mut fixture, to);
    assert_eq!(fixture.receive_all(), [Request::Lookup(to)]);
    // The store drops the draft only at the second attempt, and is not asked before.
    fixture.bed.take_notices();
    fixture.bed.fail_store(1, StoreError::Busy);
    session_error(&mut fixture, ErrorCode::UnknownUser);
    let (refusal, content) = (SendRefusal::UnknownUser, Content::Text("hello".into()));
    let refused = Notice::SendRefused { token: TOKEN, to, refusal, content };
    let busy = Notice::StoreFailed { error: StoreError::Busy };
    assert_eq!(fixture.bed.take_notices(), [refused, busy]);
    send(&mut fixture, to);
    assert_eq!(fixture.bed.take_notices(), [], "the store still has the draft");
    fixture.bed.advance(Limits::default().store_retry);
    assert_eq!(fixture.bed.take_notices(), [Notice::Kept { token: TOKEN }]);
    assert_eq!(fixture.bed.store.inner().load().unwrap().drafts.len(), 1);
    assert_eq!(fixture.receive_all(), [Request::Lookup(to)]);
}

#[test]
fn a_store_that_can_not_be_asked_delays_or_refuses_the_message() {
    let (mut fixture, bob) = client_knowing_bob();
    let to = UserRef::Id(bob.id);
    fixture.bed.fail_store(1, StoreError::Io);
    send(&mut fixture, to);
    let (refusal, content) = (SendRefusal::StoreFailed, Content::Text("hello".into()));
    let refused = Notice::SendRefused { token: TOKEN, to, refusal, content };
    let failed = Notice::StoreFailed { error: StoreError::Io };
    assert_eq!(fixture.bed.take_notices(), [failed, refused]);

    fixture.bed.fail_store(1, StoreError::Busy);
    send(&mut fixture, to);
    fixture.bed.cut(fixture.conn);
    fixture.bed.input_event(Event::Shutdown);
    assert!(!fixture.bed.take_notices().contains(&Notice::Stopped), "it is not durable yet");
    fixture.bed.advance(Limits::default().store_retry);
    let notices = fixture.bed.take_notices();
    assert_eq!(notices, [Notice::Kept { token: TOKEN }, Notice::Stopped]);
}
