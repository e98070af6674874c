//! Secrets are fresh: none is drawn twice, by one runner, by its forks, or by another process.

use std::collections::BTreeSet;

use bytes::Bytes;
use sealpost_core::crypto::{Crypto, Draft, Job, Outcome, OwnKey, Part, RequestKind};
use sealpost_core::ids::UserId;
use sealpost_core::keys::{Plaintext, PublicKey, SymmetricKey};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{Header, Op, Packet, Profile};

use crate::support::{crypto, key, providers, rng};

/// Secrets that each runner draws.
const DRAWS: usize = 30;

fn emit(crypto: &mut Crypto, op: Op, parts: Vec<Part>) -> Packet {
    let header = Header { sender: UserId::new(7), recipient: None, timestamp: Timestamp::MIN, op };
    let draft = Draft { profile: Profile::Compact, header, parts, signer: Some(OwnKey::First) };
    let Outcome::Emitted(packet) = crypto.run(Job::Emit(Box::new(draft))) else { panic!() };
    packet.unwrap()
}

/// A runner, two forks of it, and the runner of another process with the same key.
fn runners(mut first: Crypto, other: Crypto) -> [Crypto; 4] {
    let forks = [first.fork(), first.fork()];
    let [one, two] = forks;
    [first, one, two, other]
}

/// IV of the sealed part that begins at `at`.
fn iv(packet: &Packet, at: usize) -> [u8; 16] {
    *packet.payload()[at..].first_chunk().unwrap()
}

/// A message of suite 1, with the content `inner`.
fn message(crypto: &mut Crypto, to: &PublicKey, inner: &[u8]) -> Packet {
    let inner = Plaintext::new(inner.to_vec());
    let head = Part::Clear(Bytes::from_static(&[1, 0, 0, 0, 0, 0, 0, 0, 1]));
    emit(crypto, Op::Message, vec![head, Part::Envelope { to: to.clone(), inner }])
}

#[test]
fn each_message_has_a_key_and_an_iv_of_its_own() {
    const WRAPPED_AT: usize = 9;
    const SEALED_AT: usize = WRAPPED_AT + 256;
    for provider in providers() {
        let bob = key(&provider, "bob");
        let runners = runners(crypto(&provider, "alice"), crypto(&provider, "server"));
        let (mut keys, mut ivs, mut sent) = (BTreeSet::new(), BTreeSet::new(), 0);
        for mut runner in runners {
            let (from, to) = (runner.public_key().fingerprint(), bob.public_key().fingerprint());
            let label = format!("sealpost/1/message/{from}/{to}");
            for _ in 0..DRAWS {
                let packet = message(&mut runner, bob.public_key(), b"the same each time");
                let wrapped = &packet.payload()[WRAPPED_AT..SEALED_AT];
                let opened = bob.oaep_open(&mut rng(), label.as_bytes(), wrapped).unwrap();
                keys.insert(opened.expose().to_vec());
                ivs.insert(iv(&packet, SEALED_AT));
                sent += 1;
            }
        }
        assert_eq!((keys.len(), ivs.len()), (sent, sent), "{}", provider.name());
    }
}

#[test]
fn each_sealed_part_has_an_iv_of_its_own() {
    let key = SymmetricKey::from_bytes([0x55; 32]);
    for provider in providers() {
        let (mut ivs, mut sent) = (BTreeSet::new(), 0);
        for mut runner in runners(crypto(&provider, "alice"), crypto(&provider, "server")) {
            for _ in 0..DRAWS {
                let sealed =
                    || Part::Sealed { key: key.clone(), plaintext: Plaintext::new(vec![1; 9]) };
                let packet = emit(&mut runner, Op::Error, vec![sealed(), sealed()]);
                ivs.extend([iv(&packet, 0), iv(&packet, 32)]);
                sent += 2;
            }
        }
        assert_eq!(ivs.len(), sent, "{}", provider.name());
    }
}

#[test]
fn each_session_has_a_key_of_its_own() {
    let kind = RequestKind::Reconnect;
    for provider in providers() {
        let mut alice = crypto(&provider, "alice");
        let plaintext = || Plaintext::new(b"the same each time".to_vec());
        let (mut keys, mut opened) = (BTreeSet::new(), 0);
        for mut runner in runners(crypto(&provider, "server"), crypto(&provider, "bob")) {
            let to = runner.public_key().clone();
            let part = Part::Oaep { to, label: kind.label(), plaintext: plaintext() };
            let packet = emit(&mut alice, Op::Reconnect, vec![part]);
            for _ in 0..DRAWS {
                let job = Job::OpenRequest {
                    packet: packet.clone(),
                    signer: None,
                    kind,
                    key: OwnKey::First,
                };
                let Outcome::RequestOpened(request) = runner.run(job) else { panic!() };
                keys.insert(*request.unwrap().session.unwrap().key.expose());
                opened += 1;
            }
        }
        assert_eq!(keys.len(), opened, "{}", provider.name());
    }
}

#[test]
fn each_key_pair_is_another() {
    for provider in providers() {
        let mut rng = rng();
        let [first, second] = [(); 2].map(|()| provider.generate_key(&mut rng).unwrap());
        assert_ne!(first.expose(), second.expose(), "{}", provider.name());
    }
}
