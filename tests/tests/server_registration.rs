//! The server machine: registration, one-time passwords, keys, and how sessions begin.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use std::net::IpAddr;
use std::time::Duration;

use sealpost_core::frame::{Event, StoreError};
use sealpost_core::ids::UserId;
use sealpost_core::server::OtpChannel;
use sealpost_core::server::limits::{Limits, Rate};
use sealpost_core::server::store::StoreOp;
use sealpost_core::wire::{
    ErrorCode, ErrorForm, ErrorReply, Lookup, Otp, OtpIssued, Profile, SessionResumed,
};
use sealpost_storage::Quota;
use sealpost_tests::actor::{Actor, Heard};
use sealpost_tests::stage::Stage;

fn stage() -> Stage {
    Stage::new(Profile::Compact)
}

/// The error among what was heard, which must be all that was heard.
fn error(heard: &[Heard]) -> (ErrorForm, ErrorCode) {
    match heard {
        [Heard::Error(form, reply)] => (*form, reply.code),
        other => panic!("{other:?}"),
    }
}

fn otp(actor: &mut Actor, stage: &mut Stage) -> Otp {
    let request = actor.register(stage.now().wall);
    stage.packet(actor.conn, &request);
    match actor.hear(stage) {
        Some(Heard::OtpIssued(OtpIssued {
            otp: Some(otp),
            ttl_secs: 300,
            attempts: 5,
            in_reply_to,
        })) => {
            assert_eq!(in_reply_to, request.request_hash().in_reply_to());
            otp
        }
        other => panic!("{other:?}"),
    }
}

fn wrong(otp: &Otp) -> Otp {
    let number: u32 = otp.digits().parse().unwrap();
    Otp::from_number((number + 1) % 1_000_000).unwrap()
}

#[test]
fn a_stranger_becomes_a_user_with_a_session() {
    for profile in [Profile::Compact, Profile::Wide] {
        let mut stage = Stage::new(profile);
        let alice = Actor::registered(&mut stage, 1);
        let bob = Actor::registered(&mut stage, 2);
        assert_eq!((alice.id, bob.id), (UserId::new(1), UserId::new(2)));
        assert!(!stage.is_closed(alice.conn));
    }
}

#[test]
fn the_servers_key_is_signed_once_and_serves_many() {
    let mut stage = stage();
    let mut alice = Actor::stranger(&mut stage, 1);
    stage.hold_jobs = true;
    let mut bob = Actor::stranger(&mut stage, 2);
    let mut gone = Actor::stranger(&mut stage, 4);
    for actor in [&mut alice, &mut bob, &mut gone] {
        let request = actor.ask_server_key(stage.now().wall);
        stage.packet(actor.conn, &request);
        assert_eq!(actor.hear(&mut stage), None);
    }
    stage.cut(gone.conn);
    stage.release_jobs(|jobs| assert_eq!(jobs.len(), 1));
    let key = stage.server_key().clone();
    assert_eq!(alice.hear(&mut stage), Some(Heard::ServerKey(key.clone())));
    assert_eq!(bob.hear(&mut stage), Some(Heard::ServerKey(key)));
    // For 50 seconds it serves everybody; then it is signed anew.
    for (millis, serves) in [(49_999, true), (1, false)] {
        stage.pass(Duration::from_millis(millis));
        bob.conn = stage.connect();
        let request = bob.ask_server_key(stage.now().wall);
        stage.packet(bob.conn, &request);
        assert_eq!(bob.hear(&mut stage).is_some(), serves);
    }
    stage.release_jobs(|jobs| assert_eq!(jobs.len(), 1));
    stage.hold_jobs = false;
    let mut carol = Actor::stranger(&mut stage, 3);
    stage.pass(Duration::from_secs(55));
    assert!(stage.is_closed(carol.conn), "ten seconds of silence are too long");
    carol.conn = stage.connect();
    let request = carol.ask_server_key(stage.now().wall);
    stage.packet(carol.conn, &request);
    let packet = stage.receive(carol.conn).unwrap();
    assert_eq!(packet.header().timestamp, stage.now().wall);
}

