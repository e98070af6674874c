//! The server machine: what one user may cause, in a session and over many (PROTOCOL 4.4, 8).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use sealpost_core::ids::UserId;
use sealpost_core::server::OtpChannel;
use sealpost_core::server::limits::{Limits, Rate};
use sealpost_core::time::{Mono, Now};
use sealpost_core::wire::{ErrorCode, Lookup, Packet, Profile};
use sealpost_storage::Quota;
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::{Received, ScriptedClient};
use sealpost_tests::server_fixture::{acknowledge, delivered, message, refused, send, stored};

const SECOND: Duration = Duration::from_secs(1);

fn bed(limits: Limits) -> ServerBed {
    ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default())
}

fn packets_per_user(burst: u32, every: Duration) -> Limits {
    Limits { packets_per_user: Rate { burst, every }, ..Limits::without_rates() }
}

/// Looks a user up. Returns the user, or the code of the refusal and its `retry_after`.
fn look_up(
    bed: &mut ServerBed,
    asker: &mut ScriptedClient,
    lookup: &Lookup,
) -> Result<UserId, (ErrorCode, u32)> {
    let request = asker.lookup(bed.now().wall, lookup);
    bed.input_packet(asker.conn, &request);
    match asker.receive(bed) {
        Some(Received::PublicKey(answer)) => Ok(answer.user),
        Some(Received::Error(_, reply)) => Err((reply.code, reply.retry_after_secs)),
        other => panic!("{other:?}"),
    }
}

/// Sends packets until reading pauses. Returns how many.
fn until_paused(
    bed: &mut ServerBed,
    client: &mut ScriptedClient,
    mut next: impl FnMut(&mut ServerBed, &mut ScriptedClient) -> Packet,
) -> usize {
    for count in 1..=1_000 {
        let packet = next(bed, client);
        bed.input_packet(client.conn, &packet);
        if bed.is_paused(client.conn) {
            return count;
        }
    }
    panic!("not paused");
}

#[test]
fn every_packet_of_a_session_counts() {
    type Next = fn(&mut ServerBed, &mut ScriptedClient) -> Packet;
    let worthless_receipt: Next =
        |bed, alice| alice.receipt(bed.now().wall, UserId::new(2).unwrap(), 1, &[9]);
    let worthless_taken: Next =
        |bed, alice| alice.receipts_taken(bed.now().wall, &[(UserId::new(2).unwrap(), 9)]);
    let lookup: Next = |bed, alice| {
        let phone = alice.phone;
        alice.lookup(bed.now().wall, &Lookup::Phone(phone))
    };
    let misdated: Next = |bed, alice| alice.disconnect(bed.now().wall.plus_secs(-999));
    // An answer is signed, and counts as twenty packets more.
    for (next, count) in
        [(worthless_receipt, 42), (worthless_taken, 42), (lookup, 2), (misdated, 2)]
    {
        let mut bed = bed(packets_per_user(41, 10 * SECOND));
        let mut alice = ScriptedClient::registered(&mut bed, 1);
        ScriptedClient::registered(&mut bed, 2);
        assert_eq!(until_paused(&mut bed, &mut alice, next), count);
    }
}

#[test]
fn refused_lookups_count_as_packets() {
    let lookups_per_user = Rate { burst: 1, every: 1_000 * SECOND };
    let limits = Limits { lookups_per_user, ..packets_per_user(100, 10 * SECOND) };
    let mut bed = bed(limits);
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let phone = Lookup::Phone(alice.phone);
    let count =
        until_paused(&mut bed, &mut alice, |bed, alice| alice.lookup(bed.now().wall, &phone));
    assert_eq!(count, 5);
    assert_eq!(alice.receive_all(&mut bed).len(), 5);
}

#[test]
fn packets_over_the_rate_wait_and_cost_nothing() {
    let mut bed = bed(packets_per_user(2, SECOND));
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let bob = UserId::new(2).unwrap();
    bed.hold_jobs = true;
    let receipts: Vec<_> = (1..=6).map(|id| alice.receipt(bed.now().wall, bob, id, &[9])).collect();
    let bytes: Vec<_> = receipts.iter().flat_map(|receipt| receipt.bytes().to_vec()).collect();
    bed.input_bytes(alice.conn, &bytes);
    assert_eq!(bed.waiting_jobs(), 3, "two, and the one over the rate");
    assert!(bed.is_paused(alice.conn));
    bed.advance(SECOND);
    assert_eq!((bed.waiting_jobs(), bed.is_paused(alice.conn)), (4, true));
    bed.advance(2 * SECOND);
    assert_eq!((bed.waiting_jobs(), bed.is_paused(alice.conn)), (6, true));
    bed.advance(SECOND);
    assert!(!bed.is_paused(alice.conn));
}

