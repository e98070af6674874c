//! The server machine: bytes of packets that users make it hold.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sealpost_core::server::OtpChannel;
use sealpost_core::server::limits::{Limits, packet_memory};
use sealpost_core::wire::{Profile, SIGNATURE_LEN};
use sealpost_storage::Quota;
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::ScriptedClient;
use sealpost_tests::server_fixture::{acknowledge, message, pair, send, stored};

fn bed(limits: Limits) -> (ServerBed, [ScriptedClient; 3]) {
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let clients = [1, 2, 3].map(|key| ScriptedClient::registered(&mut bed, key));
    (bed, clients)
}

/// A text so long that what a packet costs beside its bytes is the smaller part.
const TEXT: &str = match str::from_utf8(&[b'x'; 4_000]) {
    Ok(text) => text,
    Err(_) => "",
};

/// Length of a packet with the text.
fn packet_len() -> usize {
    let (mut bed, mut alice, bob) = pair();
    send(&mut bed, &mut alice, &bob, TEXT).bytes().len()
}

#[test]
fn a_sender_is_paused_by_the_bytes_that_are_being_verified() {
    let limits = Limits { held_bytes: 4 * packet_len(), ..Limits::without_rates() };
    let (mut bed, [mut alice, mut bob, _]) = bed(limits);
    bed.hold_jobs = true;
    for _ in 0..5 {
        assert!(!bed.is_paused(alice.conn));
        send(&mut bed, &mut alice, &bob, TEXT);
    }
    assert!(bed.is_paused(alice.conn));
    bed.hold_jobs = false;
    bed.release_jobs(|jobs| jobs.truncate(2));
    assert!(bed.is_paused(alice.conn), "until half is free");
    assert_eq!(bob.receive_all(&mut bed), [1, 2].map(|id| message(&alice, id)));
}

#[test]
fn verified_bytes_are_free_again() {
    let limits = Limits { held_bytes: 4 * packet_len(), ..Limits::without_rates() };
    let (mut bed, [mut alice, bob, _]) = bed(limits);
    bed.hold_jobs = true;
    for _ in 0..5 {
        send(&mut bed, &mut alice, &bob, TEXT);
    }
    bed.hold_jobs = false;
    bed.release_jobs(|jobs| jobs.reverse());
    assert!(!bed.is_paused(alice.conn));
    assert_eq!(bed.held().totals.sender_bytes, 0);
}

#[test]
fn a_sender_is_paused_by_the_bytes_that_wait_for_the_store() {
    let limits = Limits { held_bytes: 4 * packet_len(), ..Limits::without_rates() };
    let (mut bed, [mut alice, bob, _]) = bed(limits);
    bed.cut(bob.conn);
    bed.hold_store = true;
    for _ in 0..5 {
        assert!(!bed.is_paused(alice.conn));
        send(&mut bed, &mut alice, &bob, TEXT);
    }
    assert!(bed.is_paused(alice.conn));
    bed.hold_store = false;
    bed.release_store();
    assert!(!bed.is_paused(alice.conn));
    assert_eq!(bed.held().totals.sender_bytes, 0);
}

#[test]
fn bytes_of_a_session_that_ended_count_until_their_jobs_are_done() {
    let (mut bed, [mut alice, bob, _]) = bed(Limits::without_rates());
    bed.hold_jobs = true;
    let len = send(&mut bed, &mut alice, &bob, "one").bytes().len();
    send(&mut bed, &mut alice, &bob, "two");
    // The second is verified, and waits for the first.
    bed.release_jobs(|jobs| jobs.swap(0, 1));
    assert_eq!(bed.held().totals.sender_bytes, 0);
    for text in ["three", "four"] {
        send(&mut bed, &mut alice, &bob, text);
    }
    let mut first = None;
    bed.release_jobs(|jobs| first = Some(jobs.remove(0)));
    bed.cut(alice.conn);
    assert_eq!(bed.held().totals.sender_bytes, packet_memory(len), "the third, whose job goes on");
    bed.release_jobs(|jobs| jobs.extend(first));
    assert_eq!(bed.held().totals.sender_bytes, 0);
}

