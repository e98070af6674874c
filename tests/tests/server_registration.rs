//! The server machine: registration, one-time passwords and keys (PROTOCOL 4).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use std::net::IpAddr;
use std::time::Duration;

use sealpost_core::ids::UserId;
use sealpost_core::server::limits::{Limits, Rate};
use sealpost_core::server::{OtpChannel, OtpDelivery};
use sealpost_core::wire::{ErrorCode, ErrorForm, Profile};
use sealpost_storage::Quota;
use sealpost_tests::beds::ServerBed;
use sealpost_tests::registration_fixture::{ask, confirm, delivery, otp, refusal, wrong};
use sealpost_tests::scripted_client::{Received, ScriptedClient};
use sealpost_tests::server_fixture::error;

fn bed() -> ServerBed {
    ServerBed::new(Profile::Compact)
}

#[test]
fn a_stranger_becomes_a_user_with_a_session() {
    for profile in [Profile::Compact, Profile::Wide] {
        let mut bed = ServerBed::new(profile);
        let alice = ScriptedClient::registered(&mut bed, 1);
        let bob = ScriptedClient::registered(&mut bed, 2);
        assert_eq!((alice.id, bob.id), (UserId::new(1), UserId::new(2)));
        assert!(!bed.is_closed(alice.conn));
    }
}

#[test]
fn the_servers_key_is_signed_once_and_serves_many() {
    let mut bed = bed();
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    bed.hold_jobs = true;
    let mut bob = ScriptedClient::unregistered(&mut bed, 2);
    let mut gone = ScriptedClient::unregistered(&mut bed, 4);
    for client in [&mut alice, &mut bob, &mut gone] {
        let request = client.request_server_key(bed.now().wall);
        bed.input_packet(client.conn, &request);
        assert_eq!(client.receive(&mut bed), None);
    }
    bed.cut(gone.conn);
    bed.release_jobs(|jobs| assert_eq!(jobs.len(), 1));
    let key = bed.public_key().clone();
    assert_eq!(alice.receive(&mut bed), Some(Received::ServerKey(key.clone())));
    assert_eq!(bob.receive(&mut bed), Some(Received::ServerKey(key)));
    // The signed packet serves every client for 50 seconds; then it is signed again.
    for (millis, serves) in [(49_999, true), (1, false)] {
        bed.advance(Duration::from_millis(millis));
        bob.conn = bed.connect();
        let request = bob.request_server_key(bed.now().wall);
        bed.input_packet(bob.conn, &request);
        assert_eq!(bob.receive(&mut bed).is_some(), serves);
    }
    bed.release_jobs(|jobs| assert_eq!(jobs.len(), 1));
    bed.hold_jobs = false;
    let mut carol = ScriptedClient::unregistered(&mut bed, 3);
    bed.advance(Duration::from_secs(55));
    assert!(bed.is_closed(carol.conn), "ten seconds of silence are too long");
    carol.conn = bed.connect();
    let request = carol.request_server_key(bed.now().wall);
    bed.input_packet(carol.conn, &request);
    let packet = bed.receive(carol.conn).unwrap();
    assert_eq!(packet.header().timestamp, bed.now().wall);
}

#[test]
fn requests_before_a_session_wait_for_each_other_and_not_too_many_of_them() {
    let limits = Limits { waiting_requests: 2, ..Limits::without_rates() };
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let mut bob = ScriptedClient::unregistered(&mut bed, 2);
    bed.hold_jobs = true;
    for _ in 0..3 {
        let request = alice.request_server_key(bed.now().wall);
        bed.input_packet(alice.conn, &request);
        let request = bob.register(bed.now().wall);
        bed.input_packet(bob.conn, &request);
    }
    let request = bob.register(bed.now().wall);
    bed.input_packet(bob.conn, &request);
    bed.hold_jobs = false;
    bed.release_jobs(|_| ());
    let key = bed.public_key().clone();
    assert_eq!(alice.receive_all(&mut bed), [0; 3].map(|_| Received::ServerKey(key.clone())));
    assert!(!bed.is_closed(alice.conn));
    assert_eq!(error(&bob.receive_all(&mut bed)), (ErrorForm::Clear, ErrorCode::RateLimited));
    assert!(bed.is_closed(bob.conn));
}

