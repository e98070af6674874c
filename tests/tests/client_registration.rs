//! The client machine: from a fresh store to an account (PROTOCOL 4).
#![expect(clippy::unwrap_used, reason = "a helper fails its test by panicking")]

use std::time::Duration;

use sealpost_core::client::{
    Command, Limits, Notice, OfflineReason, OtpChannel, RegistrationFailure, Suspicion,
};
use sealpost_core::ids::UserId;
use sealpost_core::keys::Fingerprint;
use sealpost_core::wire::{ErrorCode, ErrorForm, InReplyTo, Otp, Profile};
use sealpost_storage::client::ClientStorage;
use sealpost_tests::clerk::{Asked, Clerk, Counter};
use sealpost_tests::client_stage::{ClientStage, offline};

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
fn to_connect_while_the_password_is_waited_for_changes_nothing() {
    let mut counter = registering();
    let issued = counter.clerk.otp_issued(counter.at(), None);
    counter.say(&issued);
    counter.stage.command(Command::Connect);
    assert_eq!(counter.stage.dialled(), None);
    counter.stage.command(Command::Confirm { otp: otp() });
    counter.open();
    assert_eq!(counter.hear(), Some(Asked::Confirm(ClientStage::phone(1), otp())));
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
