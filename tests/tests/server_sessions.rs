//! The server machine: reconnects, look-ups, limits, and the ends of connections (PROTOCOL 4, 8).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use std::net::IpAddr;
use std::time::Duration;

use sealpost_core::crypto::Job;
use sealpost_core::frame::{Event, StoreError};
use sealpost_core::ids::UserId;
use sealpost_core::server::OtpChannel;
use sealpost_core::server::limits::{Limits, Rate};
use sealpost_core::server::store::StoreOp;
use sealpost_core::wire::{ErrorCode, ErrorForm, Lookup, Profile, SessionResumed};
use sealpost_storage::Quota;
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::{Received, ScriptedClient};
use sealpost_tests::server_fixture::error;

fn bed() -> ServerBed {
    ServerBed::new(Profile::Compact)
}

#[test]
fn a_reconnect_must_be_newer_than_the_last_and_that_is_durable() {
    let mut bed = bed();
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    assert_eq!(alice.reconnect_to(&mut bed), 0);
    let replayed = alice.reconnect(bed.now().wall);
    bed.cut(alice.conn);
    let mut bed = bed.restart(OtpChannel::InBand, Limits::without_rates());
    alice.conn = bed.connect();
    bed.input_packet(alice.conn, &replayed);
    assert_eq!(error(&alice.receive_all(&mut bed)), (ErrorForm::ReplyKey, ErrorCode::ClockSkew));
    assert!(!bed.is_closed(alice.conn));
    assert_eq!(alice.reconnect_to(&mut bed), 0);
}

#[test]
fn a_new_user_may_reconnect_in_the_same_second() {
    let mut bed = bed();
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    bed.cut(alice.conn);
    alice.conn = bed.connect();
    let request = alice.reconnect(bed.now().wall);
    bed.input_packet(alice.conn, &request);
    assert_eq!(
        alice.receive(&mut bed),
        Some(Received::SessionResumed(SessionResumed { pending: 0 }))
    );
}

#[test]
fn no_206_leaves_before_the_rule_is_durable() {
    let mut bed = bed();
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    bed.cut(alice.conn);
    bed.advance(Duration::from_secs(1));
    alice.conn = bed.connect();
    bed.hold_store = true;
    let request = alice.reconnect(bed.now().wall);
    bed.input_packet(alice.conn, &request);
    bed.release_store(); // finds the user
    let ops: Vec<_> = bed.waiting_ops().collect();
    assert!(
        matches!(ops.as_slice(), [StoreOp::RecordReconnect { .. }]),
        "nothing is begun before: {ops:?}"
    );
    assert_eq!(alice.receive(&mut bed), None);
    bed.fail_store(1, StoreError::Io);
    bed.release_store();
    assert_eq!(error(&alice.receive_all(&mut bed)), (ErrorForm::ReplyKey, ErrorCode::Unavailable));
}

#[test]
fn a_client_whose_201_was_lost_comes_back_by_its_phone() {
    let mut bed = bed();
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    alice.id = None;
    assert_eq!(alice.reconnect_to(&mut bed), 0);
    assert_eq!(alice.id, UserId::new(1));
}

#[test]
fn a_reconnect_with_another_key_or_phone_or_id_ends_there() {
    let mut bed = bed();
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let bob = ScriptedClient::registered(&mut bed, 2);
    bed.advance(Duration::from_secs(1));
    // Alice's id and phone, but not her key.
    let mut mallory = ScriptedClient::unregistered(&mut bed, 3);
    for id in [alice.id, None] {
        mallory.conn = bed.connect();
        mallory.phone = alice.phone;
        mallory.id = id;
        let request = mallory.reconnect(bed.now().wall);
        bed.input_packet(mallory.conn, &request);
        assert_eq!(error(&mallory.receive_all(&mut bed)).1, ErrorCode::BadSignature);
        assert!(bed.is_closed(mallory.conn));
    }
    // Alice's id and key, but bob's phone.
    alice.conn = bed.connect();
    alice.phone = bob.phone;
    let request = alice.reconnect(bed.now().wall);
    bed.input_packet(alice.conn, &request);
    assert_eq!(error(&alice.receive_all(&mut bed)), (ErrorForm::ReplyKey, ErrorCode::UnknownUser));
    assert!(bed.is_closed(alice.conn));
    // An unknown user id.
    alice.conn = bed.connect();
    alice.id = UserId::new(99);
    let request = alice.reconnect(bed.now().wall);
    bed.input_packet(alice.conn, &request);
    assert_eq!(error(&alice.receive_all(&mut bed)), (ErrorForm::Clear, ErrorCode::UnknownUser));
    assert!(bed.is_closed(alice.conn));
}

