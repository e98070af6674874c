//! The client machine: from a fresh store to a session, and back to one (PROTOCOL 3).
#![expect(clippy::unwrap_used, reason = "a helper fails its test by panicking")]

use std::time::Duration;

use sealpost_core::client::{
    Command, Limits, Notice, OfflineReason, OtpChannel, RegistrationFailure, Suspicion,
};
use sealpost_core::crypto::{Fingerprint, Part};
use sealpost_core::ids::UserId;
use sealpost_core::machine::Event;
use sealpost_core::store::StoreError;
use sealpost_core::wire::{ErrorCode, ErrorForm, InReplyTo, Op, Otp, Profile};
use sealpost_storage::client::ClientStorage;
use sealpost_tests::clerk::{Asked, Clerk, Counter};
use sealpost_tests::client_stage::ClientStage;

fn otp() -> Otp {
    Otp::from_number(42_137).unwrap()
}

fn me() -> UserId {
    UserId::new(1).unwrap()
}

/// A client that has fetched the server's key and asked for a one-time password.
fn registering() -> Counter {
    let mut counter = Counter::new();
    counter.stage.command(Command::Register);
    counter.open();
    assert_eq!(counter.hear(), Some(Asked::ServerKey));
    let key = counter.clerk.server_key(counter.at());
    counter.say(&key);
    assert_eq!(counter.hear(), Some(Asked::Register(ClientStage::phone(1))));
    counter
}

/// A client whose 101 was sent.
fn confirming() -> Counter {
    let mut counter = registering();
    let issued = counter.clerk.otp_issued(counter.at(), Some(otp()));
    counter.say(&issued);
    assert_eq!(counter.hear(), Some(Asked::Confirm(ClientStage::phone(1), otp())));
    counter.stage.notices();
    counter
}

fn offline(notices: &[Notice]) -> Option<(OfflineReason, bool)> {
    notices.iter().find_map(|notice| {
        let Notice::Offline { reason, retry_in } = notice else { return None };
        Some((*reason, retry_in.is_some()))
    })
}

#[test]
fn first_contact_fetches_the_key_registers_and_is_online() {
    let mut counter = registering();
    let issued = counter.clerk.otp_issued(counter.at(), Some(otp()));
    counter.say(&issued);
    assert_eq!(counter.hear(), Some(Asked::Confirm(ClientStage::phone(1), otp())));
    let issued = counter.clerk.session_issued(counter.at());
    counter.say(&issued);
    assert_eq!(
        counter.stage.notices(),
        [
            Notice::OtpRequested { channel: OtpChannel::InBand, ttl_secs: 300, attempts: 5 },
            Notice::Registered { user: me() },
            Notice::Online { pending: None },
        ]
    );
    let account = counter.stage.store.inner().load().unwrap().account;
    assert_eq!(account.user, Some(me()));
    assert_eq!(account.server_key.as_ref(), Some(counter.clerk.public_key()));
}

#[test]
fn a_server_with_another_key_than_its_address_is_left_for_good() {
    let profile = Profile::Compact;
    let mut stage = ClientStage::new(profile, 1, Fingerprint([7; 32]));
    let mut clerk = Clerk::new(profile, stage.public_key());
    stage.command(Command::Register);
    let conn = stage.open();
    assert_eq!(clerk.hear(&mut stage), Some(Asked::ServerKey));
    let key = clerk.server_key(stage.now().wall);
    stage.packet(conn, &key);
    let offered = *clerk.public_key().fingerprint();
    assert_eq!(
        stage.notices(),
        [
            Notice::Suspicious(Suspicion::WrongServerKey { offered }),
            Notice::Offline { reason: OfflineReason::WrongServer, retry_in: None },
        ]
    );
    assert!(stage.is_closed(conn));
    assert_eq!(stage.deadline(), None);
}

