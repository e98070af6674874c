//! The operations that a cryptographic library must offer.

use alloc::sync::Arc;
use alloc::vec::Vec;

use rand_core::CryptoRng;

use super::{EmitError, SignatureCheck};
use crate::keys::{KeyRejected, Plaintext, PublicKey, Rejected, SymmetricKey};

/// A cryptographic library. It draws from `rng` every random byte that it lets its caller choose.
pub trait Provider: Send + Sync {
    /// Name of the provider for logs: `aws-lc`, `rust`.
    fn name(&self) -> &'static str;

    /// Generates an RSA-2048 key with exponent 65537 and returns it as PKCS#8 DER.
    fn generate_key(&self, rng: &mut dyn CryptoRng) -> Result<Plaintext, KeyRejected>;

    /// Loads a private key from PKCS#8 DER. Refuses a key that is not RSA-2048 with exponent 65537,
    /// and one whose public half [`PublicKey::from_der`] refuses.
    fn load_key(&self, pkcs8_der: &[u8]) -> Result<Arc<dyn PrivateKey>, KeyRejected>;

    /// Verifies a signature: RSASSA-PKCS1-v1_5 with SHA-256. A signature that is not 256 bytes long
    /// is rejected.
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), Rejected>;

    /// Verifies signatures that came together, and appends a verdict for each, in order. A provider
    /// that is faster with several at once draws from `rng` what its self-checks need.
    fn verify_all(
        &self,
        _rng: &mut dyn CryptoRng,
        checks: &[SignatureCheck<'_>],
        verdicts: &mut Vec<Result<(), Rejected>>,
    ) {
        verify_each(self, checks, verdicts);
    }

    /// Number of batches on whose signatures the ways to verify of this provider have disagreed.
    /// Anything but zero means that one of them is broken. Cheap enough for every scrape of a metric.
    fn disagreements(&self) -> u64 {
        0
    }

    /// Encrypts by RSAES-OAEP with SHA-256 for hash and MGF1. Fails if the plaintext is over
    /// [`OAEP_MAX_PLAINTEXT`] bytes.
    fn oaep_seal(
        &self,
        rng: &mut dyn CryptoRng,
        key: &PublicKey,
        label: &[u8],
        plaintext: &[u8],
    ) -> Result<[u8; 256], EmitError>;

    /// Encrypts by AES-256-CBC with PKCS#7 padding.
    fn cbc_seal(
        &self,
        key: &SymmetricKey,
        iv: &[u8; 16],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, EmitError>;

    /// Decrypts the output of [`cbc_seal`](Provider::cbc_seal). A ciphertext that is empty or ends
    /// within a block is rejected.
    fn cbc_open(
        &self,
        key: &SymmetricKey,
        iv: &[u8; 16],
        ciphertext: &[u8],
    ) -> Result<Plaintext, Rejected>;
}

/// A private key that was loaded and accepted. Its operations are constant time or blinded.
pub trait PrivateKey: Send + Sync {
    /// Public half of the key.
    fn public_key(&self) -> &PublicKey;

    /// Signs by RSASSA-PKCS1-v1_5 with SHA-256.
    fn sign(&self, rng: &mut dyn CryptoRng, message: &[u8]) -> Result<[u8; 256], EmitError>;

    /// Decrypts RSAES-OAEP with SHA-256 for hash and MGF1. A ciphertext that is not 256 bytes long
    /// is rejected.
    fn oaep_open(
        &self,
        rng: &mut dyn CryptoRng,
        label: &[u8],
        ciphertext: &[u8],
    ) -> Result<Plaintext, Rejected>;
}

/// Verifies one signature after the other.
pub(super) fn verify_each(
    provider: &(impl Provider + ?Sized),
    checks: &[SignatureCheck<'_>],
    verdicts: &mut Vec<Result<(), Rejected>>,
) {
    let verify = |&SignatureCheck { key, message, signature }: &SignatureCheck<'_>| {
        provider.verify(key, message, signature)
    };
    verdicts.extend(checks.iter().map(verify));
}

/// Longest plaintext of [`Provider::oaep_seal`] in bytes: 256 less two hashes and two bytes.
pub const OAEP_MAX_PLAINTEXT: usize = 256 - 2 * 32 - 2;