#[test]
fn a_106_without_an_id_does_not_tell_who_is_registered() {
    let mut bed = bed();
    let alice = ScriptedClient::registered(&mut bed, 1);
    let mut mallory = ScriptedClient::unregistered(&mut bed, 2);
    let mut answer_about = |phone| {
        mallory.conn = bed.connect();
        mallory.phone = phone;
        let request = mallory.reconnect(bed.now().wall);
        bed.hold_jobs = true;
        bed.input_packet(mallory.conn, &request);
        let mut jobs = Vec::new();
        for _ in 0..3 {
            bed.release_jobs(|round| jobs.extend(round.iter().map(|(_, job)| name(job))));
        }
        bed.hold_jobs = false;
        let answer = bed.receive(mallory.conn).unwrap();
        assert!(bed.is_closed(mallory.conn));
        let len = answer.bytes().len();
        (jobs, len, error(&[mallory.open(answer)]))
    };
    let about_alice = answer_about(alice.phone);
    assert_eq!(about_alice.2, (ErrorForm::ReplyKey, ErrorCode::BadSignature));
    assert_eq!(about_alice.0, ["open", "verify", "emit"]);
    assert_eq!(answer_about("+4916099999999".parse().unwrap()), about_alice);
}

/// What a job before a session does.
fn name(job: &Job) -> &'static str {
    match job {
        Job::OpenRequest { .. } => "open",
        Job::Verify { .. } => "verify",
        Job::Emit(_) => "emit",
        Job::OpenSealed { .. } | Job::OpenGrant { .. } | Job::OpenMessage { .. } => "other",
    }
}

#[test]
fn a_packet_from_the_wrong_time_is_refused_and_the_connection_stays() {
    let mut bed = bed();
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let wall = bed.now().wall;
    let early = alice.lookup(wall.plus_secs(301), &Lookup::Phone(alice.phone));
    bed.input_packet(alice.conn, &early);
    match alice.receive(&mut bed) {
        Some(Received::Error(ErrorForm::SessionKey, reply)) => {
            assert_eq!((reply.code, reply.server_time), (ErrorCode::ClockSkew, wall));
            assert_eq!(reply.in_reply_to, early.request_hash().in_reply_to());
        }
        other => panic!("{other:?}"),
    }
    let timely = alice.lookup(wall.plus_secs(300), &Lookup::Phone(alice.phone));
    bed.input_packet(alice.conn, &timely);
    assert!(matches!(alice.receive(&mut bed), Some(Received::PublicKey(_))));
}

#[test]
fn users_are_looked_up_by_phone() {
    let mut bed = bed();
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let bob = ScriptedClient::registered(&mut bed, 2);
    let request = alice.lookup(bed.now().wall, &Lookup::Phone(bob.phone));
    bed.input_packet(alice.conn, &request);
    let Some(Received::PublicKey(answer)) = alice.receive(&mut bed) else { panic!("no answer") };
    assert_eq!((Some(answer.user), answer.phone), (bob.id, bob.phone));
    assert_eq!(&answer.public_key, bob.public_key());
    assert_eq!(answer.in_reply_to, request.request_hash().in_reply_to());
    let request = alice.lookup(bed.now().wall, &Lookup::Phone("+4900000000".parse().unwrap()));
    bed.input_packet(alice.conn, &request);
    assert_eq!(
        error(&alice.receive_all(&mut bed)),
        (ErrorForm::SessionKey, ErrorCode::UnknownUser)
    );
}

#[test]
fn bytes_that_are_not_a_packet_close_and_packets_that_need_a_session_get_an_error() {
    let mut bed = bed();
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    bed.input_bytes(alice.conn, &[0xff; 26]);
    assert_eq!(error(&alice.receive_all(&mut bed)), (ErrorForm::Clear, ErrorCode::Malformed));
    assert!(bed.is_closed(alice.conn));

    let mut bob = ScriptedClient::registered(&mut bed, 2);
    let to = bob.id.unwrap();
    let key = bob.public_key().clone();
    let message = bob.message(bed.now().wall, to, &key, "hello");
    let mut stranger = ScriptedClient::unregistered(&mut bed, 3);
    bed.input_packet(stranger.conn, &message);
    assert_eq!(
        error(&stranger.receive_all(&mut bed)),
        (ErrorForm::Clear, ErrorCode::NotAuthenticated)
    );
    assert!(bed.is_closed(stranger.conn));
    // In a session, with another user's sender id, or none.
    for claimed in [UserId::new(2), None] {
        bob.id = claimed;
        let forged = bob.message(bed.now().wall, to, &key, "hello");
        bob.id = Some(to);
        bed.input_packet(bob.conn, &forged);
        assert_eq!(
            error(&bob.receive_all(&mut bed)),
            (ErrorForm::SessionKey, ErrorCode::NotAuthenticated)
        );
        assert!(bed.is_closed(bob.conn));
        bob.reconnect_to(&mut bed);
        bob.receive_all(&mut bed);
    }
}