#[test]
fn a_registered_phone_is_rejected() {
    let mut bed = bed();
    let alice = ScriptedClient::registered(&mut bed, 1);
    let mut other = ScriptedClient::unregistered(&mut bed, 2);
    other.phone = alice.phone;
    let request = other.register(bed.now().wall);
    bed.input_packet(other.conn, &request);
    let received = other.receive(&mut bed);
    assert!(matches!(received, Some(Received::RegistrationRejected(_))), "{received:?}");
    assert!(!bed.is_closed(other.conn));
}

#[test]
fn a_recorded_100_cannot_be_dated_anew() {
    let mut bed = bed();
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let recorded = bed.now().wall;
    bed.advance(Duration::from_secs(301));
    alice.conn = bed.connect();
    let request = alice.register_dated(bed.now().wall, recorded, None);
    bed.input_packet(alice.conn, &request);
    let received = alice.receive_all(&mut bed);
    assert_eq!(error(&received), (ErrorForm::ReplyKey, ErrorCode::Malformed));
    assert!(bed.is_closed(alice.conn));
    assert_eq!(bed.held().otps, 0);
}

#[test]
fn an_invitation_changes_nothing_where_none_is_needed() {
    let mut bed = bed();
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let (now, invitation) = (bed.now().wall, "SPRING-2026".parse().ok());
    let request = alice.register_dated(now, now, invitation);
    bed.input_packet(alice.conn, &request);
    let received = alice.receive(&mut bed);
    assert!(matches!(received, Some(Received::OtpIssued(_))), "{received:?}");
}

#[test]
fn a_swapped_key_does_not_get_the_account() {
    let mut bed = bed();
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let code = otp(&mut alice, &mut bed);
    // Mallory knows the password, but alice's request names her own key's fingerprint.
    let mut mallory = ScriptedClient::unregistered(&mut bed, 2);
    mallory.phone = alice.phone;
    let key = mallory.public_key().clone();
    let confirm = mallory.confirm_key(bed.now().wall, &code, key.der(), alice.public_key());
    bed.input_packet(mallory.conn, &confirm);
    assert_eq!(mallory.receive_all(&mut bed).len(), 1);
    assert!(bed.is_closed(mallory.conn));
    let confirm = alice.confirm(bed.now().wall, &code);
    bed.input_packet(alice.conn, &confirm);
    assert_eq!(alice.receive_all(&mut bed), [Received::SessionIssued]);
}

#[test]
fn an_unfit_key_is_refused_and_the_connection_stays() {
    let mut bed = bed();
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let code = otp(&mut alice, &mut bed);
    let key = alice.public_key().clone();
    let mut even = key.der().to_vec();
    even[288] &= 0xfe; // the modulus ends here
    let confirm = alice.confirm_key(bed.now().wall, &code, &even, &key);
    bed.input_packet(alice.conn, &confirm);
    assert_eq!(error(&alice.receive_all(&mut bed)), (ErrorForm::Clear, ErrorCode::KeyRejected));
    assert!(!bed.is_closed(alice.conn));
}

#[test]
fn two_connections_that_confirm_one_phone_make_one_account() {
    let mut bed = bed();
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let code = otp(&mut alice, &mut bed);
    let mut rival = ScriptedClient::unregistered(&mut bed, 2);
    rival.phone = alice.phone;
    bed.hold_jobs = true;
    bed.hold_store = true;
    for client in [&mut alice, &mut rival] {
        let confirm = client.confirm(bed.now().wall, &code);
        bed.input_packet(client.conn, &confirm);
    }
    bed.release_jobs(|_| ());
    bed.hold_jobs = false;
    bed.hold_store = false;
    bed.release_store();
    assert_eq!(alice.receive_all(&mut bed), [Received::SessionIssued]);
    assert_eq!(error(&rival.receive_all(&mut bed)), (ErrorForm::ReplyKey, ErrorCode::OtpExpired));
}

