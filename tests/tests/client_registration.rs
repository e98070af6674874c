//! The client machine: from a fresh store to an account (PROTOCOL 4).
#![expect(clippy::unwrap_used, reason = "a helper fails its test by panicking")]

use std::time::Duration;

use sealpost_core::client::{
    Command, Limits, Notice, OfflineReason, OtpSource, RegistrationFailure, Suspicion,
};
use sealpost_core::ids::{EndpointIndex, UserId};
use sealpost_core::keys::Fingerprint;
use sealpost_core::wire::{ErrorCode, ErrorForm, InReplyTo, Otp, Profile};
use sealpost_storage::client::ClientStorage;
use sealpost_tests::beds::{ClientBed, offline};
use sealpost_tests::client_fixture::ClientFixture;
use sealpost_tests::scripted_server::{Request, ScriptedServer};

fn otp() -> Otp {
    Otp::from_number(42_137).unwrap()
}

fn me() -> UserId {
    UserId::new(1).unwrap()
}

/// A client that has fetched the server's key and asked for a one-time password.
fn registering() -> ClientFixture {
    let mut fixture = ClientFixture::new();
    fixture.bed.command(Command::Register { invitation: None });
    fixture.connect();
    assert_eq!(fixture.receive(), Some(Request::ServerKey));
    let key = fixture.server.server_key(fixture.now());
    fixture.send(&key);
    assert_eq!(fixture.receive(), Some(Request::Register(ClientBed::phone(1))));
    fixture
}

/// A client whose 101 was sent.
fn confirming() -> ClientFixture {
    let mut fixture = registering();
    let issued = fixture.server.otp_issued(fixture.now(), Some(otp()));
    fixture.send(&issued);
    assert_eq!(fixture.receive(), Some(Request::Confirm(ClientBed::phone(1), otp())));
    fixture.bed.take_notices();
    fixture
}

#[test]
fn first_contact_fetches_the_key_registers_and_is_online() {
    let mut fixture = registering();
    let issued = fixture.server.otp_issued(fixture.now(), Some(otp()));
    fixture.send(&issued);
    assert_eq!(fixture.receive(), Some(Request::Confirm(ClientBed::phone(1), otp())));
    let issued = fixture.server.session_issued(fixture.now());
    fixture.send(&issued);
    assert_eq!(
        fixture.bed.take_notices(),
        [
            Notice::OtpRequested { source: OtpSource::InBand, ttl_secs: 300, attempts: 5 },
            Notice::Registered { user: me() },
            Notice::Online { pending: None, endpoint: EndpointIndex(0) },
        ]
    );
    let account = fixture.bed.store.inner().load().unwrap().account;
    assert_eq!(account.user, Some(me()));
    assert_eq!(account.server_key.as_ref(), Some(fixture.server.public_key()));
}

#[test]
fn a_server_with_another_key_than_its_address_is_left_for_good() {
    let profile = Profile::Compact;
    let mut bed = ClientBed::new(profile, 1, Fingerprint([7; 32]));
    let mut server = ScriptedServer::new(profile, bed.public_key());
    bed.command(Command::Register { invitation: None });
    let conn = bed.accept_dial();
    assert_eq!(server.receive(&mut bed), Some(Request::ServerKey));
    let key = server.server_key(bed.now().wall);
    bed.input_packet(conn, &key);
    // The server may have this key beside the one in the address.
    assert_eq!(server.receive(&mut bed), Some(Request::NamedKey(Fingerprint([7; 32]))));
    bed.input_packet(conn, &key);
    let offered = *server.public_key().fingerprint();
    assert_eq!(
        bed.take_notices(),
        [
            Notice::Suspicious { suspicion: Suspicion::WrongServerKey { offered } },
            Notice::Offline { reason: OfflineReason::WrongServer, retry_in: None },
        ]
    );
    assert!(bed.is_closed(conn));
    assert_eq!(bed.deadline(), None);
}

