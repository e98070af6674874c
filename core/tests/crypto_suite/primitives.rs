//! Every primitive: one provider seals or signs, another opens or verifies.

use rand_core::Rng;
use sealpost_core::crypto::{EmitError, OAEP_MAX_PLAINTEXT};
use sealpost_core::keys::{KeyRejected, Plaintext, Rejected, SymmetricKey};

use crate::support::{key, pairs, pkcs8, providers, rng, verify, wrapping_key};

const LABEL: &[u8] = b"sealpost/1/session";

#[test]
fn this_build_has_the_providers_that_its_features_name() {
    let mut names: Vec<_> = providers().iter().map(|provider| provider.name()).collect();
    // aws-lc comes alone, and with a kernel if this processor can run one.
    names.dedup();
    let mut expected = Vec::new();
    if cfg!(feature = "rust-crypto") {
        expected.push("rust");
    }
    if cfg!(feature = "aws-lc") {
        expected.push("aws-lc");
    }
    assert_eq!(names, expected);
}

#[test]
fn a_key_pair_of_one_provider_loads_in_another() {
    let mut rng = rng();
    for (maker, user) in pairs() {
        let der = maker.generate_key(&mut rng).unwrap();
        let (made, loaded) =
            (maker.load_key(der.expose()).unwrap(), user.load_key(der.expose()).unwrap());
        assert_eq!(made.public_key(), loaded.public_key());
        let signature = made.sign(&mut rng, b"message").unwrap();
        assert_eq!(signature, loaded.sign(&mut rng, b"message").unwrap());
        assert_eq!(user.verify(made.public_key(), b"message", &signature), Ok(()));
    }
}

#[test]
fn bytes_that_are_not_a_private_key_do_not_load() {
    let alice = pkcs8("alice");
    let alice = alice.expose();
    let mut trailing = alice.to_vec();
    trailing.push(0);
    for provider in providers() {
        for bad in [&[][..], &[0x30], &alice[..alice.len() - 1], &alice[26..], &trailing] {
            let (name, len) = (provider.name(), bad.len());
            assert_eq!(provider.load_key(bad).err(), Some(KeyRejected), "{name}, {len} bytes");
        }
    }
}

#[test]
fn only_the_signers_own_signature_verifies() {
    let mut rng = rng();
    for (signer, verifier) in pairs() {
        let (alice, bob) = (key(&signer, "alice"), key(&signer, "bob"));
        for message in [vec![], b"message".to_vec(), vec![0x5a; 66_000]] {
            let message = &message[..];
            let signature = alice.sign(&mut rng, message).unwrap();
            let by_alice = |message: &[u8], signature: &[u8]| {
                verify(&*verifier, alice.public_key(), message, signature)
            };
            assert_eq!(by_alice(message, &signature), Ok(()));
            assert_eq!(verify(&*verifier, bob.public_key(), message, &signature), Err(Rejected));
            assert_eq!(by_alice(b"another", &signature), Err(Rejected));
            for at in [0, 1, 128, 254, 255] {
                let mut changed = signature;
                changed[at] ^= 1;
                assert_eq!(by_alice(message, &changed), Err(Rejected), "byte {at}");
            }
            assert_eq!(by_alice(message, &signature[1..]), Err(Rejected));
            assert_eq!(by_alice(message, &signature[..255]), Err(Rejected));
            assert_eq!(by_alice(message, &[&[0], &signature[..]].concat()), Err(Rejected));
            for constant in [&[][..], &[0; 256], &[0xff; 256]] {
                assert_eq!(by_alice(message, constant), Err(Rejected));
            }
        }
    }
}

#[test]
fn oaep_opens_with_its_key_and_its_label_only() {
    let rng = &mut rng();
    for (sealer, opener) in pairs() {
        let (alice, bob) = (key(&opener, "alice"), key(&opener, "bob"));
        for plaintext in [&[][..], &[0], &[1; 32], &[0xa5; OAEP_MAX_PLAINTEXT]] {
            for label in [&[][..], LABEL, &[b'l'; 300]] {
                let sealed = sealer.oaep_seal(rng, alice.public_key(), label, plaintext).unwrap();
                assert_eq!(alice.oaep_open(rng, label, &sealed).unwrap().expose(), plaintext);
                assert_eq!(alice.oaep_open(rng, b"another", &sealed), Err(Rejected));
                assert_eq!(bob.oaep_open(rng, label, &sealed), Err(Rejected));
                for at in [0, 1, 100, 255] {
                    let mut changed = sealed;
                    changed[at] ^= 1;
                    assert_eq!(alice.oaep_open(rng, label, &changed), Err(Rejected), "byte {at}");
                }
                let longer = [&[0], &sealed[..]].concat();
                assert_eq!(alice.oaep_open(rng, label, &longer), Err(Rejected));
                assert_eq!(alice.oaep_open(rng, label, &sealed[..255]), Err(Rejected));
            }
        }
        for constant in [&[][..], &[0; 256], &[0xff; 256]] {
            assert_eq!(alice.oaep_open(rng, LABEL, constant), Err(Rejected));
        }
    }
}