#[test]
fn a_server_key_that_does_not_sign_for_itself_is_refused() {
    let mut counter = Counter::new();
    counter.stage.command(Command::Register);
    counter.open();
    let key = counter.clerk.server_key(counter.at());
    let mut bytes = key.bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    counter.stage.bytes(counter.conn, &bytes);
    let notices = counter.stage.notices();
    assert!(notices.contains(&Notice::Suspicious(Suspicion::BadServerSignature)));
    assert_eq!(offline(&notices), Some((OfflineReason::Fault, true)));
    assert_eq!(counter.stage.store.inner().load().unwrap().account.server_key, None);
}

#[test]
fn a_password_that_comes_out_of_band_is_waited_for_without_a_connection() {
    let mut counter = registering();
    let issued = counter.clerk.otp_issued(counter.at(), None);
    counter.say(&issued);
    assert_eq!(
        counter.stage.notices(),
        [
            Notice::OtpRequested { channel: OtpChannel::OutOfBand, ttl_secs: 300, attempts: 5 },
            Notice::Offline { reason: OfflineReason::AwaitingOtp, retry_in: None },
        ]
    );
    counter.stage.pass(Duration::from_secs(100));
    assert_eq!(counter.stage.dialled(), None);

    counter.stage.command(Command::Confirm { otp: Otp::from_number(1).unwrap() });
    counter.open();
    assert!(matches!(counter.hear(), Some(Asked::Confirm(..))));
    let wrong = counter.clerk.error(counter.at(), ErrorForm::ReplyKey, ErrorCode::OtpRejected);
    counter.say(&wrong);
    let rejected = Notice::OtpRejected { text: "four attempts left".into() };
    assert!(counter.stage.notices().contains(&rejected));

    counter.stage.command(Command::Confirm { otp: otp() });
    counter.open();
    assert_eq!(counter.hear(), Some(Asked::Confirm(ClientStage::phone(1), otp())));
    let issued = counter.clerk.session_issued(counter.at());
    counter.say(&issued);
    assert!(counter.stage.notices().contains(&Notice::Registered { user: me() }));
}

#[test]
fn a_password_that_is_quicker_than_the_200_is_used_when_that_has_come() {
    let mut counter = registering();
    counter.stage.command(Command::Confirm { otp: otp() });
    assert_eq!(counter.hear(), None);
    let issued = counter.clerk.otp_issued(counter.at(), None);
    counter.say(&issued);
    assert_eq!(
        counter.stage.notices(),
        [Notice::OtpRequested { channel: OtpChannel::OutOfBand, ttl_secs: 300, attempts: 5 }]
    );
    assert_eq!(counter.hear(), Some(Asked::Confirm(ClientStage::phone(1), otp())));
}

#[test]
fn a_lost_201_is_made_good_by_a_106_without_an_id() {
    let mut counter = confirming();
    counter.stage.cut(counter.conn);
    counter.redial();
    assert!(matches!(counter.hear(), Some(Asked::Reconnect(None, ..))));
    let resumed = counter.clerk.session_resumed(counter.at(), 3);
    counter.say(&resumed);
    let notices = counter.stage.notices();
    assert!(notices.contains(&Notice::Registered { user: me() }));
    assert!(notices.contains(&Notice::Online { pending: Some(3) }));
}

#[test]
fn a_lost_101_is_made_again_once_it_is_known_that_it_was_lost() {
    let mut counter = confirming();
    counter.stage.cut(counter.conn);
    counter.redial();
    assert!(matches!(counter.hear(), Some(Asked::Reconnect(None, ..))));
    let unknown = counter.clerk.error(counter.at(), ErrorForm::ReplyKey, ErrorCode::UnknownUser);
    counter.say(&unknown);
    counter.redial();
    assert_eq!(counter.hear(), Some(Asked::Confirm(ClientStage::phone(1), otp())));
}

#[test]
fn a_phone_that_is_registered_is_ours_if_our_key_opens_it() {
    let mut counter = registering();
    let rejected = counter.clerk.rejected(counter.at());
    counter.say(&rejected);
    assert!(matches!(counter.hear(), Some(Asked::Reconnect(None, ..))), "on the same connection");
    let resumed = counter.clerk.session_resumed(counter.at(), 0);
    counter.say(&resumed);
    assert!(counter.stage.notices().contains(&Notice::Registered { user: me() }));
}