#[test]
fn ten_seconds_of_silence_or_half_a_packet_close() {
    let mut bed = bed();
    let silent = bed.connect();
    let mut slow = ScriptedClient::unregistered(&mut bed, 1);
    let request = slow.register(bed.now().wall);
    bed.input_bytes(slow.conn, &request.bytes()[..100]);
    bed.advance(Duration::from_millis(9_999));
    assert!(!bed.is_closed(silent) && !bed.is_closed(slow.conn));
    bed.advance(Duration::from_millis(1));
    assert!(bed.is_closed(silent) && bed.is_closed(slow.conn));
}

#[test]
fn lookups_in_progress_pause_reading_and_delay_the_farewell() {
    let limits = Limits { replies_per_conn: 2, ..Limits::without_rates() };
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    bed.hold_store = true;
    for count in 1..=3 {
        let request = alice.lookup(bed.now().wall, &Lookup::Phone(alice.phone));
        bed.input_packet(alice.conn, &request);
        assert_eq!(bed.is_paused(alice.conn), count > 2);
    }
    let farewell = alice.disconnect(bed.now().wall);
    bed.input_packet(alice.conn, &farewell);
    bed.hold_store = false;
    bed.release_store();
    let received = alice.receive_all(&mut bed);
    let (farewell, answers) = received.split_last().unwrap();
    assert_eq!(*farewell, Received::Disconnect);
    assert_eq!(answers.len(), 3);
    assert!(answers.iter().all(|answer| matches!(answer, Received::PublicKey(_))));
}

#[test]
fn reconnects_without_an_id_are_limited_by_address_and_lookups_by_user() {
    let rate = Rate { burst: 2, every: Duration::from_secs(7) };
    let limits =
        Limits { reconnects_per_address: rate, lookups_per_user: rate, ..Limits::without_rates() };
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    for _ in 0..2 {
        alice.id = None;
        alice.reconnect_to(&mut bed);
    }
    alice.receive_all(&mut bed);
    let lookup = Lookup::Phone(alice.phone);
    for _ in 0..2 {
        let request = alice.lookup(bed.now().wall, &lookup);
        bed.input_packet(alice.conn, &request);
        assert!(matches!(alice.receive(&mut bed), Some(Received::PublicKey(_))));
    }
    let request = alice.lookup(bed.now().wall, &lookup);
    bed.input_packet(alice.conn, &request);
    let refused = |received, expected| match received {
        Some(Received::Error(form, reply)) => {
            assert_eq!((form, reply.code, reply.retry_after_secs), expected);
        }
        other => panic!("{other:?}"),
    };
    refused(alice.receive(&mut bed), (ErrorForm::SessionKey, ErrorCode::RateLimited, 7));

    alice.conn = bed.connect();
    alice.id = None;
    let request = alice.reconnect(bed.now().wall);
    bed.input_packet(alice.conn, &request);
    refused(alice.receive(&mut bed), (ErrorForm::Clear, ErrorCode::RateLimited, 6));
    assert!(bed.is_paused(alice.conn));
    bed.advance(Duration::from_secs(6));
    assert!(!bed.is_paused(alice.conn));
    let request = alice.reconnect(bed.now().wall);
    bed.input_packet(alice.conn, &request);
    assert!(matches!(alice.receive(&mut bed), Some(Received::SessionResumed(_))));
}

#[test]
fn a_connection_with_too_many_errors_is_closed_silently() {
    let refusals_per_address = Rate { burst: 2, every: Duration::from_secs(1) };
    let limits = Limits { refusals_per_address, ..Limits::without_rates() };
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let late = alice.register(bed.now().wall.plus_secs(-999));
    for _ in 0..2 {
        bed.input_packet(alice.conn, &late);
        assert_eq!(error(&alice.receive_all(&mut bed)), (ErrorForm::Clear, ErrorCode::ClockSkew));
    }
    bed.input_packet(alice.conn, &late);
    assert_eq!(alice.receive_all(&mut bed), []);
    assert!(bed.is_closed(alice.conn));
    // Other connections still get the error.
    alice.conn = bed.connect_from(IpAddr::from([192, 0, 2, 2]));
    bed.input_packet(alice.conn, &late);
    assert_eq!(error(&alice.receive_all(&mut bed)), (ErrorForm::Clear, ErrorCode::ClockSkew));
}

