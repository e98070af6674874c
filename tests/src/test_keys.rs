//! RSA keys for tests, generated once per process from a fixed seed.

use std::sync::{Arc, OnceLock};

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use sealpost_core::crypto::{Crypto, PrivateKey, Provider, RustCrypto};
use sealpost_core::keys::SymmetricKey;

/// A job runner with the `index`-th test key. Key 0 is the server's, and key 5 its successor.
pub fn crypto(index: usize) -> Crypto {
    let seed = u8::try_from(index).unwrap();
    let rng = Box::new(ChaCha20Rng::from_seed([seed; 32]));
    let wrapping_key = SymmetricKey::from_bytes([9; 32]);
    Crypto::new(Arc::new(RustCrypto), private_key(index), wrapping_key, rng)
}

/// The `index`-th test key.
pub fn private_key(index: usize) -> Arc<dyn PrivateKey> {
    static POOL: OnceLock<Vec<Arc<dyn PrivateKey>>> = OnceLock::new();
    let pool = POOL.get_or_init(|| {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut key = || {
            let der = RustCrypto.generate_key(&mut rng).unwrap();
            RustCrypto.load_key(der.expose()).unwrap()
        };
        (0..KEYS).map(|_| key()).collect()
    });
    Arc::clone(&pool[index])
}

/// Number of test keys. Few, because generating one takes a while.
const KEYS: usize = 6;