#[test]
fn a_server_key_that_does_not_sign_for_itself_is_refused() {
    let mut fixture = ClientFixture::new();
    fixture.bed.command(Command::Register { invitation: None });
    fixture.connect();
    let key = fixture.server.server_key(fixture.now());
    let mut bytes = key.bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    fixture.bed.input_bytes(fixture.conn, &bytes);
    let notices = fixture.bed.take_notices();
    assert!(notices.contains(&Notice::Suspicious { suspicion: Suspicion::BadServerSignature }));
    assert_eq!(offline(&notices), Some((OfflineReason::Fault, true)));
    assert_eq!(fixture.bed.store.inner().load().unwrap().account.server_key, None);
}

#[test]
fn a_password_that_comes_out_of_band_is_waited_for_without_a_connection() {
    let mut fixture = registering();
    let issued = fixture.server.otp_issued(fixture.now(), None);
    fixture.send(&issued);
    assert_eq!(
        fixture.bed.take_notices(),
        [
            Notice::OtpRequested { source: OtpSource::OutOfBand, ttl_secs: 300, attempts: 5 },
            Notice::Offline { reason: OfflineReason::AwaitingOtp, retry_in: None },
        ]
    );
    fixture.bed.advance(Duration::from_secs(100));
    assert_eq!(fixture.bed.next_dial(), None);

    fixture.bed.command(Command::Confirm { otp: Otp::from_number(1).unwrap() });
    fixture.connect();
    assert!(matches!(fixture.receive(), Some(Request::Confirm(..))));
    let wrong = fixture.server.error(fixture.now(), ErrorForm::ReplyKey, ErrorCode::OtpRejected);
    fixture.send(&wrong);
    let rejected = Notice::OtpRejected { text: "four attempts left".into() };
    assert!(fixture.bed.take_notices().contains(&rejected));

    fixture.bed.command(Command::Confirm { otp: otp() });
    fixture.connect();
    assert_eq!(fixture.receive(), Some(Request::Confirm(ClientBed::phone(1), otp())));
    let issued = fixture.server.session_issued(fixture.now());
    fixture.send(&issued);
    assert!(fixture.bed.take_notices().contains(&Notice::Registered { user: me() }));
}

#[test]
fn to_connect_while_the_password_is_waited_for_changes_nothing() {
    let mut fixture = registering();
    let issued = fixture.server.otp_issued(fixture.now(), None);
    fixture.send(&issued);
    fixture.bed.command(Command::Connect);
    assert_eq!(fixture.bed.next_dial(), None);
    fixture.bed.command(Command::Confirm { otp: otp() });
    fixture.connect();
    assert_eq!(fixture.receive(), Some(Request::Confirm(ClientBed::phone(1), otp())));
}

#[test]
fn a_password_that_arrives_before_the_200_is_used_after_it() {
    let mut fixture = registering();
    fixture.bed.command(Command::Confirm { otp: otp() });
    assert_eq!(fixture.receive(), None);
    let issued = fixture.server.otp_issued(fixture.now(), None);
    fixture.send(&issued);
    assert_eq!(
        fixture.bed.take_notices(),
        [Notice::OtpRequested { source: OtpSource::OutOfBand, ttl_secs: 300, attempts: 5 }]
    );
    assert_eq!(fixture.receive(), Some(Request::Confirm(ClientBed::phone(1), otp())));
}

#[test]
fn a_106_without_an_id_recovers_from_a_lost_201() {
    let mut fixture = confirming();
    fixture.bed.cut(fixture.conn);
    fixture.redial();
    assert!(matches!(fixture.receive(), Some(Request::Reconnect(None, ..))));
    let resumed = fixture.server.session_resumed(fixture.now(), 3);
    fixture.send(&resumed);
    let notices = fixture.bed.take_notices();
    assert!(notices.contains(&Notice::Registered { user: me() }));
    assert!(notices.contains(&Notice::Online { pending: Some(3), endpoint: EndpointIndex(0) }));
}

