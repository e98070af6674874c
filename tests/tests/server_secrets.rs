//! The server machine: its passwords come from its own randomness, and from nothing that a stranger
//! knows.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use sealpost_core::server::OtpChannel;
use sealpost_core::server::limits::Limits;
use sealpost_core::wire::{OtpIssued, Profile};
use sealpost_storage::Quota;
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::{Received, ScriptedClient};

/// Passwords that a server with this seed issues to four phones, all in one second.
fn passwords(seed: [u8; 32]) -> Vec<String> {
    let (profile, limits) = (Profile::Compact, Limits::without_rates());
    let mut bed = ServerBed::seeded(seed, profile, OtpChannel::InBand, limits, Quota::default());
    (1..=4).map(|key| password(&mut bed, key)).collect()
}

fn password(bed: &mut ServerBed, key: usize) -> String {
    password_for(bed, key, 7)
}

/// Password for the phone of the `key`-th test key and this reply key.
fn password_for(bed: &mut ServerBed, key: usize, reply_key: u8) -> String {
    let mut client = ScriptedClient::unregistered(bed, key);
    client.use_reply_key(reply_key);
    let request = client.register(bed.now().wall);
    bed.input_packet(client.conn, &request);
    match client.receive(bed) {
        Some(Received::OtpIssued(OtpIssued { otp: Some(otp), .. })) => otp.digits().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_phone_gets_another_password() {
    let passwords = passwords([1; 32]);
    assert_eq!(passwords.iter().collect::<BTreeSet<_>>().len(), 4, "{passwords:?}");
}

#[test]
fn a_phone_that_asks_with_another_reply_key_gets_another_password() {
    let mut bed = ServerBed::new(Profile::Compact);
    assert_ne!(password_for(&mut bed, 1, 8), password_for(&mut bed, 1, 9));
}

#[test]
fn servers_that_start_in_the_same_second_issue_different_passwords() {
    let (first, second) = (passwords([1; 32]), passwords([2; 32]));
    assert!(first.iter().zip(&second).all(|(one, other)| one != other), "{first:?} {second:?}");
}
