//! The server machine: accounts that the operator deletes or suspends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use sealpost_core::frame::Event;
use sealpost_core::server::limits::{Limits, Rate};
use sealpost_core::server::store::StoreOp;
use sealpost_core::server::{AccountChange, Command, OtpChannel};
use sealpost_core::wire::{ErrorCode, ErrorForm, Profile, SessionResumed};
use sealpost_storage::{Quota, Suspension, SuspensionOutcome};
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::{Received, ScriptedClient};
use sealpost_tests::server_fixture::{error, message, pair, refused, send, stored};

fn suspend(bed: &mut ServerBed, who: &ScriptedClient) {
    let at = Suspension::Suspended(bed.now().wall);
    let changed = bed.store.inner_mut().set_suspension(who.phone, at);
    assert_eq!(changed, SuspensionOutcome::Changed(who.id.unwrap()));
    end_session(bed, who, AccountChange::Suspended);
}

fn resume(bed: &mut ServerBed, who: &ScriptedClient) {
    bed.store.inner_mut().set_suspension(who.phone, Suspension::Active);
}

fn delete(bed: &mut ServerBed, who: &ScriptedClient) {
    assert_eq!(bed.store.inner_mut().delete_user(who.phone), who.id);
    end_session(bed, who, AccountChange::Deleted);
}

fn end_session(bed: &mut ServerBed, who: &ScriptedClient, why: AccountChange) {
    bed.input_event(Event::Command(Command::EndSession { user: who.id.unwrap(), why }));
}

/// Sends a 106 on a new connection.
fn reconnect(bed: &mut ServerBed, who: &mut ScriptedClient) {
    bed.advance(Duration::from_secs(1));
    who.conn = bed.connect();
    let request = who.reconnect(bed.now().wall);
    bed.input_packet(who.conn, &request);
}

#[test]
fn a_suspended_users_session_ends_at_once() {
    let (mut bed, mut alice, bob) = pair();
    suspend(&mut bed, &alice);
    let suspended = (ErrorForm::SessionKey, ErrorCode::Suspended);
    assert_eq!(error(&alice.receive_all(&mut bed)), suspended);
    assert!(bed.is_closed(alice.conn));
    assert!(!bed.is_closed(bob.conn));
    assert_eq!(bed.stats().sessions, 1);
}

#[test]
fn a_suspended_user_begins_no_session_until_it_is_resumed() {
    let (mut bed, mut alice, _) = pair();
    suspend(&mut bed, &alice);
    alice.receive_all(&mut bed);
    for _ in 0..2 {
        reconnect(&mut bed, &mut alice);
        let suspended = (ErrorForm::ReplyKey, ErrorCode::Suspended);
        assert_eq!(error(&alice.receive_all(&mut bed)), suspended);
        assert!(bed.is_closed(alice.conn));
    }
    resume(&mut bed, &alice);
    reconnect(&mut bed, &mut alice);
    let resumed = Received::SessionResumed(SessionResumed { pending: 0 });
    assert_eq!(alice.receive(&mut bed), Some(resumed));
}

#[test]
fn only_its_owner_learns_that_an_account_is_suspended() {
    let (mut bed, mut alice, _) = pair();
    suspend(&mut bed, &alice);
    alice.receive_all(&mut bed);
    let mut stranger = ScriptedClient::unregistered(&mut bed, 3);
    (stranger.id, stranger.phone) = (alice.id, alice.phone);
    let request = stranger.reconnect(bed.now().wall);
    bed.input_packet(stranger.conn, &request);
    let (_, code) = error(&stranger.receive_all(&mut bed));
    assert_eq!(code, ErrorCode::BadSignature);
}

#[test]
fn messages_to_a_suspended_user_are_stored_and_come_when_it_is_resumed() {
    let (mut bed, mut alice, mut bob) = pair();
    send(&mut bed, &mut alice, &bob, "in flight");
    bob.receive_all(&mut bed);
    suspend(&mut bed, &bob);
    send(&mut bed, &mut alice, &bob, "later");
    let acknowledged = [stored(&bob, &[1]), stored(&bob, &[2])];
    assert_eq!(alice.receive_all(&mut bed), acknowledged);
    bob.receive_all(&mut bed);
    resume(&mut bed, &bob);
    reconnect(&mut bed, &mut bob);
    let resumed = Received::SessionResumed(SessionResumed { pending: 2 });
    assert_eq!(bob.receive_all(&mut bed), [resumed, message(&alice, 1), message(&alice, 2)]);
}

