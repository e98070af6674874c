//! Providers, people with keys, and randomness that can be replayed.

use std::sync::{Arc, OnceLock};

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use sealpost_core::crypto::{Crypto, PrivateKey, Provider, SignatureCheck};
use sealpost_core::keys::{Plaintext, PublicKey, Rejected, SymmetricKey, private_key_from_pem};
use serde_json::Value;

/// All providers of this build.
pub(crate) fn providers() -> Vec<Arc<dyn Provider>> {
    vec![
        #[cfg(feature = "rust-crypto")]
        Arc::new(sealpost_core::crypto::RustCrypto),
        #[cfg(feature = "aws-lc")]
        Arc::new(sealpost_core::crypto::AwsLc::default()),
        #[cfg(feature = "aws-lc")]
        Arc::new(sealpost_core::crypto::AwsLc::detect(|| panic!("the kernel and aws-lc disagree"))),
    ]
}

/// Verifies a signature alone, and among others of which each second one is spoilt.
pub(crate) fn verify(
    provider: &dyn Provider,
    key: &PublicKey,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Rejected> {
    let mut spoilt = signature.to_vec();
    spoilt.iter_mut().take(1).for_each(|byte| *byte ^= 0x40);
    let check = |signature| SignatureCheck { key, message, signature };
    let checks = [check(signature), check(&spoilt)].repeat(3);
    let mut verdicts = Vec::new();
    provider.verify_all(&mut rng(), &checks, &mut verdicts);
    let alone = provider.verify(key, message, signature);
    assert_eq!(verdicts, [alone, Err(Rejected)].repeat(3));
    alone
}

/// All ordered pairs of providers: the first seals or signs, the second opens or verifies.
pub(crate) fn pairs() -> Vec<(Arc<dyn Provider>, Arc<dyn Provider>)> {
    let all = providers();
    all.iter().flat_map(|a| all.iter().map(|b| (Arc::clone(a), Arc::clone(b)))).collect()
}

/// Generator for one test. Its seed is shown if the test fails; `SEALPOST_SEED` replays it.
pub(crate) fn rng() -> ChaCha20Rng {
    rng_of("the test itself")
}

/// Generator for one of several people in a test, whose draws must differ.
fn rng_of(drawer: &str) -> ChaCha20Rng {
    let seed = std::env::var("SEALPOST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or(0x5ea1_7057);
    show_seed(seed);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..8 + drawer.len()].copy_from_slice(drawer.as_bytes());
    ChaCha20Rng::from_seed(bytes)
}

#[expect(clippy::print_stderr, reason = "shown with a failing test, hidden with the others")]
fn show_seed(seed: u64) {
    eprintln!("replay with SEALPOST_SEED={seed}");
}

/// Vectors that an independent implementation made.
pub(crate) fn vectors() -> &'static Value {
    static VECTORS: OnceLock<Value> = OnceLock::new();
    VECTORS
        .get_or_init(|| serde_json::from_str(include_str!("../../testdata/vectors.json")).unwrap())
}

/// PKCS#8 DER of a person in the vectors: `server`, `alice` or `bob`.
pub(crate) fn pkcs8(person: &str) -> Plaintext {
    let pem = vectors()["keys"][person]["private_pkcs8_pem"].as_str().unwrap();
    private_key_from_pem(pem, None).unwrap()
}

/// Private key of a person in the vectors.
pub(crate) fn key(provider: &Arc<dyn Provider>, person: &str) -> Arc<dyn PrivateKey> {
    provider.load_key(pkcs8(person).expose()).unwrap()
}

/// Runner of jobs with the private key of a person in the vectors.
pub(crate) fn crypto(provider: &Arc<dyn Provider>, person: &str) -> Crypto {
    let key = key(provider, person);
    Crypto::new(Arc::clone(provider), key, wrapping_key(), Box::new(rng_of(person)))
}

pub(crate) fn wrapping_key() -> SymmetricKey {
    SymmetricKey::from_bytes([0x77; 32])
}