#[test]
fn requests_before_a_session_wait_for_each_other_and_not_too_many_of_them() {
    let limits = Limits { waiting_requests: 2, ..Limits::without_rates() };
    let mut stage = Stage::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = Actor::stranger(&mut stage, 1);
    let mut bob = Actor::stranger(&mut stage, 2);
    stage.hold_jobs = true;
    for _ in 0..3 {
        let request = alice.ask_server_key(stage.now().wall);
        stage.packet(alice.conn, &request);
        let request = bob.register(stage.now().wall);
        stage.packet(bob.conn, &request);
    }
    let request = bob.register(stage.now().wall);
    stage.packet(bob.conn, &request);
    stage.hold_jobs = false;
    stage.release_jobs(|_| ());
    let key = stage.server_key().clone();
    assert_eq!(alice.hear_all(&mut stage), [0; 3].map(|_| Heard::ServerKey(key.clone())));
    assert!(!stage.is_closed(alice.conn));
    assert_eq!(error(&bob.hear_all(&mut stage)), (ErrorForm::Clear, ErrorCode::RateLimited));
    assert!(stage.is_closed(bob.conn));
}

#[test]
fn so_many_passwords_are_alive_at_once() {
    let limits = Limits { otps: 1, ..Limits::without_rates() };
    let mut stage = Stage::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = Actor::stranger(&mut stage, 1);
    let mut bob = Actor::stranger(&mut stage, 2);
    otp(&mut alice, &mut stage);
    let request = bob.register(stage.now().wall);
    stage.packet(bob.conn, &request);
    assert_eq!(error(&bob.hear_all(&mut stage)), (ErrorForm::ReplyKey, ErrorCode::RateLimited));
    otp(&mut alice, &mut stage); // in place of her first
    stage.pass(Duration::from_mins(5));
    bob.conn = stage.connect();
    otp(&mut bob, &mut stage);
}

#[test]
fn a_password_that_was_right_makes_room_for_another() {
    let limits = Limits { otps: 1, ..Limits::without_rates() };
    let mut stage = Stage::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = Actor::stranger(&mut stage, 1);
    let right = otp(&mut alice, &mut stage);
    let confirm = alice.confirm(stage.now().wall, &right);
    stage.packet(alice.conn, &confirm);
    assert_eq!(alice.hear_all(&mut stage), [Heard::SessionIssued]);
    let mut bob = Actor::stranger(&mut stage, 2);
    otp(&mut bob, &mut stage);
}

#[test]
fn a_registered_phone_is_rejected() {
    let mut stage = stage();
    let alice = Actor::registered(&mut stage, 1);
    let mut other = Actor::stranger(&mut stage, 2);
    other.phone = alice.phone;
    let request = other.register(stage.now().wall);
    stage.packet(other.conn, &request);
    let heard = other.hear(&mut stage);
    assert!(matches!(heard, Some(Heard::RegistrationRejected(_))), "{heard:?}");
    assert!(!stage.is_closed(other.conn));
}

#[test]
fn a_wrong_password_costs_an_attempt_and_the_fifth_voids_it() {
    let mut stage = stage();
    let mut alice = Actor::stranger(&mut stage, 1);
    let right = otp(&mut alice, &mut stage);
    for left in ["4 attempts", "3 attempts", "2 attempts", "1 attempt", "0 attempts"] {
        let confirm = alice.confirm(stage.now().wall, &wrong(&right));
        stage.packet(alice.conn, &confirm);
        match alice.hear(&mut stage) {
            Some(Heard::Error(
                ErrorForm::ReplyKey,
                ErrorReply { code: ErrorCode::OtpRejected, text, .. },
            )) => {
                assert_eq!(text, format!("{left} left"));
            }
            other => panic!("{other:?}"),
        }
    }
    let confirm = alice.confirm(stage.now().wall, &right);
    stage.packet(alice.conn, &confirm);
    assert_eq!(error(&alice.hear_all(&mut stage)), (ErrorForm::ReplyKey, ErrorCode::OtpExpired));
}