#[test]
fn over_the_total_only_those_who_hold_more_than_a_fair_share_are_paused() {
    let len = packet_len();
    let limits = Limits { held_bytes_in_all: 6 * packet_memory(len), ..Limits::without_rates() };
    let (mut bed, [mut alice, mut bob, carol]) = bed(limits);
    bed.hold_jobs = true;
    for _ in 0..6 {
        send(&mut bed, &mut alice, &carol, TEXT);
    }
    assert!(!bed.is_paused(alice.conn), "nobody else needs the memory");
    send(&mut bed, &mut bob, &carol, TEXT);
    send(&mut bed, &mut alice, &carol, TEXT);
    assert!(bed.is_paused(alice.conn));
    send(&mut bed, &mut bob, &carol, TEXT);
    assert!(!bed.is_paused(bob.conn), "two of six packets are a third");
    send(&mut bed, &mut bob, &carol, TEXT);
    assert!(bed.is_paused(bob.conn));
    bed.hold_jobs = false;
    bed.release_jobs(|_| {});
    assert!(!bed.is_paused(alice.conn) && !bed.is_paused(bob.conn));
}

#[test]
fn over_the_total_in_flight_a_recipient_with_more_than_a_fair_share_spills() {
    let len = packet_len();
    let limits =
        Limits { in_flight_bytes_in_all: 6 * packet_memory(len), ..Limits::without_rates() };
    let (mut bed, [mut alice, mut bob, mut carol]) = bed(limits);
    for _ in 0..6 {
        send(&mut bed, &mut alice, &bob, TEXT);
    }
    assert_eq!(bed.stats().stored, 0);
    send(&mut bed, &mut alice, &carol, TEXT);
    assert_eq!(alice.receive_all(&mut bed), [], "carol has less than her share in flight");
    assert_eq!(carol.receive_all(&mut bed), [message(&alice, 7)]);
    send(&mut bed, &mut alice, &bob, TEXT);
    assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1, 2, 3, 4, 5, 6, 8])]);
    acknowledge(&mut bed, &mut carol, &alice, 1, &[7]);
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1, 2, 3, 4, 5, 6]);
    assert_eq!(bob.receive_all(&mut bed), [1, 2, 3, 4, 5, 6, 8].map(|id| message(&alice, id)));
    acknowledge(&mut bed, &mut bob, &alice, 2, &[8]);
    assert_eq!(bob.receive_all(&mut bed), []);
}

#[test]
fn a_page_counts_as_in_flight_while_it_is_read() {
    let len = packet_len();
    let drain_bytes = u32::try_from(4 * len).unwrap();
    let (mut bed, [mut alice, mut bob, _]) = bed(Limits { drain_bytes, ..Limits::without_rates() });
    bed.cut(bob.conn);
    for _ in 0..6 {
        send(&mut bed, &mut alice, &bob, TEXT);
    }
    bob.reconnect_to(&mut bed);
    assert_eq!(bed.held().totals.in_flight_bytes, 4 * packet_memory(len));
    bed.hold_store = true;
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1, 2, 3, 4]);
    bed.release_store(); // the settlement: the next page is asked for
    let receipt = packet_memory(receipt_len(&mut bob, &alice));
    let shortest = 4 * len / SIGNATURE_LEN + 1;
    let page = 4 * len + shortest * packet_memory(0);
    assert_eq!(
        bed.held().totals.in_flight_bytes,
        page + receipt,
        "as if its items were the shortest"
    );
    bed.release_store();
    assert_eq!(bed.held().totals.in_flight_bytes, 2 * packet_memory(len) + receipt);
}

#[test]
fn over_the_total_in_flight_a_page_is_no_larger_than_a_fair_share() {
    let len = packet_len();
    let limits =
        Limits { in_flight_bytes_in_all: 6 * packet_memory(len), ..Limits::without_rates() };
    let (mut bed, [mut alice, mut bob, mut carol]) = bed(limits);
    bed.cut(carol.conn);
    for _ in 0..5 {
        send(&mut bed, &mut alice, &carol, TEXT);
    }
    for _ in 0..6 {
        send(&mut bed, &mut alice, &bob, TEXT);
    }
    carol.reconnect_to(&mut bed);
    assert_eq!(carol.receive_all(&mut bed), [message(&alice, 1)], "half of it is kept for costs");
    acknowledge(&mut bed, &mut bob, &alice, 1, &[6, 7, 8, 9, 10, 11]);
    acknowledge(&mut bed, &mut carol, &alice, 1, &[1]);
    assert_eq!(carol.receive_all(&mut bed), [2, 3, 4, 5].map(|id| message(&alice, id)));
}

