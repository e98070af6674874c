//! The programs' sources of cryptography and randomness.

use std::sync::Arc;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{CryptoRng, SeedableRng};
use sealpost_core::crypto::{AwsLc, Crypto, PrivateKey, Provider, RustCrypto};
use sealpost_core::keys::SymmetricKey;

use crate::Failure;

/// Cryptography providers by the names that users give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum CryptoName {
    /// Constant-time, and several times faster
    AwsLc,
    /// Written in Rust alone
    Rust,
}

impl CryptoName {
    /// The provider with this name.
    pub fn provider(self) -> Arc<dyn Provider> {
        match self {
            Self::AwsLc => Arc::new(AwsLc::default()),
            Self::Rust => Arc::new(RustCrypto),
        }
    }
}

/// Draws a seed from the operating system.
pub fn random_seed() -> Result<[u8; 32], Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(Failure::context("can't get randomness from the operating system"))?;
    Ok(seed)
}

/// Creates a generator with a seed from the operating system.
pub fn random_rng() -> Result<Box<dyn CryptoRng + Send>, Failure> {
    Ok(Box::new(ChaCha20Rng::from_seed(random_seed()?)))
}

/// Creates a runner of jobs. `wrapping_key` wraps the session keys that a server stores.
pub fn runner(
    provider: Arc<dyn Provider>,
    private_key: Arc<dyn PrivateKey>,
    wrapping_key: SymmetricKey,
) -> Result<Crypto, Failure> {
    Ok(Crypto::new(provider, private_key, wrapping_key, random_rng()?))
}
