//! The programs' sources of cryptography and randomness.

use std::fmt;
use std::sync::Arc;

use sealpost_core::crypto::{AwsLc, Crypto, Generator, PrivateKey, Provider, RustCrypto};
use sealpost_core::entropy::Entropy;
use sealpost_core::keys::SymmetricKey;
use serde::Deserialize;

use crate::{Failure, SystemGenerator};

/// Cryptography providers by the names that users give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum CryptoName {
    /// Constant-time, and several times faster
    AwsLc,
    /// Written in Rust alone
    Rust,
}

/// Ways to verify signatures that come together, by the names that users give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Verify {
    /// Eight at once if the processor has AVX-512 IFMA; aws-lc judges again whatever that rejects
    #[default]
    Auto,
    /// One after the other
    AwsLc,
}

impl CryptoName {
    /// The provider with this name. `verify` is for aws-lc alone.
    pub fn provider(self, verify: Verify) -> Arc<dyn Provider> {
        match (self, verify) {
            (Self::AwsLc, Verify::Auto) => Arc::new(detect()),
            (Self::AwsLc, Verify::AwsLc) => Arc::new(AwsLc::default()),
            (Self::Rust, _) => Arc::new(RustCrypto),
        }
    }
}

/// The name that users give.
impl fmt::Display for Verify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::AwsLc => "aws-lc",
        })
    }
}

fn detect() -> AwsLc {
    let provider = AwsLc::detect(|| {
        tracing::error!(
            "aws-lc and the kernel that verifies eight signatures at once disagree: from now on \
             aws-lc verifies everything; please report this, with the model of the processor"
        );
    });
    if provider.verifies_together() {
        tracing::info!("verifying up to eight signatures at once, with AVX-512 IFMA");
    } else {
        tracing::info!("verifying signatures one after the other: no AVX-512 IFMA");
    }
    provider
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