#[test]
fn nothing_that_waits_is_lost_or_overtaken() {
    let mut bed = bed(packets_per_user(2, SECOND));
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let mut bob = ScriptedClient::registered(&mut bed, 2);
    let (to, key) = (bob.id.unwrap(), bob.public_key().clone());
    let mut messages = || alice.message(bed.now().wall, to, &key, "text").bytes().to_vec();
    let (at_once, later) = ([messages(), messages(), messages(), messages()].concat(), messages());
    // Cut in the middle of a packet, and again while the rest waits.
    let (first, second) = at_once.split_at(at_once.len() - 100);
    bed.input_bytes(alice.conn, first);
    bed.input_bytes(alice.conn, &[second, &later[..50]].concat());
    bed.input_bytes(alice.conn, &later[50..]);
    assert_eq!(bob.receive_all(&mut bed), [1, 2, 3].map(|id| message(&alice, id)));
    bed.advance(2 * SECOND);
    assert_eq!(bob.receive_all(&mut bed), [4, 5].map(|id| message(&alice, id)));
}

#[test]
fn a_host_that_reads_on_during_a_pause_is_cut_off() {
    let limits = Limits { unread_bytes: 1_000, ..packets_per_user(1, SECOND) };
    let mut bed = bed(limits);
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    until_paused(&mut bed, &mut alice, |bed, alice| alice.receipts_taken(bed.now().wall, &[]));
    bed.input_bytes(alice.conn, &[0; 1_000]);
    assert!(!bed.is_closed(alice.conn));
    bed.input_bytes(alice.conn, &[0]);
    assert!(bed.is_closed(alice.conn));
}

#[test]
fn a_new_session_does_not_renew_the_rate() {
    let mut bed = bed(packets_per_user(10, 100 * SECOND));
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let taken =
        |bed: &mut ServerBed, alice: &mut ScriptedClient| alice.receipts_taken(bed.now().wall, &[]);
    assert_eq!(until_paused(&mut bed, &mut alice, taken), 11);
    bed.cut(alice.conn);
    alice.reconnect_to(&mut bed);
    assert_eq!(until_paused(&mut bed, &mut alice, taken), 1);
    // Displaced instead of cut.
    bed.advance(100 * SECOND);
    alice.reconnect_to(&mut bed);
    assert_eq!(until_paused(&mut bed, &mut alice, taken), 1);
    bed.advance(10_000 * SECOND);
    assert_eq!(until_paused(&mut bed, &mut alice, taken), 11, "once everything is paid off");
}

#[test]
fn a_recipient_does_not_pay_for_receipts_that_are_awaited() {
    let mut bed = bed(packets_per_user(20, 1_000 * SECOND));
    let mut bob = ScriptedClient::registered(&mut bed, 2);
    for sender in [1, 3, 4] {
        let mut sender = ScriptedClient::registered(&mut bed, sender);
        for id in 1..=10 {
            send(&mut bed, &mut sender, &bob, "text");
            assert_eq!(bob.receive_all(&mut bed), [message(&sender, id)]);
            acknowledge(&mut bed, &mut bob, &sender, 100 * sender.id.unwrap().value() + id, &[id]);
            assert_eq!(sender.receive_all(&mut bed).len(), 1);
        }
    }
    assert!(!bed.is_paused(bob.conn));
}

#[test]
fn lookups_by_phone_have_a_budget_of_the_day_that_outlives_the_process() {
    let limits = Limits { lookups_per_day: 2, ..Limits::without_rates() };
    let mut bed = bed(limits.clone());
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let unknown = Lookup::Phone("+4900000000".parse().unwrap());
    let own = Lookup::Phone(alice.phone);
    assert_eq!(look_up(&mut bed, &mut alice, &unknown), Err((ErrorCode::UnknownUser, 0)));
    alice.reconnect_to(&mut bed);
    alice.receive_all(&mut bed);
    assert_eq!(look_up(&mut bed, &mut alice, &own), Ok(alice.id.unwrap()));
    bed.cut(alice.conn);
    let mut bed = bed.restart(OtpChannel::InBand, limits);
    alice.reconnect_to(&mut bed);
    alice.receive_all(&mut bed);
    let until_midnight = u32::try_from(bed.now().wall.until_next_day().as_secs()).unwrap();
    let over = Err((ErrorCode::RateLimited, until_midnight));
    assert_eq!(look_up(&mut bed, &mut alice, &own), over);
    // The wall clock alone begins a new day.
    bed.jump_wall_clock(until_midnight.into());
    assert_eq!(look_up(&mut bed, &mut alice, &own), Ok(alice.id.unwrap()));
}

