//! Public keys that are accepted or refused, fingerprints, and safety numbers.

use proptest::prelude::*;
use proptest::sample::Index;
use sealpost_core::keys::{Fingerprint, InvalidFingerprint, KeyRejected, PublicKey, safety_number};

use crate::support::{pkcs8, providers, rng, vectors};

/// Position of the modulus in the DER.
const MODULUS: std::ops::Range<usize> = 33..289;

fn der(person: &str) -> Vec<u8> {
    hex::decode(vectors()["keys"][person]["public_spki_der"].as_str().unwrap()).unwrap()
}

fn public_key(person: &str) -> PublicKey {
    PublicKey::from_der(&der(person)).unwrap()
}

fn with_modulus(modulus: &[u8]) -> Vec<u8> {
    let mut der = der("alice");
    der[MODULUS].copy_from_slice(modulus);
    der
}

#[test]
fn a_sound_key_is_accepted_with_its_fingerprint() {
    for person in ["server", "alice", "bob"] {
        let key = public_key(person);
        assert_eq!(key.der(), der(person));
        let fingerprint = vectors()["keys"][person]["fingerprint"].as_str().unwrap();
        assert_eq!(*key.fingerprint(), fingerprint.parse().unwrap());
        assert_eq!(key.fingerprint().to_string(), fingerprint);
    }
}

#[test]
fn fresh_keys_are_accepted() {
    let mut rng = rng();
    for provider in providers() {
        for _ in 0..4 {
            let der = provider.generate_key(&mut rng).unwrap();
            let key = provider.load_key(der.expose()).unwrap();
            assert_eq!(PublicKey::from_der(key.public_key().der()), Ok(key.public_key().clone()));
        }
    }
}

/// The key says that it is for OAEP only. AWS-LC would accept it.
#[test]
fn a_private_key_for_another_algorithm_is_refused() {
    let mut der = pkcs8("alice").expose().to_vec();
    let rsa_encryption = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    let at = der.windows(9).position(|window| window == rsa_encryption).unwrap();
    der[at + 8] = 7;
    for provider in providers() {
        assert_eq!(provider.load_key(&der).err(), Some(KeyRejected), "{}", provider.name());
    }
}

#[test]
fn an_unfit_modulus_is_refused() {
    let sound = der("alice")[MODULUS].to_vec();

    let mut even = sound.clone();
    even[255] &= !1;
    assert_eq!(PublicKey::from_der(&with_modulus(&even)), Err(KeyRejected), "even");

    let mut short = sound;
    short[0] &= 0x7f;
    assert_eq!(PublicKey::from_der(&with_modulus(&short)), Err(KeyRejected), "2047 bits");

    let roca = hex::decode(ROCA_MODULUS).unwrap();
    assert_eq!(PublicKey::from_der(&with_modulus(&roca)), Err(KeyRejected), "ROCA");
}

#[test]
fn a_modulus_with_a_small_factor_is_refused() {
    let sound = der("alice")[MODULUS].to_vec();
    for prime in [3, 5, 7, 251, 257, 1_021, 2_039] {
        let remainder = sound.iter().fold(0, |r, &byte| (r * 256 + u32::from(byte)) % prime);
        // An even number is subtracted, so that the modulus stays odd.
        let excess = if remainder % 2 == 0 { remainder } else { remainder + prime };
        let divisible = subtract(&sound, excess);
        assert_eq!(PublicKey::from_der(&with_modulus(&divisible)), Err(KeyRejected), "{prime}");
    }
}

fn subtract(number: &[u8], excess: u32) -> Vec<u8> {
    let (head, tail) = number.split_last_chunk().unwrap();
    let tail = u32::from_be_bytes(*tail).checked_sub(excess).expect("no borrow");
    [head, &tail.to_be_bytes()].concat()
}

#[test]
fn fingerprints_parse_only_as_they_are_displayed() {
    let text = "00".repeat(31) + "af";
    let fingerprint: Fingerprint = text.parse().unwrap();
    assert_eq!(fingerprint.to_string(), text);
    let refused = [
        "",
        &text[1..],
        &format!("{text}0"),
        &format!("{text}00"),
        &text.to_uppercase(),
        &format!("{}zz", &text[2..]),
        &format!("+{}", &text[1..]),
        &format!("{}é", &text[2..]),
    ];
    for bad in refused {
        assert_eq!(bad.parse::<Fingerprint>(), Err(InvalidFingerprint), "{bad}");
    }
}