#[test]
fn a_lost_101_is_repeated_once_the_loss_is_known() {
    let mut fixture = confirming();
    let reply_key = fixture.server.reply_key().clone();
    fixture.bed.cut(fixture.conn);
    fixture.redial();
    assert!(matches!(fixture.receive(), Some(Request::Reconnect(None, ..))));
    assert_ne!(*fixture.server.reply_key(), reply_key, "a 106 has a key of its own");
    let unknown = fixture.server.error(fixture.now(), ErrorForm::ReplyKey, ErrorCode::BadSignature);
    fixture.send(&unknown);
    fixture.redial();
    assert_eq!(fixture.receive(), Some(Request::Confirm(ClientBed::phone(1), otp())));
    assert_eq!(*fixture.server.reply_key(), reply_key);
}

#[test]
fn every_request_of_a_registration_has_the_same_reply_key() {
    let mut fixture = registering();
    let reply_key = fixture.server.reply_key().clone();
    let kept =
        |fixture: &ClientFixture| fixture.bed.store.inner().load().unwrap().account.reply_key;
    assert_eq!(kept(&fixture).as_ref(), Some(&reply_key));
    // The 200 is lost.
    fixture.bed.cut(fixture.conn);
    fixture.redial();
    assert_eq!(fixture.receive(), Some(Request::Register(ClientBed::phone(1))));
    assert_eq!(*fixture.server.reply_key(), reply_key);
    let issued = fixture.server.otp_issued(fixture.now(), None);
    fixture.send(&issued);
    assert!(fixture.bed.is_closed(fixture.conn), "it holds no connection while a person types");
    // The password is typed into another process.
    fixture.bed = fixture.bed.restart();
    fixture.bed.command(Command::Confirm { otp: otp() });
    fixture.connect();
    assert_eq!(fixture.receive(), Some(Request::Confirm(ClientBed::phone(1), otp())));
    assert_eq!(*fixture.server.reply_key(), reply_key);
    let issued = fixture.server.session_issued(fixture.now());
    fixture.send(&issued);
    assert_eq!(kept(&fixture), None, "it has done its service");
}

#[test]
fn an_error_of_a_later_version_ends_the_registration_with_its_number_and_text() {
    let mut fixture = registering();
    let code = ErrorCode::read(200);
    let ErrorCode::Unknown(number) = code else { panic!("{code:?}") };
    let refused = fixture.server.error(fixture.now(), ErrorForm::ReplyKey, code);
    fixture.send(&refused);
    let failure = RegistrationFailure::Refused { code: number };
    assert_eq!(
        fixture.bed.take_notices(),
        [
            Notice::UnknownError { code: number, text: "four attempts left".into() },
            Notice::RegistrationFailed { failure },
            Notice::Offline { reason: OfflineReason::RegistrationFailed, retry_in: None },
        ]
    );
}

#[test]
fn the_invitation_is_in_every_100() {
    let mut fixture = ClientFixture::new();
    fixture.bed.command(Command::Register { invitation: "SPRING-2026".parse().ok() });
    fixture.connect();
    assert_eq!(fixture.receive(), Some(Request::ServerKey));
    let key = fixture.server.server_key(fixture.now());
    fixture.send(&key);
    for _ in 0..2 {
        assert_eq!(fixture.receive(), Some(Request::Register(ClientBed::phone(1))));
        assert_eq!(fixture.server.invitation(), Some("SPRING-2026"));
        fixture.bed.cut(fixture.conn);
        fixture.redial();
    }
}

/// A client whose 100 was refused, and that asks whether it has an account all the same.
fn uninvited() -> ClientFixture {
    let mut fixture = registering();
    assert_eq!(fixture.server.invitation(), None);
    let code = ErrorCode::InvitationRejected;
    let refused = fixture.server.error(fixture.now(), ErrorForm::ReplyKey, code);
    fixture.send(&refused);
    assert!(matches!(fixture.receive(), Some(Request::Reconnect(None, ..))));
    fixture
}