#[test]
fn a_password_lives_for_300_seconds_on_any_connection() {
    let mut stage = stage();
    let mut alice = Actor::stranger(&mut stage, 1);
    let first = otp(&mut alice, &mut stage);
    stage.pass(Duration::from_secs(299));
    assert!(!stage.is_closed(alice.conn), "who waits for a password may wait for its whole life");
    stage.pass(Duration::from_secs(1));
    assert!(stage.is_closed(alice.conn));
    alice.conn = stage.connect();
    let confirm = alice.confirm(stage.now().wall, &first);
    stage.packet(alice.conn, &confirm);
    assert_eq!(error(&alice.hear_all(&mut stage)), (ErrorForm::ReplyKey, ErrorCode::OtpExpired));

    let second = otp(&mut alice, &mut stage);
    stage.pass(Duration::from_secs(299));
    alice.conn = stage.connect();
    let confirm = alice.confirm(stage.now().wall, &second);
    stage.packet(alice.conn, &confirm);
    assert_eq!(alice.hear_all(&mut stage), [Heard::SessionIssued]);
}

#[test]
fn a_swapped_key_does_not_get_the_account() {
    let mut stage = stage();
    let mut alice = Actor::stranger(&mut stage, 1);
    let code = otp(&mut alice, &mut stage);
    // Mallory knows the password, but alice swore to her own key.
    let mut mallory = Actor::stranger(&mut stage, 2);
    mallory.phone = alice.phone;
    let key = mallory.public_key().clone();
    let confirm = mallory.confirm_key(stage.now().wall, &code, key.der(), alice.public_key());
    stage.packet(mallory.conn, &confirm);
    assert_eq!(mallory.hear_all(&mut stage).len(), 1);
    assert!(stage.is_closed(mallory.conn));
    let confirm = alice.confirm(stage.now().wall, &code);
    stage.packet(alice.conn, &confirm);
    assert_eq!(alice.hear_all(&mut stage), [Heard::SessionIssued]);
}

#[test]
fn an_unfit_key_is_refused_and_the_connection_stays() {
    let mut stage = stage();
    let mut alice = Actor::stranger(&mut stage, 1);
    let code = otp(&mut alice, &mut stage);
    let key = alice.public_key().clone();
    let mut even = key.der().to_vec();
    even[288] &= 0xfe; // the modulus ends here
    let confirm = alice.confirm_key(stage.now().wall, &code, &even, &key);
    stage.packet(alice.conn, &confirm);
    assert_eq!(error(&alice.hear_all(&mut stage)), (ErrorForm::Clear, ErrorCode::KeyRejected));
    assert!(!stage.is_closed(alice.conn));
}

#[test]
fn two_connections_that_confirm_one_phone_make_one_account() {
    let mut stage = stage();
    let mut alice = Actor::stranger(&mut stage, 1);
    let code = otp(&mut alice, &mut stage);
    let mut twin = Actor::stranger(&mut stage, 2);
    twin.phone = alice.phone;
    stage.hold_jobs = true;
    stage.hold_store = true;
    for actor in [&mut alice, &mut twin] {
        let confirm = actor.confirm(stage.now().wall, &code);
        stage.packet(actor.conn, &confirm);
    }
    stage.release_jobs(|_| ());
    stage.hold_jobs = false;
    stage.hold_store = false;
    stage.release_store();
    assert_eq!(alice.hear_all(&mut stage), [Heard::SessionIssued]);
    assert_eq!(error(&twin.hear_all(&mut stage)), (ErrorForm::ReplyKey, ErrorCode::OtpExpired));
}

