//! The vectors of `docs/PROTOCOL-VECTORS.md`, which the Python client made. Every packet verifies
//! and opens with every provider. Its plaintexts parse, and are emitted again without a change.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod events;
mod groups;
mod packets;
mod page;

use std::sync::Arc;

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use sealpost_core::crypto::Provider;
use sealpost_core::keys::{Fingerprint, private_key_from_pem, safety_number};

use page::Page;

#[test]
fn keys_load_and_have_their_fingerprints() {
    let page = Page::read();
    for provider in providers() {
        for (name, pem) in PEM_FILES {
            let vector = page.vector(name);
            let pkcs8 = private_key_from_pem(pem, None).unwrap();
            assert_eq!(pkcs8.expose(), vector.bytes("pkcs8"), "{name}");
            let key = provider.load_key(pkcs8.expose()).unwrap();
            assert_eq!(key.public_key().der(), vector.bytes("spki"), "{name}");
            let fingerprint: Fingerprint = vector.text("fingerprint").parse().unwrap();
            assert_eq!(*key.public_key().fingerprint(), fingerprint, "{name}");
        }
    }
}

#[test]
fn the_safety_number_is_the_listed_one() {
    let page = Page::read();
    for provider in providers() {
        let [alice, bob] = ["alice", "bob"].map(|name| page.key(&provider, name));
        let shown = page.vector("safety_number").text("safety_number").replace(' ', "");
        assert_eq!(safety_number(alice.public_key(), bob.public_key()), shown);
        assert_eq!(safety_number(bob.public_key(), alice.public_key()), shown);
    }
}

fn providers() -> Vec<Arc<dyn Provider>> {
    vec![
        #[cfg(feature = "rust-crypto")]
        Arc::new(sealpost_core::crypto::RustCrypto),
        #[cfg(feature = "aws-lc")]
        Arc::new(sealpost_core::crypto::AwsLc::default()),
    ]
}

/// Opening draws random bytes only for blinding, so the plaintext does not depend on the seed.
fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(0)
}

const PEM_FILES: [(&str, &str); 3] = [
    ("server", include_str!("../../../docs/vectors/test-only-server.pem")),
    ("alice", include_str!("../../../docs/vectors/test-only-alice.pem")),
    ("bob", include_str!("../../../docs/vectors/test-only-bob.pem")),
];
