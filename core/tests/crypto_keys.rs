//! Which public keys are accepted.

use sealpost_core::crypto::{Fingerprint, PublicKey};
use serde_json::Value;

fn vector_key(name: &str) -> (Vec<u8>, Fingerprint) {
    let vectors: Value = serde_json::from_str(include_str!("../testdata/vectors.json")).unwrap();
    let key = &vectors["keys"][name];
    let der = hex::decode(key["public_spki_der"].as_str().unwrap()).unwrap();
    (der, key["fingerprint"].as_str().unwrap().parse().unwrap())
}

#[test]
fn a_sound_key_is_accepted_with_its_fingerprint() {
    for name in ["server", "alice", "bob"] {
        let (der, fingerprint) = vector_key(name);
        let key = PublicKey::from_der(&der).unwrap();
        assert_eq!(key.der(), der);
        assert_eq!(*key.fingerprint(), fingerprint);
    }
}
