//! The programs' sources of cryptography and randomness.

use std::sync::Arc;

use sealpost_core::crypto::{AwsLc, Crypto, Generator, PrivateKey, Provider, RustCrypto};
use sealpost_core::entropy::Entropy;
use sealpost_core::keys::SymmetricKey;

use crate::{Failure, SystemGenerator};

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

/// Creates a generator.
pub fn random_rng() -> Result<Box<dyn Generator>, Failure> {
    Ok(Box::new(SystemGenerator::new()?))
}

/// Creates a generator for the state of a machine.
pub fn entropy() -> Result<Entropy, Failure> {
    Ok(Entropy::new(Box::new(SystemGenerator::new()?)))
}

/// Creates a runner of jobs. `wrapping_key` wraps the session keys that a server stores.
pub fn runner(
    provider: Arc<dyn Provider>,
    private_key: Arc<dyn PrivateKey>,
    wrapping_key: SymmetricKey,
) -> Result<Crypto, Failure> {
    Ok(Crypto::new(provider, private_key, wrapping_key, random_rng()?))
}