#[test]
fn a_password_survives_a_failing_store() {
    let mut stage = stage();
    let mut alice = Actor::stranger(&mut stage, 1);
    let code = otp(&mut alice, &mut stage);
    stage.fail_store(1, StoreError::DiskFull);
    let confirm = alice.confirm(stage.now().wall, &code);
    stage.packet(alice.conn, &confirm);
    assert_eq!(error(&alice.hear_all(&mut stage)), (ErrorForm::ReplyKey, ErrorCode::Unavailable));
    stage.packet(alice.conn, &confirm);
    assert_eq!(alice.hear_all(&mut stage), [Heard::SessionIssued]);
}

#[test]
fn out_of_band_passwords_go_to_the_host_alone() {
    let mut stage = Stage::with(
        Profile::Compact,
        OtpChannel::OutOfBand,
        Limits::without_rates(),
        Quota::default(),
    );
    let mut alice = Actor::stranger(&mut stage, 1);
    let request = alice.register(stage.now().wall);
    stage.packet(alice.conn, &request);
    match alice.hear(&mut stage) {
        Some(Heard::OtpIssued(OtpIssued { otp: None, .. })) => {}
        other => panic!("{other:?}"),
    }
    let [delivery] = &stage.otps()[..] else { panic!("one password") };
    assert_eq!(delivery.phone, alice.phone);
    let confirm = alice.confirm(stage.now().wall, &delivery.otp);
    stage.packet(alice.conn, &confirm);
    assert_eq!(alice.hear_all(&mut stage), [Heard::SessionIssued]);
}

#[test]
fn a_reconnect_must_be_newer_than_the_last_and_that_is_durable() {
    let mut stage = stage();
    let mut alice = Actor::registered(&mut stage, 1);
    assert_eq!(alice.return_to(&mut stage), 0);
    let replayed = alice.reconnect(stage.now().wall);
    stage.cut(alice.conn);
    let mut stage = stage.restart(OtpChannel::InBand, Limits::without_rates());
    alice.conn = stage.connect();
    stage.packet(alice.conn, &replayed);
    assert_eq!(error(&alice.hear_all(&mut stage)), (ErrorForm::ReplyKey, ErrorCode::ClockSkew));
    assert!(!stage.is_closed(alice.conn));
    assert_eq!(alice.return_to(&mut stage), 0);
}

#[test]
fn who_registered_may_reconnect_in_the_same_second() {
    let mut stage = stage();
    let mut alice = Actor::registered(&mut stage, 1);
    stage.cut(alice.conn);
    alice.conn = stage.connect();
    let request = alice.reconnect(stage.now().wall);
    stage.packet(alice.conn, &request);
    assert_eq!(alice.hear(&mut stage), Some(Heard::SessionResumed(SessionResumed { pending: 0 })));
}

#[test]
fn no_206_leaves_before_the_rule_is_durable() {
    let mut stage = stage();
    let mut alice = Actor::registered(&mut stage, 1);
    stage.cut(alice.conn);
    stage.pass(Duration::from_secs(1));
    alice.conn = stage.connect();
    stage.hold_store = true;
    let request = alice.reconnect(stage.now().wall);
    stage.packet(alice.conn, &request);
    stage.release_store(); // finds the user
    let ops: Vec<_> = stage.waiting_ops().collect();
    assert!(
        matches!(ops.as_slice(), [StoreOp::RecordReconnect { .. }]),
        "nothing is begun before: {ops:?}"
    );
    assert_eq!(alice.hear(&mut stage), None);
    stage.fail_store(1, StoreError::Io);
    stage.release_store();
    assert_eq!(error(&alice.hear_all(&mut stage)), (ErrorForm::ReplyKey, ErrorCode::Unavailable));
}