#[test]
fn a_phone_that_somebody_else_has_ends_the_registration() {
    let mut counter = registering();
    let rejected = counter.clerk.rejected(counter.at());
    counter.say(&rejected);
    counter.hear();
    let refused = counter.clerk.error(counter.at(), ErrorForm::Clear, ErrorCode::BadSignature);
    counter.say(&refused);
    let notices = counter.stage.notices();
    let taken = Notice::RegistrationFailed(RegistrationFailure::PhoneTaken);
    assert!(notices.contains(&taken));
    assert_eq!(offline(&notices), Some((OfflineReason::RegistrationFailed, false)));
}

#[test]
fn a_100_that_comes_too_often_ends_the_registration_and_a_101_does_not() {
    let mut counter = registering();
    let refused = counter.clerk.rate_limited(counter.at(), 30);
    counter.say(&refused);
    let failure = RegistrationFailure::RateLimited { retry_after_secs: 30 };
    let notices = counter.stage.notices();
    assert!(notices.contains(&Notice::RegistrationFailed(failure)), "{notices:?}");
    assert_eq!(offline(&notices), Some((OfflineReason::RegistrationFailed, false)));

    let mut counter = confirming();
    let refused = counter.clerk.rate_limited(counter.at(), 30);
    counter.say(&refused);
    let reason = OfflineReason::Refused(ErrorCode::RateLimited);
    assert_eq!(offline(&counter.stage.notices()), Some((reason, true)));
    counter.redial();
    assert_eq!(counter.hear(), Some(Asked::Confirm(ClientStage::phone(1), otp())));
}

#[test]
fn the_end_of_another_connection_ends_no_attempt() {
    let mut counter = Counter::online(Limits::default());
    let old = counter.conn;
    counter.stage.cut(old);
    while counter.stage.dialled().is_none() {
        counter.stage.pass_to_alarm();
    }
    counter.stage.notices();
    counter.stage.event(Event::Closed { conn: old });
    assert_eq!(counter.stage.notices(), []);
}

#[test]
fn an_answer_to_another_request_is_no_answer() {
    let mut counter = registering();
    let stale = counter.clerk.otp_issued(counter.at(), Some(otp()));
    counter.stage.cut(counter.conn);
    counter.redial();
    assert!(matches!(counter.hear(), Some(Asked::Register(_))));
    // Sealed with the key of the earlier request, so it does not open.
    counter.say(&stale);
    let notices = counter.stage.notices();
    assert!(notices.contains(&Notice::Suspicious(Suspicion::BadServerSignature)));

    counter.redial();
    counter.hear();
    let error = counter.clerk.error_to(
        counter.at(),
        ErrorForm::ReplyKey,
        ErrorCode::ServerFull,
        InReplyTo([9; 8]),
    );
    counter.say(&error);
    let notices = counter.stage.notices();
    assert!(notices.contains(&Notice::Suspicious(Suspicion::UnaskedAnswer)));
    assert_eq!(offline(&notices), Some((OfflineReason::Fault, true)));
}

#[test]
fn a_server_that_does_not_answer_is_left_after_ten_seconds() {
    let mut counter = registering();
    counter.stage.pass(Duration::from_secs(9));
    assert!(!counter.stage.is_closed(counter.conn));
    counter.stage.pass(Duration::from_secs(1));
    assert!(counter.stage.is_closed(counter.conn));
    assert_eq!(offline(&counter.stage.notices()), Some((OfflineReason::TimedOut, true)));
}