/// The numbers were computed with another implementation of SHA-256.
#[test]
fn safety_numbers_are_symmetric_and_known() {
    let (server, alice, bob) = (public_key("server"), public_key("alice"), public_key("bob"));
    assert_eq!(safety_number(&alice, &bob), SAFETY_ALICE_BOB);
    assert_eq!(safety_number(&bob, &alice), SAFETY_ALICE_BOB);
    assert_eq!(safety_number(&alice, &server), SAFETY_ALICE_SERVER);
    assert_eq!(safety_number(&alice, &alice).len(), 60);
}

/// Tests keys that differ in a single byte.
#[test]
fn safety_numbers_differ_with_either_key() {
    let sound = der("alice");
    let resembling = (1..=u8::MAX).filter_map(|xor| {
        let mut der = sound.clone();
        der[MODULUS.end - 2] ^= xor;
        PublicKey::from_der(&der).ok()
    });
    let (bob, resembling) = (public_key("bob"), resembling.take(12).collect::<Vec<_>>());
    let mut numbers: Vec<_> = resembling.iter().map(|key| safety_number(key, &bob)).collect();
    let pairs = resembling.windows(2).map(|pair| (&pair[0], &pair[1]));
    numbers.extend(pairs.map(|(a, b)| {
        assert_eq!(safety_number(a, b), safety_number(b, a));
        safety_number(a, b)
    }));
    let count = numbers.len();
    assert!(count > 20 && numbers.iter().all(|number| number.len() == 60));
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), count);
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_not_a_key(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert_eq!(PublicKey::from_der(&bytes), Err(KeyRejected));
    }

    #[test]
    fn a_changed_byte_is_refused_outside_the_modulus(at in any::<Index>(), xor in 1_u8..) {
        let mut der = der("alice");
        let at = at.index(der.len());
        der[at] ^= xor;
        let accepted = PublicKey::from_der(&der);
        prop_assert!(accepted.is_err() || MODULUS.contains(&at));
        if let Ok(key) = accepted {
            prop_assert_eq!(key.der(), der);
        }
    }

    #[test]
    fn a_missing_or_added_byte_is_refused(at in any::<Index>(), byte in any::<u8>()) {
        let sound = der("alice");
        let mut longer = sound.clone();
        longer.insert(at.index(sound.len() + 1), byte);
        prop_assert_eq!(PublicKey::from_der(&longer), Err(KeyRejected));
        let mut shorter = sound.clone();
        shorter.remove(at.index(sound.len()));
        prop_assert_eq!(PublicKey::from_der(&shorter), Err(KeyRejected));
        prop_assert_eq!(PublicKey::from_der(&sound[..at.index(sound.len())]), Err(KeyRejected));
    }
}

const SAFETY_ALICE_BOB: &str = "425670533434978895266955231986700821834306046897418978189594";
const SAFETY_ALICE_SERVER: &str = "054593552591164138022578972330700821834306046897418978189594";

/// Product of two primes of the form that the library of CVE-2017-15361 chose:
/// k·M + (65537^a mod M), where M is the product of the first 126 primes.
const ROCA_MODULUS: &str = concat!(
    "c0dfc82585e5b88d9a079012b92b64e543ecc11cc3606f6829de1322bb3e4380",
    "46f380950d37bba1f5cbb85ecb2c1d35a714b76ecf3755b5377937955c28e2aa",
    "d70e0b4000792d141729b5821becd75f70b17aa8e5788897160d1eb5900b8104",
    "1c075567760891eab599c4f71e5d4b067bc04f7f5e2f4c3655bddb00f5ed21b1",
    "0102e3cb7bfaeba6a3f2fd774b9298d002ea72feedae91c6ed82160f690e7f39",
    "622a3b24a8ffcac01bf9325441afa06899d99701ca51a22981dfb65ee48d78ef",
    "c8489877cbaa4878b9a5b6cfe015a93216e6ae0ee30827f9f91e1ff45e322968",
    "289a8a8913467863241851f54928c44c8a0e3e09e7117a5ce566c2cb7f5c7f7b",
);