#[test]
fn a_deleted_users_session_ends_and_what_was_in_flight_is_refused() {
    let (mut bed, mut alice, mut bob) = pair();
    send(&mut bed, &mut alice, &bob, "in flight");
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 1)]);
    delete(&mut bed, &bob);
    let over = (ErrorForm::SessionKey, ErrorCode::NotAuthenticated);
    assert_eq!(error(&bob.receive_all(&mut bed)), over);
    assert!(bed.is_closed(bob.conn));
    assert_eq!(refused(&alice.receive_all(&mut bed)), ErrorCode::UnknownUser);
    assert_eq!(bed.held().totals.mailboxes, 0);
    reconnect(&mut bed, &mut bob);
    assert_eq!(error(&bob.receive_all(&mut bed)).1, ErrorCode::UnknownUser);
}

#[test]
fn what_a_deleted_user_sent_last_is_not_stored() {
    let (mut bed, mut alice, bob) = pair();
    bed.cut(bob.conn);
    bed.hold_store = true;
    send(&mut bed, &mut alice, &bob, "too late");
    delete(&mut bed, &alice);
    bed.hold_store = false;
    bed.release_store();
    assert_eq!(bed.store.inner().packets().count(), 0);
}

#[test]
fn a_session_that_is_being_granted_does_not_begin() {
    let granting: [fn(&mut ServerBed); 2] = [
        // The date of the 106 is recorded, and what waits for the user is being counted.
        |bed| bed.hold_store = true,
        // The 206 is being signed.
        |bed| bed.hold_jobs = true,
    ];
    for (nth, hold) in granting.into_iter().enumerate() {
        let (mut bed, mut alice, _) = pair();
        bed.cut(alice.conn);
        alice.receive_all(&mut bed);
        bed.hold_store = true;
        reconnect(&mut bed, &mut alice);
        let counts = |bed: &ServerBed| {
            bed.waiting_ops().any(|op| matches!(op, StoreOp::BeginSession { .. }))
        };
        while !counts(&bed) {
            bed.release_store();
        }
        hold(&mut bed);
        if nth == 1 {
            bed.hold_store = false;
            bed.release_store();
        }
        suspend(&mut bed, &alice);
        (bed.hold_store, bed.hold_jobs) = (false, false);
        bed.release_store();
        bed.release_jobs(|_| {});
        let received = alice.receive_all(&mut bed);
        assert_eq!(error(&received), (ErrorForm::Clear, ErrorCode::Suspended), "{nth}");
        assert!(bed.is_closed(alice.conn));
        assert_eq!(bed.stats().sessions, 1, "{nth}");
    }
}

#[test]
fn reconnects_of_a_suspended_user_are_charged() {
    let reconnects_per_user = Rate { burst: 2, every: Duration::from_hours(1) };
    let limits = Limits { reconnects_per_user, ..Limits::without_rates() };
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    suspend(&mut bed, &alice);
    alice.receive_all(&mut bed);
    for code in [ErrorCode::Suspended, ErrorCode::Suspended, ErrorCode::RateLimited] {
        reconnect(&mut bed, &mut alice);
        assert_eq!(error(&alice.receive_all(&mut bed)).1, code);
    }
}

#[test]
fn a_command_about_a_user_without_a_session_changes_nothing() {
    let (mut bed, mut alice, bob) = pair();
    bed.cut(alice.conn);
    for why in [AccountChange::Deleted, AccountChange::Suspended] {
        end_session(&mut bed, &alice, why);
    }
    assert!(!bed.is_closed(bob.conn));
    reconnect(&mut bed, &mut alice);
    let resumed = Received::SessionResumed(SessionResumed { pending: 0 });
    assert_eq!(alice.receive(&mut bed), Some(resumed));
}
