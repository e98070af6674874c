//! What a provider of cryptography must be able to do.

use alloc::sync::Arc;
use alloc::vec::Vec;

use rand_core::CryptoRng;

use super::EmitError;
use crate::keys::{KeyRejected, Plaintext, PublicKey, Rejected, SymmetricKey};

/// Primitives. Every random byte that a provider lets its caller choose comes from `rng`.
pub trait Provider: Send + Sync {
    /// For logs: `aws-lc`, `rust`.
    fn name(&self) -> &'static str;

    /// Draws a new RSA-2048 key with exponent 65537, as PKCS#8 DER.
    fn generate_key(&self, rng: &mut dyn CryptoRng) -> Result<Plaintext, KeyRejected>;

    /// Loads a private key from PKCS#8 DER. Refuses what is not RSA-2048 with exponent 65537, and
    /// whose public half [`PublicKey::from_der`] refuses.
    fn load_key(&self, pkcs8_der: &[u8]) -> Result<Arc<dyn PrivateKey>, KeyRejected>;

    /// RSASSA-PKCS1-v1_5 with SHA-256. A signature that is not 256 bytes is rejected.
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), Rejected>;

    /// RSAES-OAEP with SHA-256 for hash and MGF1. Fails if the plaintext is over
    /// [`OAEP_MAX_PLAINTEXT`] bytes.
    fn oaep_seal(
        &self,
        rng: &mut dyn CryptoRng,
        key: &PublicKey,
        label: &[u8],
        plaintext: &[u8],
    ) -> Result<[u8; 256], EmitError>;

    /// AES-256-CBC with PKCS#7 padding.
    fn cbc_seal(
        &self,
        key: &SymmetricKey,
        iv: &[u8; 16],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, EmitError>;

    /// Opens what [`cbc_seal`](Provider::cbc_seal) sealed. An empty ciphertext, or one that ends
    /// within a block, is rejected.
    fn cbc_open(
        &self,
        key: &SymmetricKey,
        iv: &[u8; 16],
        ciphertext: &[u8],
    ) -> Result<Plaintext, Rejected>;
}

/// A private key, loaded and checked. Its operations are constant time or blinded.
pub trait PrivateKey: Send + Sync {
    /// The public half.
    fn public_key(&self) -> &PublicKey;

    /// RSASSA-PKCS1-v1_5 with SHA-256.
    fn sign(&self, rng: &mut dyn CryptoRng, message: &[u8]) -> Result<[u8; 256], EmitError>;

    /// RSAES-OAEP with SHA-256 for hash and MGF1. A ciphertext that is not 256 bytes is rejected.
    fn oaep_open(
        &self,
        rng: &mut dyn CryptoRng,
        label: &[u8],
        ciphertext: &[u8],
    ) -> Result<Plaintext, Rejected>;
}

/// The most that [`Provider::oaep_seal`] takes: 256 bytes less two hashes and two more.
pub const OAEP_MAX_PLAINTEXT: usize = 256 - 2 * 32 - 2;