#[test]
fn pauses_between_attempts_grow_and_are_short_again_after_a_session_that_lasted() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.cut(counter.conn);
    let mut longest = Duration::ZERO;
    for _ in 0..40 {
        let notices = counter.stage.notices();
        let Some(Notice::Offline { retry_in: Some(pause), .. }) = notices.last() else {
            panic!("{notices:?}");
        };
        assert!(*pause <= Duration::from_mins(1));
        longest = longest.max(*pause);
        counter.stage.pass(*pause);
        let conn = counter.stage.dialled().expect("it dials when the pause is over");
        counter.stage.cut(conn);
    }
    assert!(longest > Duration::from_secs(20), "{longest:?}");

    counter.come_back();
    counter.stage.notices();
    counter.stage.pass(Duration::from_secs(30));
    counter.stage.cut(counter.conn);
    let notices = counter.stage.notices();
    let [Notice::Offline { reason: OfflineReason::Lost, retry_in: Some(pause) }] = notices[..]
    else {
        panic!("{notices:?}");
    };
    assert!(pause <= Duration::from_millis(500));
}

#[test]
fn every_106_is_dated_after_the_last_even_after_a_crash() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.cut(counter.conn);
    let mut last = None;
    for round in 0..4 {
        if round == 2 {
            counter.stage = counter.stage.restart();
            counter.stage.command(Command::Connect);
        } else {
            counter.stage.pass_to_alarm();
        }
        counter.open();
        let Some(Asked::Reconnect(Some(_), _, at)) = counter.hear() else { panic!() };
        assert!(last < Some(at));
        last = Some(at);
        counter.stage.cut(counter.conn);
    }
}

#[test]
fn a_recorded_206_begins_no_session() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.cut(counter.conn);
    counter.redial();
    assert!(matches!(counter.hear(), Some(Asked::Reconnect(..))));
    let recorded = counter.clerk.session_resumed(counter.at(), 0);
    counter.say(&recorded);
    counter.stage.cut(counter.conn);
    counter.redial();
    assert!(matches!(counter.hear(), Some(Asked::Reconnect(..))));
    counter.stage.notices();
    counter.say(&recorded);
    let notices = counter.stage.notices();
    assert!(notices.contains(&Notice::Suspicious(Suspicion::UnaskedAnswer)));
    assert_eq!(offline(&notices), Some((OfflineReason::Fault, true)));
}

#[test]
fn a_106_waits_until_its_date_is_durable() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.cut(counter.conn);
    counter.stage.pass_to_alarm();
    counter.stage.hold_store = true;
    counter.open();
    assert_eq!(counter.hear(), None);
    counter.stage.hold_store = false;
    counter.stage.release_store();
    assert!(matches!(counter.hear(), Some(Asked::Reconnect(..))));

    counter.stage.cut(counter.conn);
    counter.stage.pass_to_alarm();
    counter.stage.fail_store(1, StoreError::DiskFull);
    counter.open();
    assert_eq!(counter.hear(), None, "and does not leave if it is not");
    assert!(counter.stage.is_closed(counter.conn));
}

#[test]
fn a_106_is_sent_once_on_the_connection_that_its_date_is_for() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.cut(counter.conn);
    counter.stage.hold_store = true;
    for _ in 0..2 {
        counter.redial();
        assert_eq!(counter.hear(), None);
        counter.stage.cut(counter.conn);
    }
    counter.redial();
    counter.stage.hold_store = false;
    counter.stage.release_store(); // the dates for all three
    let asked = counter.hear_all();
    assert!(matches!(asked[..], [Asked::Reconnect(..)]), "{asked:?}");
}

#[test]
fn a_wrong_clock_is_corrected_by_the_answer_to_a_request_of_ours_and_kept() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.cut(counter.conn);
    counter.stage.jump(-3_600);
    counter.stage.pass_to_alarm();
    counter.open();
    assert!(matches!(counter.hear(), Some(Asked::Reconnect(..))));
    let server_time = counter.at().plus_secs(3_600);
    let skew = counter.clerk.error(server_time, ErrorForm::ReplyKey, ErrorCode::ClockSkew);
    counter.say(&skew);
    assert!(counter.stage.notices().contains(&Notice::ClockOffset { secs: 3_600 }));
    let Some(Asked::Reconnect(_, _, at)) = counter.hear() else { panic!("asks again at once") };
    assert_eq!(at, server_time);

    counter.stage = counter.stage.restart();
    counter.stage.command(Command::Connect);
    counter.open();
    let Some(Asked::Reconnect(_, _, at)) = counter.hear() else { panic!() };
    assert!(at > server_time, "the offset outlives the process");
}