#[test]
fn a_lookup_by_id_finds_only_who_has_written() {
    let mut bed = bed(Limits::without_rates());
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let mut bob = ScriptedClient::registered(&mut bed, 2);
    let (alice_id, bob_id) = (alice.id.unwrap(), bob.id.unwrap());
    let unknown = Err((ErrorCode::UnknownUser, 0));
    assert_eq!(look_up(&mut bed, &mut bob, &Lookup::Id(alice_id)), unknown);
    assert_eq!(look_up(&mut bed, &mut bob, &Lookup::Id(UserId::new(99).unwrap())), unknown);
    // A message in flight.
    send(&mut bed, &mut alice, &bob, "one");
    assert_eq!(bob.receive_all(&mut bed), [message(&alice, 1)]);
    assert_eq!(look_up(&mut bed, &mut bob, &Lookup::Id(alice_id)), Ok(alice_id));
    assert_eq!(look_up(&mut bed, &mut alice, &Lookup::Id(bob_id)), unknown, "not the other way");
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1]);
    assert_eq!(look_up(&mut bed, &mut bob, &Lookup::Id(alice_id)), unknown);
    // The receipt is in flight to alice, who could write to every id to get one of each.
    assert_eq!(alice.receive_all(&mut bed), [delivered(&bob, 1, &[1])]);
    assert_eq!(look_up(&mut bed, &mut alice, &Lookup::Id(bob_id)), unknown);
}

#[test]
fn a_lookup_by_id_finds_the_sender_of_a_stored_message_before_it_is_sent() {
    let limits = Limits { lookups_per_day: 1, drain_items: 1, ..Limits::without_rates() };
    let mut bed = bed(limits);
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let mut bob = ScriptedClient::registered(&mut bed, 2);
    let mut carol = ScriptedClient::registered(&mut bed, 3);
    bed.cut(bob.conn);
    send(&mut bed, &mut carol, &bob, "first");
    send(&mut bed, &mut alice, &bob, "second");
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1])]);
    bob.reconnect_to(&mut bed);
    assert_eq!(bob.receive_all(&mut bed), [message(&carol, 1)]);
    let lookup = Lookup::Id(alice.id.unwrap());
    // Ids are not charged to the day's budget of phones.
    for _ in 0..2 {
        assert_eq!(look_up(&mut bed, &mut bob, &lookup), Ok(alice.id.unwrap()));
    }
}

#[test]
fn a_user_who_reconnects_too_often_has_to_wait() {
    let reconnects_per_user = Rate { burst: 2, every: 100 * SECOND };
    let mut bed = bed(Limits { reconnects_per_user, ..Limits::without_rates() });
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let mut bob = ScriptedClient::registered(&mut bed, 2);
    alice.reconnect_to(&mut bed);
    alice.reconnect_to(&mut bed);
    alice.receive_all(&mut bed);
    bed.advance(SECOND);
    let request = alice.reconnect(bed.now().wall);
    let other = bed.connect();
    bed.input_packet(other, &request);
    alice.conn = other;
    assert_eq!(refused(&alice.receive_all(&mut bed)), ErrorCode::RateLimited);
    bob.reconnect_to(&mut bed);
    bed.advance(100 * SECOND);
    alice.reconnect_to(&mut bed);
}

#[test]
fn a_repeated_106_is_not_charged_to_its_user() {
    let reconnects_per_user = Rate { burst: 2, every: 1_000 * SECOND };
    let mut bed = bed(Limits { reconnects_per_user, ..Limits::without_rates() });
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    bed.advance(SECOND);
    let recorded = alice.reconnect(bed.now().wall);
    alice.conn = bed.connect();
    bed.input_packet(alice.conn, &recorded);
    for _ in 0..5 {
        let mallory = bed.connect();
        bed.input_packet(mallory, &recorded);
    }
    assert_eq!(alice.reconnect_to(&mut bed), 0);
}

#[test]
fn a_clock_that_steps_back_prolongs_no_wait() {
    let mut bed = bed(packets_per_user(2, SECOND));
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    bed.advance(1_000 * SECOND);
    until_paused(&mut bed, &mut alice, |bed, alice| alice.receipts_taken(bed.now().wall, &[]));
    let Now { mono, wall } = bed.now();
    bed.set_now(Now { mono: Mono(mono.0 - 500_000_000), wall: wall.plus_secs(-500) });
    bed.connect(); // the next input shows the step
    bed.advance(SECOND);
    assert!(!bed.is_paused(alice.conn));
}