#[test]
fn oaep_seals_at_most_190_bytes_and_differently_each_time() {
    assert_eq!(OAEP_MAX_PLAINTEXT, 190);
    let mut rng = rng();
    for provider in providers() {
        let alice = key(&provider, "alice");
        let mut seal =
            |plaintext: &[u8]| provider.oaep_seal(&mut rng, alice.public_key(), LABEL, plaintext);
        for len in [191, 256, 1_000] {
            assert_eq!(seal(&vec![1; len]), Err(EmitError), "{len}");
        }
        assert_ne!(seal(&[1; 190]).unwrap(), seal(&[1; 190]).unwrap());
    }
}

#[test]
fn cbc_opens_with_its_key_and_iv() {
    let mut rng = rng();
    let (mut iv, mut plaintext) = ([0; 16], vec![0; 65_247]);
    rng.fill_bytes(&mut iv);
    rng.fill_bytes(&mut plaintext);
    let session = SymmetricKey::random(&mut rng);
    for (sealer, opener) in pairs() {
        for len in [0, 1, 15, 16, 17, 255, 256, 65_247] {
            let sealed = sealer.cbc_seal(&session, &iv, &plaintext[..len]).unwrap();
            assert_eq!(sealed.len(), len / 16 * 16 + 16);
            let opened = opener.cbc_open(&session, &iv, &sealed).unwrap();
            assert_eq!(opened.expose(), &plaintext[..len]);
            // A ciphertext that ends within a block, or is empty, is refused whatever its padding.
            assert_eq!(opener.cbc_open(&session, &iv, &sealed[1..]), Err(Rejected));
            assert_eq!(opener.cbc_open(&session, &iv, &[]), Err(Rejected));
        }
    }
}

#[test]
fn cbc_refuses_invalid_padding() {
    let session = SymmetricKey::from_bytes([3; 32]);
    for (sealer, opener) in pairs() {
        // The last byte of the IV shifts the padding of a message of one block.
        let sealed = sealer.cbc_seal(&session, &[0; 16], &[]).unwrap();
        for xor in 1..=255 {
            let mut iv = [0; 16];
            iv[15] = xor;
            let opened = opener.cbc_open(&session, &iv, &sealed);
            // Of 16 bytes 0x10, the last one changed to 1 is valid padding of one byte.
            let expected = (xor == 0x10 ^ 1).then_some(15).ok_or(Rejected);
            assert_eq!(opened.map(|opened| opened.expose().len()), expected, "{xor}");
        }
    }
}

#[test]
fn a_wrapped_key_unwraps_under_its_wrapping_key_only() {
    let session = SymmetricKey::random(&mut rng());
    let wrapped = session.wrap(&wrapping_key());
    assert_eq!(wrapped.unwrap(&wrapping_key()), Ok(session));
    assert_eq!(wrapped.unwrap(&SymmetricKey::from_bytes([0x78; 32])), Err(Rejected));
    for at in 0..40 {
        let mut changed = wrapped;
        changed.0[at] ^= 1;
        assert_eq!(changed.unwrap(&wrapping_key()), Err(Rejected), "byte {at}");
    }
}

#[test]
fn a_secret_is_not_shown() {
    assert_eq!(format!("{:?}", wrapping_key()), "SymmetricKey(…)");
    assert_eq!(format!("{:?}", Plaintext::new(b"secret".to_vec())), "Plaintext(6 bytes)");
}

/// RFC 3394, 4.6: 256 bits of key data with a 256-bit wrapping key.
#[test]
fn key_wrap_agrees_with_its_rfc() {
    let ascending = |start: u8| std::array::from_fn(|i| start + u8::try_from(i).unwrap());
    let wrapping_key = SymmetricKey::from_bytes(ascending(0));
    let mut key = [0; 32];
    hex::decode_to_slice(
        "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
        &mut key,
    )
    .unwrap();
    let wrapped = SymmetricKey::from_bytes(key).wrap(&wrapping_key);
    let expected =
        "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21";
    assert_eq!(hex::encode(wrapped.0), expected);
}
