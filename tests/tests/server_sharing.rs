//! The server machine in a store that other servers share.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use sealpost_core::frame::Event;
use sealpost_core::ids::{ConnId, UserId};
use sealpost_core::server::store::{Seq, SessionOutcome, StoreOp, StoreReply};
use sealpost_core::server::{AccountChange, Command, Elsewhere};
use sealpost_core::wire::{ErrorCode, Packet};
use sealpost_storage::Storage as _;
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::ScriptedClient;
use sealpost_tests::server_fixture::{
    acknowledge, caught_up, delivered, error, message, send, stored,
};

const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// Alice and bob, both in session and live.
fn pair() -> (ServerBed, ScriptedClient, ScriptedClient) {
    let mut bed = ServerBed::sharing(LOOK_AGAIN);
    let alice = ScriptedClient::registered(&mut bed, 1);
    let bob = ScriptedClient::registered(&mut bed, 2);
    (bed, alice, bob)
}

fn hint(bed: &mut ServerBed, what: Elsewhere) {
    bed.input_event(Event::Command(Command::Elsewhere(what)));
}

/// Another server stores a message, which its sender has given to it.
fn append_elsewhere(bed: &mut ServerBed, from: &mut ScriptedClient, to: &ScriptedClient) {
    let (at, key) = (bed.now().wall, to.public_key().clone());
    let packets = vec![from.message(at, to.id.unwrap(), &key, "from elsewhere")];
    let append = StoreOp::Append { recipient: to.id.unwrap(), packets, at };
    let mut outcomes = Vec::new();
    bed.store.commit(&[append], &mut outcomes);
    outcomes.remove(0).unwrap();
}

/// Sends the first message, and has it taken, so that the next one may be forwarded from memory.
fn become_acquainted(bed: &mut ServerBed, from: &mut ScriptedClient, to: &mut ScriptedClient) {
    send(bed, from, to, "hello");
    let id = 1;
    assert_eq!(to.receive_all(bed), [message(from, id)]);
    assert_eq!(from.receive_all(bed), [stored(to, &[id])]);
    acknowledge(bed, to, from, id, &[id]);
    assert_eq!(from.receive_all(bed), [delivered(to, id, &[id])]);
    let taken = from.receipts_taken(bed.now().wall, &[(to.id.unwrap(), id)]);
    bed.input_packet(from.conn, &taken);
}

#[test]
fn first_message_of_a_session_is_stored_before_later_ones_are_forwarded() {
    let (mut bed, mut alice, mut bob) = pair();
    become_acquainted(&mut bed, &mut alice, &mut bob);
    send(&mut bed, &mut alice, &bob, "forwarded");
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 2)]);
    assert_eq!(alice.receive_all(&mut bed), [], "it is in memory only");
    assert_eq!(bed.counters().messages.stored, 1);
}

#[test]
fn message_waits_for_those_that_its_sender_has_left_elsewhere() {
    let (mut bed, mut alice, mut bob) = pair();
    become_acquainted(&mut bed, &mut alice, &mut bob);
    // She was on another server meanwhile, and this one has heard nothing of it.
    append_elsewhere(&mut bed, &mut alice, &bob);
    alice.reconnect_to(&mut bed);
    send(&mut bed, &mut alice, &bob, "later");
    assert_eq!(bob.receive_all(&mut bed), [2, 3].map(|id| message(&alice, id)));
}

#[test]
fn hint_has_the_mailbox_read_and_nothing_is_sent_twice() {
    let (mut bed, mut alice, mut bob) = pair();
    let owner = bob.id.unwrap();
    append_elsewhere(&mut bed, &mut alice, &bob);
    assert_eq!(bob.receive_all(&mut bed), []);
    for _ in 0..2 {
        hint(&mut bed, Elsewhere::Appended { owner });
    }
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 1)]);
    append_elsewhere(&mut bed, &mut alice, &bob);
    hint(&mut bed, Elsewhere::Appended { owner });
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 2)]);
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1, 2]);
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 1, &[1, 2])]);
    // Nobody has this session any more, or ever had.
    bed.cut(bob.conn);
    for owner in [owner, UserId::new(99).unwrap()] {
        hint(&mut bed, Elsewhere::Appended { owner });
    }
    assert_eq!(bed.waiting_ops().count(), 0);
}

#[test]
fn mailboxes_are_read_without_a_hint_after_a_while() {
    let (mut bed, mut alice, mut bob) = pair();
    for id in 1..=2 {
        append_elsewhere(&mut bed, &mut alice, &bob);
        bed.advance(LOOK_AGAIN / 2);
        assert_eq!(bob.receive_all(&mut bed), []);
        bed.advance(LOOK_AGAIN / 2);
        assert_eq!(bob.receive_all(&mut bed), [message(&alice, id)]);
    }
}