#[test]
fn a_server_that_asks_for_an_invitation_ends_the_registration() {
    let mut fixture = uninvited();
    let refused = fixture.server.error(fixture.now(), ErrorForm::Clear, ErrorCode::BadSignature);
    fixture.send(&refused);
    let failure = RegistrationFailure::InvitationRejected;
    let notices = fixture.bed.take_notices();
    assert!(notices.contains(&Notice::RegistrationFailed { failure }), "{notices:?}");
    assert_eq!(offline(&notices), Some((OfflineReason::RegistrationFailed, false)));
}

/// The process ended after its 101 and before the answer, and the invitation is used up.
#[test]
fn an_invitation_that_we_have_used_up_ourselves_leads_to_our_account() {
    let mut fixture = uninvited();
    let resumed = fixture.server.session_resumed(fixture.now(), 0);
    fixture.send(&resumed);
    assert!(fixture.bed.take_notices().contains(&Notice::Registered { user: me() }));
}

#[test]
fn an_invitation_that_is_not_good_any_more_at_the_101_ends_the_registration() {
    let mut fixture = confirming();
    let code = ErrorCode::InvitationRejected;
    let refused = fixture.server.error(fixture.now(), ErrorForm::ReplyKey, code);
    fixture.send(&refused);
    let failure = RegistrationFailure::InvitationRejected;
    assert!(fixture.bed.take_notices().contains(&Notice::RegistrationFailed { failure }));
    assert_eq!(fixture.receive(), None, "there is no account to ask for");
}

#[test]
fn a_registered_phone_is_ours_if_our_key_opens_its_session() {
    let mut fixture = registering();
    let rejected = fixture.server.registration_rejected(fixture.now());
    fixture.send(&rejected);
    assert!(
        matches!(fixture.receive(), Some(Request::Reconnect(None, ..))),
        "on the same connection"
    );
    let resumed = fixture.server.session_resumed(fixture.now(), 0);
    fixture.send(&resumed);
    assert!(fixture.bed.take_notices().contains(&Notice::Registered { user: me() }));
}

#[test]
fn a_phone_of_another_user_ends_the_registration() {
    let mut fixture = registering();
    let rejected = fixture.server.registration_rejected(fixture.now());
    fixture.send(&rejected);
    fixture.receive();
    let refused = fixture.server.error(fixture.now(), ErrorForm::Clear, ErrorCode::BadSignature);
    fixture.send(&refused);
    let notices = fixture.bed.take_notices();
    let taken = Notice::RegistrationFailed { failure: RegistrationFailure::PhoneTaken };
    assert!(notices.contains(&taken));
    assert_eq!(offline(&notices), Some((OfflineReason::RegistrationFailed, false)));
}

#[test]
fn a_100_that_comes_too_often_ends_the_registration_and_a_101_does_not() {
    let mut fixture = registering();
    let refused = fixture.server.rate_limited(fixture.now(), 30);
    fixture.send(&refused);
    let failure = RegistrationFailure::RateLimited { retry_after_secs: 30 };
    let notices = fixture.bed.take_notices();
    assert!(notices.contains(&Notice::RegistrationFailed { failure }), "{notices:?}");
    assert_eq!(offline(&notices), Some((OfflineReason::RegistrationFailed, false)));

    let mut fixture = confirming();
    let refused = fixture.server.rate_limited(fixture.now(), 30);
    fixture.send(&refused);
    let reason = OfflineReason::Refused(ErrorCode::RateLimited);
    assert_eq!(offline(&fixture.bed.take_notices()), Some((reason, true)));
    fixture.redial();
    assert_eq!(fixture.receive(), Some(Request::Confirm(ClientBed::phone(1), otp())));
}