#[test]
fn a_client_whose_201_was_lost_comes_back_by_its_phone() {
    let mut stage = stage();
    let mut alice = Actor::registered(&mut stage, 1);
    alice.id = None;
    assert_eq!(alice.return_to(&mut stage), 0);
    assert_eq!(alice.id, UserId::new(1));
}

#[test]
fn a_reconnect_with_another_key_or_phone_or_id_ends_there() {
    let mut stage = stage();
    let mut alice = Actor::registered(&mut stage, 1);
    let bob = Actor::registered(&mut stage, 2);
    stage.pass(Duration::from_secs(1));
    // Alice's id and phone, but not her key.
    let mut mallory = Actor::stranger(&mut stage, 3);
    for id in [alice.id, None] {
        mallory.conn = stage.connect();
        mallory.phone = alice.phone;
        mallory.id = id;
        let request = mallory.reconnect(stage.now().wall);
        stage.packet(mallory.conn, &request);
        assert_eq!(error(&mallory.hear_all(&mut stage)).1, ErrorCode::BadSignature);
        assert!(stage.is_closed(mallory.conn));
    }
    // Alice's id and key, but bob's phone.
    alice.conn = stage.connect();
    alice.phone = bob.phone;
    let request = alice.reconnect(stage.now().wall);
    stage.packet(alice.conn, &request);
    assert_eq!(error(&alice.hear_all(&mut stage)), (ErrorForm::ReplyKey, ErrorCode::UnknownUser));
    assert!(stage.is_closed(alice.conn));
    // An id that nobody has.
    alice.conn = stage.connect();
    alice.id = UserId::new(99);
    let request = alice.reconnect(stage.now().wall);
    stage.packet(alice.conn, &request);
    assert_eq!(error(&alice.hear_all(&mut stage)), (ErrorForm::Clear, ErrorCode::UnknownUser));
    assert!(stage.is_closed(alice.conn));
}

#[test]
fn a_packet_from_the_wrong_time_is_refused_and_the_connection_stays() {
    let mut stage = stage();
    let mut alice = Actor::registered(&mut stage, 1);
    let wall = stage.now().wall;
    let early = alice.lookup(wall.plus_secs(301), &Lookup::Phone(alice.phone));
    stage.packet(alice.conn, &early);
    match alice.hear(&mut stage) {
        Some(Heard::Error(ErrorForm::SessionKey, reply)) => {
            assert_eq!((reply.code, reply.server_time), (ErrorCode::ClockSkew, wall));
            assert_eq!(reply.in_reply_to, early.request_hash().in_reply_to());
        }
        other => panic!("{other:?}"),
    }
    let timely = alice.lookup(wall.plus_secs(300), &Lookup::Phone(alice.phone));
    stage.packet(alice.conn, &timely);
    assert!(matches!(alice.hear(&mut stage), Some(Heard::PublicKey(_))));
}

#[test]
fn users_are_looked_up_by_phone_and_by_id() {
    let mut stage = stage();
    let mut alice = Actor::registered(&mut stage, 1);
    let bob = Actor::registered(&mut stage, 2);
    for lookup in [Lookup::Phone(bob.phone), Lookup::Id(bob.id.unwrap())] {
        let request = alice.lookup(stage.now().wall, &lookup);
        stage.packet(alice.conn, &request);
        let Some(Heard::PublicKey(answer)) = alice.hear(&mut stage) else { panic!("no answer") };
        assert_eq!((Some(answer.user), answer.phone), (bob.id, bob.phone));
        assert_eq!(&answer.public_key, bob.public_key());
        assert_eq!(answer.in_reply_to, request.request_hash().in_reply_to());
    }
    let request = alice.lookup(stage.now().wall, &Lookup::Phone("+4900000000".parse().unwrap()));
    stage.packet(alice.conn, &request);
    let request = alice.lookup(stage.now().wall, &Lookup::Id(UserId::new(3).unwrap()));
    stage.packet(alice.conn, &request);
    alice.hear(&mut stage);
    assert_eq!(error(&alice.hear_all(&mut stage)), (ErrorForm::SessionKey, ErrorCode::UnknownUser));
}