#[test]
fn a_secretive_server_answers_a_100_alike_for_every_phone() {
    let mut bed = ServerBed::secretive(OtpChannel::OutOfBand);
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    ask(&mut alice, &mut bed);
    let OtpDelivery { otp, .. } = delivery(&mut bed);
    assert_eq!(confirm(&mut alice, &mut bed, &otp), Received::SessionIssued);

    let mut mallory = ScriptedClient::unregistered(&mut bed, 2);
    mallory.use_reply_key(66);
    let mut answer_about = |phone| {
        mallory.phone = phone;
        let request = mallory.register(bed.now().wall);
        (bed.hold_jobs, bed.hold_store) = (true, true);
        bed.input_packet(mallory.conn, &request);
        let mut work = Vec::new();
        for _ in 0..3 {
            work.push((bed.waiting_jobs(), bed.waiting_ops().count()));
            bed.release_jobs(|_| ());
            bed.release_store();
        }
        (bed.hold_jobs, bed.hold_store) = (false, false);
        let packet = bed.receive(mallory.conn).unwrap();
        let len = packet.bytes().len();
        let Received::OtpIssued(issued) = mallory.open(packet) else { panic!("no 200") };
        (work, len, issued.ttl_secs, issued.attempts, delivery(&mut bed).otp)
    };
    let (work, len, ttl_secs, attempts, otp) = answer_about(alice.phone);
    let stranger = answer_about("+4916099999999".parse().unwrap());
    assert_eq!((&stranger.0, stranger.1, stranger.2, stranger.3), (&work, len, ttl_secs, attempts));
    // Only the right password brings the 150.
    mallory.phone = alice.phone;
    let answer = confirm(&mut mallory, &mut bed, &wrong(&otp));
    assert_eq!(refusal(&answer), (ErrorCode::OtpRejected, 0));
    let answer = confirm(&mut mallory, &mut bed, &otp);
    assert!(matches!(answer, Received::RegistrationRejected(_)), "{answer:?}");
}

#[test]
fn a_sweep_through_phones_stops_registration_and_nothing_else() {
    let rate = Rate { burst: 3, every: Duration::from_secs(10) };
    let limits = Limits { otps_issued: rate, ..Limits::without_rates() };
    let mut bed = ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = ScriptedClient::registered(&mut bed, 1);
    let mut mallory = ScriptedClient::unregistered(&mut bed, 2);
    let mut refused = None;
    for number in 1..=3 {
        mallory.conn = bed.connect_from(IpAddr::from([192, 0, 2, number]));
        mallory.phone = format!("+49160000000{number}").parse().unwrap();
        let answer = ask(&mut mallory, &mut bed);
        if let Received::Error(..) = answer {
            refused = Some(refusal(&answer));
        }
    }
    assert_eq!(refused, Some((ErrorCode::RateLimited, 10)));
    assert_eq!(alice.reconnect_to(&mut bed), 0);
    bed.advance(Duration::from_secs(10));
    mallory.conn = bed.connect();
    otp(&mut mallory, &mut bed);
}

#[test]
fn registrations_are_limited_by_address() {
    let mut bed =
        ServerBed::with(Profile::Compact, OtpChannel::InBand, Limits::default(), Quota::default());
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    // Phones at one address share its limit; another address has its own.
    let mut refused = None;
    for number in 0..40 {
        alice.phone = format!("+4916000000{number:02}").parse().unwrap();
        if let Received::Error(form, reply) = ask(&mut alice, &mut bed) {
            refused = Some((form, reply.code));
            break;
        }
    }
    assert_eq!(refused, Some((ErrorForm::Clear, ErrorCode::RateLimited)));
    assert!(bed.is_paused(alice.conn), "requests over the limit are not even opened");
    alice.conn = bed.connect_from(IpAddr::from([192, 0, 2, 2]));
    otp(&mut alice, &mut bed);
}