#[test]
fn a_server_that_keeps_correcting_the_clock_is_left() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.cut(counter.conn);
    counter.stage.pass_to_alarm();
    counter.open();
    for _ in 0..=Limits::default().clock_corrections {
        assert!(matches!(counter.hear(), Some(Asked::Reconnect(..))));
        let at = counter.at().plus_secs(1_000);
        let skew = counter.clerk.error(at, ErrorForm::ReplyKey, ErrorCode::ClockSkew);
        counter.say(&skew);
    }
    assert_eq!(counter.hear(), None);
    let reason = OfflineReason::Refused(ErrorCode::ClockSkew);
    assert_eq!(offline(&counter.stage.notices()[2..]), Some((reason, true)));
}

#[test]
fn an_account_that_the_server_does_not_know_is_not_asked_for_again() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.cut(counter.conn);
    counter.stage.pass_to_alarm();
    counter.open();
    counter.hear();
    let unknown = counter.clerk.error(counter.at(), ErrorForm::ReplyKey, ErrorCode::UnknownUser);
    counter.stage.notices();
    counter.say(&unknown);
    let reason = OfflineReason::NotRegistered;
    assert_eq!(counter.stage.notices(), [Notice::Offline { reason, retry_in: None }]);
}

#[test]
fn who_is_displaced_stays_away_even_if_the_connection_ends_before_the_reason_is_verified() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.hold_jobs = true;
    let displaced = counter.clerk.error_to(
        counter.at(),
        ErrorForm::SessionKey,
        ErrorCode::Displaced,
        InReplyTo::default(),
    );
    counter.say(&displaced);
    counter.stage.cut(counter.conn);
    assert_eq!(counter.stage.notices(), []);
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|_| {});
    let reason = OfflineReason::Displaced;
    assert_eq!(counter.stage.notices(), [Notice::Offline { reason, retry_in: None }]);
    counter.stage.pass(Duration::from_mins(10));
    assert_eq!(counter.stage.dialled(), None);
}

#[test]
fn an_orderly_stop_of_the_server_is_followed_by_another_attempt() {
    let mut counter = Counter::online(Limits::default());
    let stopping = counter.clerk.error_to(
        counter.at(),
        ErrorForm::SessionKey,
        ErrorCode::ShuttingDown,
        InReplyTo::default(),
    );
    counter.say(&stopping);
    let reason = OfflineReason::Refused(ErrorCode::ShuttingDown);
    assert_eq!(offline(&counter.stage.notices()), Some((reason, true)));
    counter.come_back();
}

#[test]
fn leaving_is_said_and_waits_for_the_answer() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.command(Command::Disconnect);
    assert_eq!(counter.hear_all(), [Asked::Disconnect]);
    assert!(!counter.stage.is_closed(counter.conn));
    let goodbye = counter.clerk.goodbye(counter.at());
    counter.say(&goodbye);
    assert!(counter.stage.is_closed(counter.conn));
    let reason = OfflineReason::Wished;
    assert_eq!(counter.stage.notices(), [Notice::Offline { reason, retry_in: None }]);
    assert_eq!(counter.stage.deadline(), None);
}

#[test]
fn leaving_a_server_that_does_not_answer_takes_five_seconds() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.event(Event::Shutdown);
    assert_eq!(counter.hear_all(), [Asked::Disconnect]);
    counter.stage.pass(Duration::from_secs(5));
    assert!(counter.stage.is_closed(counter.conn));
    assert_eq!(counter.stage.notices().last(), Some(&Notice::Stopped));
}