#[test]
fn what_is_no_packet_closes_and_what_needs_a_session_says_so() {
    let mut stage = stage();
    let mut alice = Actor::stranger(&mut stage, 1);
    stage.bytes(alice.conn, &[0xff; 26]);
    assert_eq!(error(&alice.hear_all(&mut stage)), (ErrorForm::Clear, ErrorCode::Malformed));
    assert!(stage.is_closed(alice.conn));

    let mut bob = Actor::registered(&mut stage, 2);
    let to = bob.id.unwrap();
    let key = bob.public_key().clone();
    let message = bob.message(stage.now().wall, to, &key, "hello");
    let mut stranger = Actor::stranger(&mut stage, 3);
    stage.packet(stranger.conn, &message);
    assert_eq!(
        error(&stranger.hear_all(&mut stage)),
        (ErrorForm::Clear, ErrorCode::NotAuthenticated)
    );
    assert!(stage.is_closed(stranger.conn));
    // In a session, somebody else's sender id, or none.
    for claimed in [UserId::new(2), None] {
        bob.id = claimed;
        let forged = bob.message(stage.now().wall, to, &key, "hello");
        bob.id = Some(to);
        stage.packet(bob.conn, &forged);
        assert_eq!(
            error(&bob.hear_all(&mut stage)),
            (ErrorForm::SessionKey, ErrorCode::NotAuthenticated)
        );
        assert!(stage.is_closed(bob.conn));
        bob.return_to(&mut stage);
        bob.hear_all(&mut stage);
    }
}

#[test]
fn ten_seconds_of_silence_or_half_a_packet_close() {
    let mut stage = stage();
    let silent = stage.connect();
    let mut slow = Actor::stranger(&mut stage, 1);
    let request = slow.register(stage.now().wall);
    stage.bytes(slow.conn, &request.bytes()[..100]);
    stage.pass(Duration::from_millis(9_999));
    assert!(!stage.is_closed(silent) && !stage.is_closed(slow.conn));
    stage.pass(Duration::from_millis(1));
    assert!(stage.is_closed(silent) && stage.is_closed(slow.conn));
}

#[test]
fn registrations_are_limited_by_phone_and_by_address() {
    let mut stage =
        Stage::with(Profile::Compact, OtpChannel::InBand, Limits::default(), Quota::default());
    let mut alice = Actor::stranger(&mut stage, 1);
    for _ in 0..3 {
        otp(&mut alice, &mut stage);
    }
    let request = alice.register(stage.now().wall);
    stage.packet(alice.conn, &request);
    match alice.hear(&mut stage) {
        Some(Heard::Error(ErrorForm::ReplyKey, reply)) => {
            assert_eq!((reply.code, reply.retry_after_secs), (ErrorCode::RateLimited, 120));
        }
        other => panic!("{other:?}"),
    }
    // Other phones at the same address have their limit too; another address is free.
    let mut refused = None;
    for number in 0..40 {
        alice.phone = format!("+4916000000{number:02}").parse().unwrap();
        let request = alice.register(stage.now().wall);
        stage.packet(alice.conn, &request);
        if let Some(Heard::Error(form, reply)) = alice.hear(&mut stage) {
            refused = Some((form, reply.code));
            break;
        }
    }
    assert_eq!(refused, Some((ErrorForm::Clear, ErrorCode::RateLimited)));
    assert!(stage.is_paused(alice.conn), "who asks too often is not even read");
    alice.conn = stage.connect_from(IpAddr::from([192, 0, 2, 2]));
    otp(&mut alice, &mut stage);
}