#[test]
fn a_second_session_displaces_the_first() {
    let mut bed = bed();
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let old = alice.conn;
    bed.advance(Duration::from_secs(1));
    let new = bed.connect();
    let request = alice.reconnect(bed.now().wall);
    bed.input_packet(new, &request);
    assert_eq!(error(&alice.receive_all(&mut bed)), (ErrorForm::SessionKey, ErrorCode::Displaced));
    assert!(bed.is_closed(old));
    alice.conn = new;
    assert_eq!(
        alice.receive(&mut bed),
        Some(Received::SessionResumed(SessionResumed { pending: 0 }))
    );
}

#[test]
fn a_disconnect_is_acknowledged_and_closes() {
    let mut bed = bed();
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let bye = alice.disconnect(bed.now().wall);
    bed.input_packet(alice.conn, &bye);
    assert_eq!(alice.receive_all(&mut bed), [Received::Disconnect]);
    assert!(bed.is_closed(alice.conn));
}

#[test]
fn a_disconnect_is_answered_after_what_was_asked_before_it() {
    let mut bed = bed();
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    bed.hold_jobs = true;
    let late = alice.lookup(bed.now().wall.plus_secs(-999), &Lookup::Phone(alice.phone));
    bed.input_packet(alice.conn, &late);
    let bye = alice.disconnect(bed.now().wall);
    bed.input_packet(alice.conn, &bye);
    let mut error = None;
    bed.release_jobs(|jobs| error = Some(jobs.remove(0))); // the 222 is checked
    bed.release_jobs(|jobs| {
        assert_eq!(jobs.len(), 0, "its answer waits");
        jobs.extend(error);
    });
    bed.hold_jobs = false;
    bed.release_jobs(|_| ());
    match &alice.receive_all(&mut bed)[..] {
        [Received::Error(_, reply), Received::Disconnect] => {
            assert_eq!(reply.code, ErrorCode::ClockSkew);
        }
        other => panic!("{other:?}"),
    }
    assert!(bed.is_closed(alice.conn));
}

#[test]
fn a_forged_signature_closes() {
    let mut bed = bed();
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let bye = alice.disconnect(bed.now().wall);
    let mut bytes = bye.bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    bed.input_bytes(alice.conn, &bytes);
    assert_eq!(
        error(&alice.receive_all(&mut bed)),
        (ErrorForm::SessionKey, ErrorCode::BadSignature)
    );
    assert!(bed.is_closed(alice.conn));
}

#[test]
fn at_the_orderly_stop_everyone_is_told() {
    use sealpost_core::server::Notice;
    let mut bed = bed();
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let mut stranger = ScriptedClient::unregistered(&mut bed, 2);
    bed.take_notices();
    bed.input_event(Event::Shutdown);
    assert_eq!(
        error(&alice.receive_all(&mut bed)),
        (ErrorForm::SessionKey, ErrorCode::ShuttingDown)
    );
    assert_eq!(error(&stranger.receive_all(&mut bed)), (ErrorForm::Clear, ErrorCode::ShuttingDown));
    assert!(bed.is_closed(alice.conn) && bed.is_closed(stranger.conn));
    assert_eq!(bed.take_notices().last(), Some(&Notice::Stopped));
    bed.advance(Duration::from_secs(10));
    assert_eq!(bed.take_notices(), [], "once");
    let late = bed.connect();
    assert!(bed.is_closed(late));
}

#[test]
fn a_stop_waits_for_the_last_connection() {
    use sealpost_core::server::Notice;
    let mut bed = bed();
    let alice = ScriptedClient::registered(&mut bed, 1);
    bed.hold_jobs = true;
    bed.input_event(Event::Shutdown);
    assert!(!bed.is_closed(alice.conn) && !bed.take_notices().contains(&Notice::Stopped));
    bed.release_jobs(|_| ());
    assert!(bed.is_closed(alice.conn) && bed.take_notices().contains(&Notice::Stopped));
}

#[test]
fn the_server_keeps_running_without_connections() {
    use sealpost_core::server::Notice;
    let mut bed = bed();
    let alice = ScriptedClient::registered(&mut bed, 1);
    bed.cut(alice.conn);
    assert!(!bed.take_notices().contains(&Notice::Stopped));
    let bob = ScriptedClient::registered(&mut bed, 2);
    assert!(!bed.is_closed(bob.conn));
}
