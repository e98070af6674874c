//! Providers, people with keys, and a source of randomness that can be replayed.

use std::sync::{Arc, OnceLock};

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use sealpost_core::crypto::keys::private_key_from_pem;
use sealpost_core::crypto::{Crypto, Plaintext, PrivateKey, Provider, SymmetricKey};
use serde_json::Value;

/// Every provider that this build has.
pub(crate) fn providers() -> Vec<Arc<dyn Provider>> {
    vec![
        #[cfg(feature = "rust-crypto")]
        Arc::new(sealpost_core::crypto::RustCrypto),
        #[cfg(feature = "aws-lc")]
        Arc::new(sealpost_core::crypto::AwsLc),
    ]
}

/// Every ordered pair of them: who seals or signs, and who opens or verifies.
pub(crate) fn pairs() -> Vec<(Arc<dyn Provider>, Arc<dyn Provider>)> {
    let all = providers();
    all.iter().flat_map(|a| all.iter().map(|b| (Arc::clone(a), Arc::clone(b)))).collect()
}

/// A generator for one test. Its seed is shown if the test fails; `SEALPOST_SEED` replays it.
pub(crate) fn rng() -> ChaCha20Rng {
    let seed = std::env::var("SEALPOST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(0x5ea1_7057);
    std::io::Write::write_fmt(
        &mut std::io::stderr(),
        format_args!("replay with SEALPOST_SEED={seed}\n"),
    )
    .unwrap();
    ChaCha20Rng::seed_from_u64(seed)
}

/// The independent vectors.
pub(crate) fn vectors() -> &'static Value {
    static VECTORS: OnceLock<Value> = OnceLock::new();
    VECTORS
        .get_or_init(|| serde_json::from_str(include_str!("../../testdata/vectors.json")).unwrap())
}

/// The PKCS#8 DER of one of the vectors' people: `server`, `alice`, `bob`.
pub(crate) fn pkcs8(person: &str) -> Plaintext {
    let pem = vectors()["keys"][person]["private_pkcs8_pem"].as_str().unwrap();
    private_key_from_pem(pem, None).unwrap()
}

/// The private key of one of the vectors' people.
pub(crate) fn key(provider: &Arc<dyn Provider>, person: &str) -> Arc<dyn PrivateKey> {
    provider.load_key(pkcs8(person).expose()).unwrap()
}

/// A runner of jobs with the key of one of the vectors' people.
pub(crate) fn crypto(provider: &Arc<dyn Provider>, person: &str) -> Crypto {
    let key = key(provider, person);
    Crypto::new(Arc::clone(provider), key, WRAPPING_KEY, Box::new(rng()))
}

pub(crate) const WRAPPING_KEY: SymmetricKey = SymmetricKey::from_bytes([0x77; 32]);