#[test]
fn an_answer_to_another_request_is_no_answer() {
    let mut fixture = registering();
    let stale = fixture.server.otp_issued(fixture.now(), Some(otp()));
    fixture.bed.cut(fixture.conn);
    fixture.redial();
    assert!(matches!(fixture.receive(), Some(Request::Register(_))));
    // It opens, because the reply key is still the same, and names the earlier request.
    fixture.send(&stale);
    let notices = fixture.bed.take_notices();
    assert!(notices.contains(&Notice::Suspicious { suspicion: Suspicion::UnaskedAnswer }));

    fixture.redial();
    fixture.receive();
    let error = fixture.server.error_to(
        fixture.now(),
        ErrorForm::ReplyKey,
        ErrorCode::ServerFull,
        InReplyTo([9; 8]),
    );
    fixture.send(&error);
    let notices = fixture.bed.take_notices();
    assert!(notices.contains(&Notice::Suspicious { suspicion: Suspicion::UnaskedAnswer }));
    assert_eq!(offline(&notices), Some((OfflineReason::Fault, true)));
}

#[test]
fn a_server_that_does_not_answer_is_left_after_ten_seconds() {
    let mut fixture = registering();
    fixture.bed.advance(Duration::from_secs(9));
    assert!(!fixture.bed.is_closed(fixture.conn));
    fixture.bed.advance(Duration::from_secs(1));
    assert!(fixture.bed.is_closed(fixture.conn));
    assert_eq!(offline(&fixture.bed.take_notices()), Some((OfflineReason::TimedOut, true)));
}

#[test]
fn an_account_that_the_server_does_not_know_is_not_asked_for_again() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.cut(fixture.conn);
    fixture.bed.advance_to_deadline();
    fixture.connect();
    fixture.receive();
    let unknown = fixture.server.error(fixture.now(), ErrorForm::ReplyKey, ErrorCode::UnknownUser);
    fixture.bed.take_notices();
    fixture.send(&unknown);
    let reason = OfflineReason::NotRegistered;
    assert_eq!(fixture.bed.take_notices(), [Notice::Offline { reason, retry_in: None }]);
}

#[test]
fn bytes_may_come_one_at_a_time() {
    let mut fixture = registering();
    let issued = fixture.server.otp_issued(fixture.now(), Some(otp()));
    for byte in issued.bytes() {
        fixture.bed.input_bytes(fixture.conn, &[*byte]);
    }
    assert_eq!(fixture.receive(), Some(Request::Confirm(ClientBed::phone(1), otp())));
}

#[test]
fn errors_before_the_servers_key_is_known_are_limited() {
    let limits = Limits { clock_corrections: 2, ..Limits::default() };
    for (code, questions) in [(ErrorCode::ClockSkew, 3), (ErrorCode::Unavailable, 1)] {
        let mut fixture = ClientFixture::with(limits.clone());
        fixture.bed.command(Command::Register { invitation: None });
        fixture.connect();
        for _ in 0..questions {
            assert_eq!(fixture.receive_all(), [Request::ServerKey]);
            let error = fixture.server.error(fixture.now(), ErrorForm::Clear, code);
            fixture.send(&error);
        }
        assert_eq!(offline(&fixture.bed.take_notices()), Some((OfflineReason::Lost, true)));
    }
}

#[test]
fn before_the_servers_key_is_known_its_time_is_used_for_one_request_only() {
    let mut fixture = ClientFixture::new();
    fixture.bed.command(Command::Register { invitation: None });
    fixture.connect();
    assert_eq!(fixture.receive(), Some(Request::ServerKey));
    let claimed = fixture.now().plus_secs(86_400);
    let skew = fixture.server.error(claimed, ErrorForm::Clear, ErrorCode::ClockSkew);
    fixture.send(&skew);
    assert_eq!(fixture.receive(), Some(Request::ServerKey));
    assert_eq!(fixture.server.last_request().header().timestamp, claimed);
    let key = fixture.server.server_key(fixture.now());
    fixture.send(&key);
    assert!(matches!(fixture.receive(), Some(Request::Register(_))));
    assert_eq!(
        fixture.server.last_request().header().timestamp,
        fixture.now(),
        "the client's own clock"
    );
    assert_eq!(fixture.bed.take_notices(), []);
}