#[test]
fn bytes_that_are_no_packet_end_the_connection() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.bytes(counter.conn, &[0xff; 40]);
    assert!(counter.stage.is_closed(counter.conn));
    let notices = counter.stage.notices();
    assert!(matches!(notices[0], Notice::Suspicious(Suspicion::BadPacket(_))));
    assert_eq!(offline(&notices), Some((OfflineReason::Fault, true)));
}

#[test]
fn a_packet_for_somebody_else_ends_the_connection() {
    let mut counter = Counter::online(Limits::default());
    let at = counter.at();
    let other = counter.clerk.packet(Op::Disconnect, UserId::new(2), at, Vec::<Part>::new());
    counter.say(&other);
    assert_eq!(offline(&counter.stage.notices()), Some((OfflineReason::Fault, true)));
}

#[test]
fn bytes_may_come_one_at_a_time() {
    let mut counter = registering();
    let issued = counter.clerk.otp_issued(counter.at(), Some(otp()));
    for byte in issued.bytes() {
        counter.stage.bytes(counter.conn, &[*byte]);
    }
    assert_eq!(counter.hear(), Some(Asked::Confirm(ClientStage::phone(1), otp())));
}

#[test]
fn before_the_servers_key_is_known_so_many_errors_are_put_up_with() {
    let limits = Limits { clock_corrections: 2, ..Limits::default() };
    for (code, questions) in [(ErrorCode::ClockSkew, 3), (ErrorCode::Unavailable, 1)] {
        let mut counter = Counter::with(limits.clone());
        counter.stage.command(Command::Register);
        counter.open();
        for _ in 0..questions {
            assert_eq!(counter.hear_all(), [Asked::ServerKey]);
            let error = counter.clerk.error(counter.at(), ErrorForm::Clear, code);
            counter.say(&error);
        }
        assert_eq!(offline(&counter.stage.notices()), Some((OfflineReason::Lost, true)));
    }
}

#[test]
fn before_the_servers_key_is_known_its_word_on_the_time_counts_for_one_question_only() {
    let mut counter = Counter::new();
    counter.stage.command(Command::Register);
    counter.open();
    assert_eq!(counter.hear(), Some(Asked::ServerKey));
    let claimed = counter.at().plus_secs(86_400);
    let skew = counter.clerk.error(claimed, ErrorForm::Clear, ErrorCode::ClockSkew);
    counter.say(&skew);
    assert_eq!(counter.hear(), Some(Asked::ServerKey));
    assert_eq!(counter.clerk.last().header().timestamp, claimed);
    let key = counter.clerk.server_key(counter.at());
    counter.say(&key);
    assert!(matches!(counter.hear(), Some(Asked::Register(_))));
    assert_eq!(counter.clerk.last().header().timestamp, counter.at(), "our own clock");
    assert_eq!(counter.stage.notices(), []);
}

#[test]
fn a_pause_that_the_server_names_is_believed_up_to_an_hour() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.cut(counter.conn);
    counter.redial();
    assert!(matches!(counter.hear(), Some(Asked::Reconnect(..))));
    counter.stage.notices();
    let limited = counter.clerk.rate_limited(counter.at(), u32::MAX);
    counter.say(&limited);
    let retry_in = Some(Duration::from_hours(1));
    let reason = OfflineReason::Refused(ErrorCode::RateLimited);
    assert_eq!(counter.stage.notices(), [Notice::Offline { reason, retry_in }]);
}

/// What had arrived on it was still being verified.
#[test]
fn a_connection_that_has_ended_is_not_closed() {
    let mut counter = Counter::new();
    counter.stage.command(Command::Register);
    counter.open();
    assert_eq!(counter.hear(), Some(Asked::ServerKey));
    let key = counter.clerk.server_key(counter.at());
    counter.stage.hold_jobs = true;
    counter.say(&key);
    counter.stage.cut(counter.conn);
    counter.stage.command(Command::Disconnect);
    assert_eq!(offline(&counter.stage.notices()), Some((OfflineReason::Wished, false)));
    assert!(!counter.stage.is_closed(counter.conn));
}
