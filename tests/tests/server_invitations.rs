//! The server machine: who may register, and invitations (PROTOCOL 4.2).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use sealpost_core::frame::StoreError;
use sealpost_core::ids::UserId;
use sealpost_core::server::store::StoreOp;
use sealpost_core::server::{RegisteredPhones, Registrants, Registration};
use sealpost_core::wire::{ErrorCode, ErrorForm, Invitation, Otp, OtpIssued};
use sealpost_storage::NewInvitation;
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::{Received, ScriptedClient};

/// A server that asks everybody for an invitation, with one that is good for `uses` accounts.
fn inviting(registered_phones: RegisteredPhones, uses: u32) -> ServerBed {
    let registration = Registration { open_to: Registrants::Invited, ..Registration::default() };
    let mut bed = ServerBed::registering(registered_phones, registration);
    invite(&mut bed, |new| new.uses = uses);
    bed
}

/// Records an invitation with the code `CODE`, good for one account for a week.
fn invite(bed: &mut ServerBed, change: impl FnOnce(&mut NewInvitation)) {
    let now = bed.now().wall;
    let mut new = NewInvitation {
        hash: code(CODE).unwrap().hash(),
        uses: 1,
        created_at: now,
        expires_at: now.plus_secs(7 * 24 * 60 * 60),
        phone: None,
        note: String::new(),
    };
    change(&mut new);
    bed.store.inner_mut().create_invitation(new);
}

fn code(text: &str) -> Option<Invitation> {
    text.parse().ok()
}

fn uses_left(bed: &ServerBed) -> u32 {
    bed.store.inner().invitations()[0].uses_left
}

/// Sends a 100 on a new connection, and returns the answer to it.
fn ask(client: &mut ScriptedClient, bed: &mut ServerBed, code: Option<Invitation>) -> Received {
    client.conn = bed.connect();
    let now = bed.now().wall;
    let request = client.register_dated(now, now, code);
    bed.input_packet(client.conn, &request);
    client.receive(bed).unwrap()
}

fn otp(received: Received) -> Otp {
    match received {
        Received::OtpIssued(OtpIssued { otp: Some(otp), .. }) => otp,
        other => panic!("{other:?}"),
    }
}

/// Sends a 101 on a new connection, and returns all answers.
fn confirm(client: &mut ScriptedClient, bed: &mut ServerBed, otp: &Otp) -> Vec<Received> {
    client.conn = bed.connect();
    let confirm = client.confirm(bed.now().wall, otp);
    bed.input_packet(client.conn, &confirm);
    client.receive_all(bed)
}