#[test]
fn a_drain_that_waits_for_memory_goes_on_when_others_have_acknowledged() {
    let len = packet_len();
    let limits =
        Limits { in_flight_bytes_in_all: 6 * packet_memory(len), ..Limits::without_rates() };
    let (mut bed, [mut alice, mut bob, mut carol]) = bed(limits);
    bed.cut(carol.conn);
    for _ in 0..5 {
        send(&mut bed, &mut alice, &carol, TEXT);
    }
    for _ in 0..6 {
        send(&mut bed, &mut alice, &bob, TEXT);
    }
    carol.reconnect_to(&mut bed);
    assert_eq!(carol.receive_all(&mut bed), [message(&alice, 1)]);
    acknowledge(&mut bed, &mut bob, &alice, 1, &[6, 7, 8, 9, 10, 11]);
    let rest = [2, 3, 4, 5].map(|id| message(&alice, id));
    assert_eq!(carol.receive_all(&mut bed), rest, "though she has acknowledged nothing");
}

#[test]
fn a_page_of_short_messages_takes_no_more_memory_than_a_fair_share() {
    let share = 4 * packet_memory(0);
    let limits = Limits { in_flight_bytes_in_all: 3 * share, ..Limits::without_rates() };
    let (mut bed, [mut alice, bob, mut carol]) = bed(limits);
    bed.cut(carol.conn);
    for _ in 0..5 {
        send(&mut bed, &mut alice, &carol, "");
    }
    while bed.held().totals.in_flight_bytes < 3 * share {
        send(&mut bed, &mut alice, &bob, "");
    }
    let before = bed.held().totals.in_flight_bytes;
    carol.reconnect_to(&mut bed);
    assert_eq!(carol.receive_all(&mut bed), [1, 2].map(|id| message(&alice, id)));
    let page = bed.held().totals.in_flight_bytes - before;
    assert!(page <= share, "{page} bytes, though a share is {share}");
}

#[test]
fn at_twice_the_total_in_flight_recipients_are_sent_one_item_at_a_time() {
    let len = packet_len();
    let total = 6 * packet_memory(len);
    let limits = Limits { in_flight_bytes_in_all: total, ..Limits::without_rates() };
    let (mut bed, [mut alice, mut bob, mut carol]) = bed(limits);
    for _ in 0..5 {
        send(&mut bed, &mut alice, &bob, TEXT);
    }
    send(&mut bed, &mut alice, &bob, &TEXT.repeat(10));
    assert!(bed.held().totals.in_flight_bytes >= 2 * total, "the last one passed it");
    for _ in 0..3 {
        send(&mut bed, &mut alice, &carol, TEXT);
    }
    assert_eq!(alice.receive_all(&mut bed), [stored(&carol, &[7, 8]), stored(&carol, &[9])]);
    assert_eq!(carol.receive_all(&mut bed), [message(&alice, 7)], "though two are a fair share");
    acknowledge(&mut bed, &mut carol, &alice, 1, &[7]);
    assert_eq!(carol.receive_all(&mut bed), [message(&alice, 8)]);
    acknowledge(&mut bed, &mut bob, &alice, 1, &[1, 2, 3, 4, 5, 6]);
    acknowledge(&mut bed, &mut carol, &alice, 2, &[8]);
    assert_eq!(carol.receive_all(&mut bed), [message(&alice, 9)]);
}

fn receipt_len(by: &mut ScriptedClient, to: &ScriptedClient) -> usize {
    let now = sealpost_core::time::Timestamp::MIN;
    by.receipt(now, to.id.unwrap(), 2, &[1, 2, 3, 4]).bytes().len()
}