#[test]
fn look_ups_under_way_pause_reading_and_hold_the_goodbye_back() {
    let limits = Limits { replies_per_conn: 2, ..Limits::without_rates() };
    let mut stage = Stage::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = Actor::registered(&mut stage, 1);
    stage.hold_store = true;
    for count in 1..=3 {
        let request = alice.lookup(stage.now().wall, &Lookup::Phone(alice.phone));
        stage.packet(alice.conn, &request);
        assert_eq!(stage.is_paused(alice.conn), count > 2);
    }
    let goodbye = alice.disconnect(stage.now().wall);
    stage.packet(alice.conn, &goodbye);
    stage.hold_store = false;
    stage.release_store();
    let heard = alice.hear_all(&mut stage);
    let (goodbye, answers) = heard.split_last().unwrap();
    assert_eq!(*goodbye, Heard::Disconnect);
    assert_eq!(answers.len(), 3);
    assert!(answers.iter().all(|answer| matches!(answer, Heard::PublicKey(_))));
}

#[test]
fn reconnects_are_limited_by_address_and_lookups_by_user() {
    let rate = Rate { burst: 2, every: Duration::from_secs(7) };
    let limits =
        Limits { reconnects_per_address: rate, lookups_per_user: rate, ..Limits::without_rates() };
    let mut stage = Stage::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = Actor::registered(&mut stage, 1);
    alice.return_to(&mut stage);
    alice.return_to(&mut stage);
    alice.hear_all(&mut stage);
    let lookup = Lookup::Phone(alice.phone);
    for _ in 0..2 {
        let request = alice.lookup(stage.now().wall, &lookup);
        stage.packet(alice.conn, &request);
        assert!(matches!(alice.hear(&mut stage), Some(Heard::PublicKey(_))));
    }
    let request = alice.lookup(stage.now().wall, &lookup);
    stage.packet(alice.conn, &request);
    let refused = |heard, expected| match heard {
        Some(Heard::Error(form, reply)) => {
            assert_eq!((form, reply.code, reply.retry_after_secs), expected);
        }
        other => panic!("{other:?}"),
    };
    refused(alice.hear(&mut stage), (ErrorForm::SessionKey, ErrorCode::RateLimited, 7));

    alice.conn = stage.connect();
    let request = alice.reconnect(stage.now().wall);
    stage.packet(alice.conn, &request);
    refused(alice.hear(&mut stage), (ErrorForm::Clear, ErrorCode::RateLimited, 6));
    assert!(stage.is_paused(alice.conn));
    stage.pass(Duration::from_secs(6));
    assert!(!stage.is_paused(alice.conn));
    let request = alice.reconnect(stage.now().wall);
    stage.packet(alice.conn, &request);
    assert!(matches!(alice.hear(&mut stage), Some(Heard::SessionResumed(_))));
}

#[test]
fn who_provokes_too_many_errors_is_closed_without_a_word() {
    let refusals_per_address = Rate { burst: 2, every: Duration::from_secs(1) };
    let limits = Limits { refusals_per_address, ..Limits::without_rates() };
    let mut stage = Stage::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default());
    let mut alice = Actor::stranger(&mut stage, 1);
    let late = alice.register(stage.now().wall.plus_secs(-999));
    for _ in 0..2 {
        stage.packet(alice.conn, &late);
        assert_eq!(error(&alice.hear_all(&mut stage)), (ErrorForm::Clear, ErrorCode::ClockSkew));
    }
    stage.packet(alice.conn, &late);
    assert_eq!(alice.hear_all(&mut stage), []);
    assert!(stage.is_closed(alice.conn));
    // Elsewhere they are still told.
    alice.conn = stage.connect_from(IpAddr::from([192, 0, 2, 2]));
    stage.packet(alice.conn, &late);
    assert_eq!(error(&alice.hear_all(&mut stage)), (ErrorForm::Clear, ErrorCode::ClockSkew));
}