/// The text of the error that says that the invitation is not good.
fn rejection(received: &Received) -> String {
    match received {
        Received::Error(ErrorForm::ReplyKey, reply) => {
            assert_eq!((reply.code, reply.retry_after_secs), (ErrorCode::InvitationRejected, 0));
            reply.text.clone()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_invitation_stands_in_for_the_password_that_a_phone_is_sent() {
    for registered_phones in [RegisteredPhones::Told, RegisteredPhones::Hidden] {
        let mut bed = inviting(registered_phones, 1);
        let mut alice = ScriptedClient::unregistered(&mut bed, 1);
        let password = otp(ask(&mut alice, &mut bed, code(CODE)));
        assert_eq!(bed.take_otps(), [], "nothing is sent");
        assert_eq!(uses_left(&bed), 1, "nothing is used up before there is an account");
        assert_eq!(confirm(&mut alice, &mut bed, &password), [Received::SessionIssued]);
        assert_eq!((alice.id, uses_left(&bed)), (UserId::new(1), 0));
        assert!(!bed.is_closed(alice.conn));
    }
}

#[test]
fn every_invitation_that_is_not_good_gets_the_same_answer() {
    let mut bed = inviting(RegisteredPhones::Told, 1);
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let password = otp(ask(&mut alice, &mut bed, code(CODE)));
    confirm(&mut alice, &mut bed, &password);

    let mut mallory = ScriptedClient::unregistered(&mut bed, 2);
    let hers = alice.phone;
    invite(&mut bed, |new| {
        (new.hash, new.expires_at) = (code("EXPIRED").unwrap().hash(), new.created_at);
    });
    invite(&mut bed, |new| {
        (new.hash, new.phone) = (code("HERS").unwrap().hash(), "+4915100000009".parse().ok());
    });
    invite(&mut bed, |new| new.hash = code("REVOKED").unwrap().hash());
    assert!(bed.store.inner_mut().revoke_invitation(4));
    let codes = [None, code("UNKNOWN"), code(CODE), code("EXPIRED"), code("HERS"), code("REVOKED")];
    let mut answers = Vec::new();
    for phone in [mallory.phone, hers] {
        mallory.phone = phone;
        for code in &codes {
            answers.push(rejection(&ask(&mut mallory, &mut bed, code.clone())));
        }
    }
    // For the registered phone as for the other: without an invitation nobody learns which it is.
    let text = "registration needs an invitation that is good for this phone number";
    assert_eq!(answers, [text; 12]);
    assert!(!bed.is_closed(mallory.conn));
    assert_eq!(bed.held().otps, 0);
}

#[test]
fn nobody_is_looked_up_for_a_100_without_an_invitation() {
    for registered_phones in [RegisteredPhones::Told, RegisteredPhones::Hidden] {
        let mut bed = inviting(registered_phones, 1);
        let mut mallory = ScriptedClient::unregistered(&mut bed, 1);
        bed.hold_store = true;
        let now = bed.now().wall;
        let request = mallory.register_dated(now, now, code("GUESS"));
        bed.input_packet(mallory.conn, &request);
        let ops: Vec<_> = bed.waiting_ops().collect();
        assert!(matches!(ops[..], [StoreOp::CheckInvitation { .. }]), "{ops:?}");
        bed.release_store();
        assert_eq!(bed.waiting_ops().count(), 0);
        rejection(&mallory.receive(&mut bed).unwrap());
    }
}

#[test]
fn an_invitation_for_one_account_makes_one_however_many_have_a_password() {
    let mut bed = inviting(RegisteredPhones::Told, 1);
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let mut bob = ScriptedClient::unregistered(&mut bed, 2);
    let hers = otp(ask(&mut alice, &mut bed, code(CODE)));
    let his = otp(ask(&mut bob, &mut bed, code(CODE)));
    assert_eq!(confirm(&mut bob, &mut bed, &his), [Received::SessionIssued]);
    let late = confirm(&mut alice, &mut bed, &hers);
    assert_eq!(late.len(), 1);
    rejection(&late[0]);
    assert_eq!((uses_left(&bed), bed.store.inner().invitations().len()), (0, 1));
}

#[test]
fn an_invitation_that_expires_or_is_revoked_between_100_and_101_makes_no_account() {
    let changes: [fn(&mut ServerBed); 2] = [
        |bed| bed.advance(Duration::from_mins(4)),
        |bed| assert!(bed.store.inner_mut().revoke_invitation(1)),
    ];
    for change in changes {
        let registration =
            Registration { open_to: Registrants::Invited, ..Registration::default() };
        let mut bed = ServerBed::registering(RegisteredPhones::Told, registration);
        invite(&mut bed, |new| new.expires_at = new.created_at.plus_secs(240));
        let mut alice = ScriptedClient::unregistered(&mut bed, 1);
        let dated = bed.now().wall;
        let password = otp(ask(&mut alice, &mut bed, code(CODE)));
        change(&mut bed);
        alice.conn = bed.connect();
        // Its date, which the client chooses, is from before; the server's clock decides.
        let confirm = alice.confirm(dated, &password);
        bed.input_packet(alice.conn, &confirm);
        rejection(&alice.receive(&mut bed).unwrap());
        assert_eq!(alice.id, None);
    }
}

#[test]
fn an_answer_that_is_lost_with_the_power_costs_no_second_use() {
    let mut bed = inviting(RegisteredPhones::Hidden, 2);
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let password = otp(ask(&mut alice, &mut bed, code(CODE)));
    alice.conn = bed.connect();
    bed.hold_store = true;
    let request = alice.confirm(bed.now().wall, &password);
    bed.input_packet(alice.conn, &request);
    bed.commit_without_outcomes();
    let registration = Registration { open_to: Registrants::Invited, ..Registration::default() };
    let mut bed = bed.restart_registering(RegisteredPhones::Hidden, registration);
    assert_eq!(uses_left(&bed), 1);
    // The server has forgotten the password; the account is there.
    assert_eq!(error(&confirm(&mut alice, &mut bed, &password)), ErrorCode::OtpExpired);
    let again = otp(ask(&mut alice, &mut bed, code(CODE)));
    let answer = confirm(&mut alice, &mut bed, &again);
    assert!(matches!(answer[..], [Received::RegistrationRejected(_)]), "{answer:?}");
    assert_eq!(uses_left(&bed), 1, "an account that is there already uses nothing up");
    bed.advance(Duration::from_secs(1));
    alice.conn = bed.connect();
    let reconnect = alice.reconnect(bed.now().wall);
    bed.input_packet(alice.conn, &reconnect);
    let received = alice.receive_all(&mut bed);
    assert!(matches!(received[0], Received::SessionResumed(_)), "{received:?}");
}

#[test]
fn a_store_that_fails_uses_nothing_up_and_the_password_stays_good() {
    let mut bed = inviting(RegisteredPhones::Told, 1);
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    bed.store.fail_next(1, StoreError::Busy);
    assert_eq!(error(&[ask(&mut alice, &mut bed, code(CODE))]), ErrorCode::Unavailable);
    let password = otp(ask(&mut alice, &mut bed, code(CODE)));
    bed.store.fail_next(1, StoreError::Busy);
    assert_eq!(error(&confirm(&mut alice, &mut bed, &password)), ErrorCode::Unavailable);
    assert_eq!(uses_left(&bed), 1);
    assert_eq!(confirm(&mut alice, &mut bed, &password), [Received::SessionIssued]);
    assert_eq!(uses_left(&bed), 0);
}

#[test]
fn a_repeated_100_belongs_to_its_last_invitation() {
    let mut bed = inviting(RegisteredPhones::Told, 1);
    invite(&mut bed, |new| new.hash = code("OTHER").unwrap().hash());
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let password = otp(ask(&mut alice, &mut bed, code(CODE)));
    assert!(bed.store.inner_mut().revoke_invitation(1));
    assert_eq!(otp(ask(&mut alice, &mut bed, code("OTHER"))), password);
    assert_eq!(confirm(&mut alice, &mut bed, &password), [Received::SessionIssued]);
    assert_eq!(uses_left(&bed), 0);
}

#[test]
fn an_invitee_learns_that_a_phone_is_registered() {
    let mut bed = inviting(RegisteredPhones::Told, 2);
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let password = otp(ask(&mut alice, &mut bed, code(CODE)));
    confirm(&mut alice, &mut bed, &password);
    let answer = ask(&mut alice, &mut bed, code(CODE));
    assert!(matches!(answer, Received::RegistrationRejected(_)), "{answer:?}");
    assert_eq!(uses_left(&bed), 1);
}

/// Where registered phones are hidden, the answers to a 100 are alike, and so is the work for them.
#[test]
fn a_100_with_an_invitation_is_answered_alike_for_every_phone_if_they_are_hidden() {
    let mut bed = inviting(RegisteredPhones::Hidden, 2);
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    let password = otp(ask(&mut alice, &mut bed, code(CODE)));
    confirm(&mut alice, &mut bed, &password);
    let mut mallory = ScriptedClient::unregistered(&mut bed, 2);
    let mut seen = Vec::new();
    for phone in [mallory.phone, alice.phone] {
        mallory.phone = phone;
        mallory.conn = bed.connect();
        bed.hold_store = true;
        let now = bed.now().wall;
        let request = mallory.register_dated(now, now, code(CODE));
        bed.input_packet(mallory.conn, &request);
        let ops: Vec<_> = bed.waiting_ops().map(std::mem::discriminant).collect();
        bed.release_store();
        bed.hold_store = false;
        let sent = bed.receive(mallory.conn).unwrap();
        seen.push((ops, sent.op(), sent.bytes().len(), bed.is_closed(mallory.conn)));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].0.len(), 1, "one operation");
}

#[test]
fn where_registration_is_closed_nobody_registers() {
    let registration = Registration { open_to: Registrants::Nobody, ..Registration::default() };
    let mut bed = ServerBed::registering(RegisteredPhones::Told, registration);
    invite(&mut bed, |_| {});
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    bed.hold_store = true;
    for code in [None, code(CODE)] {
        rejection(&ask(&mut alice, &mut bed, code));
        assert_eq!(bed.waiting_ops().count(), 0, "nothing is looked up");
    }
    bed.hold_store = false;
    let guess = Otp::from_number(0).unwrap();
    assert_eq!(error(&confirm(&mut alice, &mut bed, &guess)), ErrorCode::OtpExpired);
}

#[test]
fn a_phone_without_an_allowed_prefix_needs_an_invitation_and_no_other_does() {
    let phone_prefixes = vec!["+4915".parse().unwrap()];
    let registration = Registration { phone_prefixes, ..Registration::default() };
    let mut bed = ServerBed::registering(RegisteredPhones::Told, registration);
    invite(&mut bed, |_| {});
    let mut alice = ScriptedClient::unregistered(&mut bed, 1);
    for (phone, code, channel) in [
        ("+4915112345678", None, "sent"),
        ("+4915112345679", code(CODE), "sent"),
        ("+33612345678", None, "rejected"),
        ("+33612345678", code(CODE), "in band"),
    ] {
        alice.phone = phone.parse().unwrap();
        let found = match ask(&mut alice, &mut bed, code) {
            Received::OtpIssued(OtpIssued { otp: None, .. }) => "sent",
            Received::OtpIssued(OtpIssued { otp: Some(_), .. }) => "in band",
            other => {
                rejection(&other);
                "rejected"
            }
        };
        assert_eq!((found, bed.take_otps().len()), (channel, usize::from(channel == "sent")));
    }
}

/// Code of the one error that was received, and nothing else.
fn error(received: &[Received]) -> ErrorCode {
    sealpost_tests::server_fixture::refused(received)
}

const CODE: &str = "0123456789abcdefghjkmnpqrs";