#[test]
fn mailboxes_are_read_soon_after_hints_may_have_been_lost() {
    let (mut bed, mut alice, mut bob) = pair();
    append_elsewhere(&mut bed, &mut alice, &bob);
    append_elsewhere(&mut bed, &mut bob, &alice);
    hint(&mut bed, Elsewhere::Missed);
    bed.advance(Duration::from_secs(5));
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 1)]);
    assert_eq!(alice.receive_all(&mut bed), [message(&bob, 1)]);
}

#[test]
fn mailboxes_are_read_even_if_hints_are_lost_all_the_time() {
    let (mut bed, mut alice, mut bob) = pair();
    append_elsewhere(&mut bed, &mut alice, &bob);
    append_elsewhere(&mut bed, &mut bob, &alice);
    for _ in 0..5 {
        hint(&mut bed, Elsewhere::Missed);
        bed.advance(Duration::from_secs(1));
    }
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 1)]);
    assert_eq!(alice.receive_all(&mut bed), [message(&bob, 1)]);
}

#[test]
fn session_elsewhere_displaces_an_earlier_one_here_only() {
    let (mut bed, mut alice, mut bob) = pair();
    become_acquainted(&mut bed, &mut alice, &mut bob);
    send(&mut bed, &mut alice, &bob, "on its way");
    let user = bob.id.unwrap();
    hint(&mut bed, Elsewhere::SessionBegun { user, place: Seq::START });
    assert!(!bed.is_closed(bob.conn));
    hint(&mut bed, Elsewhere::SessionBegun { user, place: Seq(1) });
    assert_eq!(bob.receive(&mut bed), Some(message(&alice, 2)));
    assert_eq!(error(&bob.receive_all(&mut bed)).1, ErrorCode::Displaced);
    assert!(bed.is_closed(bob.conn));
    // What he has not acknowledged is stored for his next session.
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[2])]);
    assert_eq!(bob.reconnect_to(&mut bed), 1);
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 2)]);
}

#[test]
fn session_that_was_overtaken_while_it_was_granted_does_not_begin() {
    let (mut bed, _, mut bob) = pair();
    bed.cut(bob.conn);
    bed.advance(Duration::from_secs(1));
    bob.conn = bed.connect();
    let request: Packet = bob.reconnect(bed.now().wall);
    bed.hold_jobs = true;
    bed.input_packet(bob.conn, &request);
    // Verified; the 206 is being signed.
    bed.release_jobs(|_| ());
    hint(&mut bed, Elsewhere::SessionBegun { user: bob.id.unwrap(), place: Seq(1) });
    bed.hold_jobs = false;
    bed.release_jobs(|_| ());
    let received = bed.receive(bob.conn).unwrap();
    assert_eq!(error(&[bob.open(received)]).1, ErrorCode::Displaced);
    assert!(bed.is_closed(bob.conn));
    // The hint says nothing of a later one.
    assert_eq!(bob.reconnect_to(&mut bed), 0);
    assert_eq!(bob.receive_all(&mut bed), [caught_up(0)]);
}

/// Sends a 106 on a new connection, and carries operations out until this one waits.
fn reconnect_until(
    bed: &mut ServerBed,
    client: &mut ScriptedClient,
    waits: impl Fn(&StoreOp) -> bool,
) -> ConnId {
    bed.advance(Duration::from_secs(1));
    let conn = bed.connect();
    let request = client.reconnect(bed.now().wall);
    bed.hold_store = true;
    bed.input_packet(conn, &request);
    while !bed.waiting_ops().any(&waits) {
        bed.release_store();
    }
    conn
}

#[test]
fn session_that_comes_late_is_refused() {
    let (mut bed, _, mut bob) = pair();
    bed.cut(bob.conn);
    let begins = |op: &StoreOp| matches!(op, StoreOp::BeginSession { .. });
    bob.conn = reconnect_until(&mut bed, &mut bob, begins);
    // He has begun one at another server since.
    bed.answer_op(StoreReply::SessionBegun(SessionOutcome::Overtaken));
    assert_eq!(error(&bob.receive_all(&mut bed)).1, ErrorCode::Displaced);
    assert!(bed.is_closed(bob.conn));
    assert_eq!(bed.stats().sessions, 1);
}

#[test]
fn nothing_begins_for_a_client_that_has_left_while_its_106_was_recorded() {
    let (mut bed, _, mut bob) = pair();
    let records = |op: &StoreOp| matches!(op, StoreOp::RecordReconnect { .. });
    let conn = reconnect_until(&mut bed, &mut bob, records);
    bed.cut(conn);
    bed.release_store();
    assert_eq!(bed.waiting_ops().count(), 0);
    assert!(!bed.is_closed(bob.conn), "his session goes on");
}

#[test]
fn account_that_was_suspended_elsewhere_loses_its_session() {
    let (mut bed, mut alice, _) = pair();
    let (user, change) = (alice.id.unwrap(), AccountChange::Suspended);
    hint(&mut bed, Elsewhere::AccountChanged { user, change });
    assert_eq!(error(&alice.receive_all(&mut bed)).1, ErrorCode::Suspended);
    assert!(bed.is_closed(alice.conn));
}
