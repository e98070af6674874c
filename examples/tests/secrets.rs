#![cfg(test)]
#![cfg(target_os = "linux")]
//! Secrets that a running program no longer needs are not in its memory, and those that it needs are
//! there as few times as possible.

mod support;

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use sealpost_core::keys::{Plaintext, SymmetricKey, WrappedKey};
use sealpost_storage::key_file::{KeyFile, WrappingKeyFile};
use support::memory::{Memory, readable};
use support::{ALICE, BOB, Daemon, ProgramBed, write_private};

#[test]
fn server_holds_live_keys_once_and_no_used_secrets() {
    let Some(wrapper) = readable() else { return };
    for crypto in ["aws-lc", "rust"] {
        let mut bed = ProgramBed::new();
        bed.wrap(wrapper);
        let server = bed.serve(&["--otp", "console", "--workers", "2", "--crypto", crypto]);
        let passwords = [("alice", ALICE), ("bob", BOB)]
            .map(|(home, phone)| register(&bed, &server, home, phone));
        bed.sealpost("alice", &["send", BOB, "hi"]).succeeded();
        let bob = bed.start("bob", &["listen", "--json"]);
        bob.event("caught-up");

        let wrapping = WrappingKeyFile::new(bed.path("data/wrapping-key")).load().unwrap();
        let [ended, live] = [1, 2].map(|user| session_key(&bed, user, &wrapping));
        let memory = Memory::of(server.pid());
        assert_found(&memory, "wrapping key", wrapping.expose(), 1);
        assert_found(&memory, "its digits", hex::encode(wrapping.expose()).as_bytes(), 0);
        assert_found(&memory, "key of a live session", live.expose(), 1);
        assert_found(&memory, "key of an ended session", ended.expose(), 0);
        for password in passwords {
            assert_found(&memory, "used password", password.as_bytes(), 0);
        }
        assert_no_copy_of_the_file(&memory, &bed.path("data/server-key.pem"), None);
    }
}

#[test]
fn client_holds_no_passphrase_and_no_copy_of_its_key_file() {
    let Some(wrapper) = readable() else { return };
    let bed = ProgramBed::new();
    let server = bed.serve(&[]);
    let passphrase = bed.path("passphrase");
    write_private(&passphrase, "correct horse battery staple\n");
    let with_passphrase = ["--passphrase-file", passphrase.to_str().unwrap()];
    let register = [&with_passphrase[..], &["register", &server.address, ALICE]].concat();
    bed.sealpost("alice", &register).succeeded();
    let listen = [&with_passphrase[..], &["listen", "--json"]].concat();
    let alice = bed.start_under(wrapper, "alice", &listen);
    alice.event("caught-up");

    let wrapping = WrappingKeyFile::new(bed.path("data/wrapping-key")).load().unwrap();
    let memory = Memory::of(alice.pid());
    assert_found(&memory, "session key", session_key(&bed, 1, &wrapping).expose(), 1);
    assert_found(&memory, "passphrase", b"correct horse", 0);
    let secret = Some(&b"correct horse battery staple"[..]);
    assert_no_copy_of_the_file(&memory, &bed.path("alice/key.pem"), secret);
}

#[track_caller]
fn assert_found(memory: &Memory, what: &str, bytes: &[u8], times: usize) {
    let places = memory.places(bytes);
    assert_eq!(places.len(), times, "copies of the {what}: {places:#?}");
}

/// The file has the numbers of the key in big-endian order, a loaded key in little-endian order.
#[track_caller]
fn assert_no_copy_of_the_file(memory: &Memory, file: &Path, passphrase: Option<&[u8]>) {
    let numbers = private_numbers(&KeyFile::new(file).load(passphrase).unwrap());
    let parts = numbers.iter().map(|number| *number.last_chunk::<48>().unwrap());
    let mut parts: Vec<_> = parts.collect();
    for part in &parts {
        assert_found(memory, "numbers of the file", part, 0);
    }
    let prime = &mut parts[1];
    prime.reverse();
    assert!(!memory.places(prime).is_empty(), "the key is not loaded");
    let pem = fs::read_to_string(file).unwrap();
    for line in pem.lines().filter(|line| line.len() == 64) {
        assert_found(memory, "text of the file", line.as_bytes(), 0);
    }
}

/// Registers a phone number with a password from the console, and returns the password.
fn register(bed: &ProgramBed, server: &Daemon, home: &str, phone: &str) -> String {
    let mut client = bed.start(home, &["register", &server.address, phone]);
    let line = server.line().unwrap();
    let (_, password) = line.rsplit_once(' ').unwrap();
    client.type_line(password);
    client.end().succeeded();
    password.to_owned()
}

/// The key of a user's last session, from the database.
fn session_key(bed: &ProgramBed, user: i64, wrapping: &SymmetricKey) -> SymmetricKey {
    let database = Connection::open(bed.path("data/sealpost.db")).unwrap();
    let wrapped = database
        .query_row("SELECT aes_key FROM users WHERE user_id = ?1", [user], |row| row.get(0))
        .unwrap();
    WrappedKey(wrapped).unwrap(wrapping).unwrap()
}

/// The private exponent, the two primes, the two exponents and the coefficient of an RSA key
/// (RFC 8017), each in the order of the file, which is big-endian.
fn private_numbers(pkcs8: &Plaintext) -> Vec<Vec<u8>> {
    let (_, info, _) = element(pkcs8.expose());
    let (_, _version, rest) = element(info);
    let (_, _algorithm, rest) = element(rest);
    let (_, octets, _) = element(rest);
    let (_, mut key, _) = element(octets);
    let mut numbers = Vec::new();
    while !key.is_empty() {
        let (tag, number, rest) = element(key);
        assert_eq!(tag, 2);
        numbers.push(number.to_vec());
        key = rest;
    }
    // Before them are version, modulus and public exponent.
    numbers.split_off(3)
}

/// Tag and content of the first element of a DER text, and what follows it.
fn element(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (len, start) = match der[1] {
        short @ ..0x80 => (usize::from(short), 2),
        long => {
            let end = 2 + usize::from(long & 0x7f);
            (der[2..end].iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), end)
        }
    };
    (der[0], &der[start..start + len], &der[start + len..])
}
