//! Keys from files and from the wire.

use std::sync::OnceLock;

use sealpost_core::crypto::{AwsLc, Provider, RustCrypto};
use sealpost_core::keys::{
    PemError, Plaintext, PublicKey, private_key_from_pem, private_key_to_pem,
};

use super::null_crypto;
use crate::arb::Arb;

/// Parses a key in one of its encodings. The first byte of the input selects the encoding, and
/// whether the rest is the key itself or a list of edits to a valid one.
///
/// Properties: nothing panics; an accepted key is written as it was read, in DER and in PEM; a
/// private key that AWS-LC accepts is also accepted by `RustCrypto`, with the same public half. (The
/// converse does not hold: `RustCrypto` recomputes the parameters for the Chinese remainder theorem,
/// so it accepts files in which they are wrong.)
///
/// # Panics
/// If one of these properties is violated.
pub fn keys(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 8 {
        0 => public_der(rest),
        1 => public_der(&edited(rest, null_crypto::public_key(1).der())),
        2 => public_pem(rest),
        3 => public_pem(&edited(rest, null_crypto::public_key(1).to_pem().as_bytes())),
        4 => private_pem(rest),
        5 => private_pem(&edited(rest, PRIVATE_PEM.as_bytes())),
        6 => private_der(rest),
        _ => private_der(&edited(rest, sound_private_der().expose())),
    }
}

fn public_der(der: &[u8]) {
    if let Ok(key) = PublicKey::from_der(der) {
        assert_eq!(key.der(), der);
        assert_eq!(PublicKey::from_pem(&key.to_pem()), Ok(key));
    }
}

fn public_pem(pem: &[u8]) {
    let Ok(pem) = str::from_utf8(pem) else { return };
    if let Ok(key) = PublicKey::from_pem(pem) {
        public_der(key.der());
    }
}

fn private_pem(pem: &[u8]) {
    let Ok(pem) = str::from_utf8(pem) else { return };
    match private_key_from_pem(pem, None) {
        Ok(der) => {
            let written = private_key_to_pem(&der).expect("a key that was read");
            let text = str::from_utf8(written.expose()).expect("PEM is ASCII");
            assert_eq!(private_key_from_pem(text, None), Ok(der.clone()));
            private_der(der.expose());
        }
        // No passphrase is given, so none can be wrong.
        Err(PemError::Malformed | PemError::Pkcs1PrivateKey | PemError::PassphraseNeeded) => {}
        Err(other) => panic!("{other:?}"),
    }
}

fn private_der(der: &[u8]) {
    let portable = RustCrypto.load_key(der);
    if let Ok(fast) = AwsLc::default().load_key(der) {
        let portable = portable.expect("AWS-LC accepts it");
        assert_eq!(fast.public_key(), portable.public_key());
    }
}

/// Applies edits to a valid encoding: each replaces, removes or inserts one byte.
fn edited(edits: &[u8], sound: &[u8]) -> Vec<u8> {
    let mut arb = Arb::new(edits);
    let mut bytes = sound.to_vec();
    while !arb.is_empty() && !bytes.is_empty() {
        let at = arb.index(bytes.len());
        match arb.below(4) {
            0 => {
                bytes.remove(at);
            }
            1 => bytes.insert(at, arb.byte()),
            _ => bytes[at] = arb.byte(),
        }
    }
    bytes
}

fn sound_private_der() -> &'static Plaintext {
    static DER: OnceLock<Plaintext> = OnceLock::new();
    DER.get_or_init(|| private_key_from_pem(PRIVATE_PEM, None).expect("a key"))
}

const PRIVATE_PEM: &str = include_str!("../../../docs/vectors/test-only-alice.pem");