#[test]
fn a_second_session_displaces_the_first() {
    let mut stage = stage();
    let mut alice = Actor::registered(&mut stage, 1);
    let old = alice.conn;
    stage.pass(Duration::from_secs(1));
    let new = stage.connect();
    let request = alice.reconnect(stage.now().wall);
    stage.packet(new, &request);
    assert_eq!(error(&alice.hear_all(&mut stage)), (ErrorForm::SessionKey, ErrorCode::Displaced));
    assert!(stage.is_closed(old));
    alice.conn = new;
    assert_eq!(alice.hear(&mut stage), Some(Heard::SessionResumed(SessionResumed { pending: 0 })));
}

#[test]
fn a_disconnect_is_acknowledged_and_closes() {
    let mut stage = stage();
    let mut alice = Actor::registered(&mut stage, 1);
    let bye = alice.disconnect(stage.now().wall);
    stage.packet(alice.conn, &bye);
    assert_eq!(alice.hear_all(&mut stage), [Heard::Disconnect]);
    assert!(stage.is_closed(alice.conn));
}

#[test]
fn a_disconnect_is_answered_after_what_was_asked_before_it() {
    let mut stage = stage();
    let mut alice = Actor::registered(&mut stage, 1);
    stage.hold_jobs = true;
    let late = alice.lookup(stage.now().wall.plus_secs(-999), &Lookup::Phone(alice.phone));
    stage.packet(alice.conn, &late);
    let bye = alice.disconnect(stage.now().wall);
    stage.packet(alice.conn, &bye);
    let mut error = None;
    stage.release_jobs(|jobs| error = Some(jobs.remove(0))); // the 222 is checked
    stage.release_jobs(|jobs| {
        assert_eq!(jobs.len(), 0, "its answer waits");
        jobs.extend(error);
    });
    stage.hold_jobs = false;
    stage.release_jobs(|_| ());
    match &alice.hear_all(&mut stage)[..] {
        [Heard::Error(_, reply), Heard::Disconnect] => {
            assert_eq!(reply.code, ErrorCode::ClockSkew);
        }
        other => panic!("{other:?}"),
    }
    assert!(stage.is_closed(alice.conn));
}

#[test]
fn a_forged_signature_closes() {
    let mut stage = stage();
    let mut alice = Actor::registered(&mut stage, 1);
    let bye = alice.disconnect(stage.now().wall);
    let mut bytes = bye.bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    stage.bytes(alice.conn, &bytes);
    assert_eq!(
        error(&alice.hear_all(&mut stage)),
        (ErrorForm::SessionKey, ErrorCode::BadSignature)
    );
    assert!(stage.is_closed(alice.conn));
}

#[test]
fn at_the_orderly_stop_everyone_is_told() {
    use sealpost_core::server::Notice;
    let mut stage = stage();
    let mut alice = Actor::registered(&mut stage, 1);
    let mut stranger = Actor::stranger(&mut stage, 2);
    stage.notices();
    stage.event(Event::Shutdown);
    assert_eq!(
        error(&alice.hear_all(&mut stage)),
        (ErrorForm::SessionKey, ErrorCode::ShuttingDown)
    );
    assert_eq!(error(&stranger.hear_all(&mut stage)), (ErrorForm::Clear, ErrorCode::ShuttingDown));
    assert!(stage.is_closed(alice.conn) && stage.is_closed(stranger.conn));
    assert_eq!(stage.notices().last(), Some(&Notice::Stopped));
    stage.pass(Duration::from_secs(10));
    assert_eq!(stage.notices(), [], "once");
    let late = stage.connect();
    assert!(stage.is_closed(late));
}

#[test]
fn nothing_is_stopped_because_nobody_is_left() {
    use sealpost_core::server::Notice;
    let mut stage = stage();
    let alice = Actor::registered(&mut stage, 1);
    stage.cut(alice.conn);
    assert!(!stage.notices().contains(&Notice::Stopped));
    let bob = Actor::registered(&mut stage, 2);
    assert!(!stage.is_closed(bob.conn));
}
