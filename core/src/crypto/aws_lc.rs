//! The fast provider: aws-lc-rs. It needs std and a C compiler.
//!
//! Its key pairs, OAEP seeds and blinding factors come from its own generator, which the operating
//! system seeds, and not from `rng`.
//!
//! Removing PKCS#7 padding is the one step that is not constant time. Timing it helps nobody,
//! because a sealed part is opened only after its sender's signature was verified.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroUsize;

use aws_lc_rs::cipher::{
    AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeyPair, KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use pkcs8::der::Decode;
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use rand_core::CryptoRng;
use sealpost_verify8::{Claim, Kernel};

use super::parsed_keys::ParsedKeys;
use super::provider::verify_each;
use super::together::Together;
use super::{EmitError, PrivateKey, Provider, SignatureCheck};
use crate::keys::{KeyRejected, Plaintext, PublicKey, Rejected, SymmetricKey};

/// Provider over aws-lc-rs, with a cache of parsed public keys.
pub struct AwsLc {
    parsed: ParsedKeys,
    /// `None` if aws-lc verifies everything.
    together: Option<Together>,
}

impl AwsLc {
    /// Makes a provider that caches up to `most` parsed keys, of 2 KB each.
    pub fn with_parsed_keys(most: NonZeroUsize) -> Self {
        Self { parsed: ParsedKeys::new(most, false), together: None }
    }

    /// Makes a provider that verifies signatures that came together with a kernel: many times
    /// faster, if this processor has AVX-512 IFMA. aws-lc judges everything again that the kernel
    /// rejects, and one in 256 signatures that it accepts. Once they disagree, `on_disagreement` is
    /// called and aws-lc verifies everything from then on.
    ///
    /// Without such a processor, or if the kernel fails its self test, this is
    /// [`AwsLc::default`]. Takes up to a millisecond.
    pub fn detect(on_disagreement: impl Fn() + Send + Sync + 'static) -> Self {
        match Kernel::detect() {
            Some(kernel) => {
                let judge = move |claims: &[Claim<'_>]| kernel.verify(claims);
                Self::with_judge(Together::new(judge, on_disagreement))
            }
            None => Self::default(),
        }
    }

    /// Whether signatures that come together are verified with a kernel.
    pub fn verifies_together(&self) -> bool {
        self.together.as_ref().is_some_and(Together::is_trusted)
    }

    /// Makes a provider that asks this judge.
    pub(super) fn with_judge(together: Together) -> Self {
        Self { parsed: ParsedKeys::new(PARSED_KEYS, true), together: Some(together) }
    }
}

impl Default for AwsLc {
    /// Caches a thousand keys: the users of a private server who write at the same time.
    fn default() -> Self {
        Self::with_parsed_keys(PARSED_KEYS)
    }
}

impl fmt::Debug for AwsLc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsLc").finish_non_exhaustive()
    }
}

impl Provider for AwsLc {
    fn name(&self) -> &'static str {
        "aws-lc"
    }

    fn generate_key(&self, _: &mut dyn CryptoRng) -> Result<Plaintext, KeyRejected> {
        let key = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyRejected)?;
        let der = key.as_der().map_err(|_| KeyRejected)?;
        Ok(Plaintext::new(der.as_ref().to_vec()))
    }

    fn load_key(&self, pkcs8_der: &[u8]) -> Result<Arc<dyn PrivateKey>, KeyRejected> {
        // aws-lc-rs ignores bytes after the key, and accepts keys that are for OAEP only.
        let info = PrivateKeyInfoRef::from_der(pkcs8_der).map_err(|_| KeyRejected)?;
        if info.algorithm.oid != RSA_ENCRYPTION {
            return Err(KeyRejected);
        }
        let signing = KeyPair::from_pkcs8(pkcs8_der).map_err(|_| KeyRejected)?;
        let der = signing.public_key().as_der().map_err(|_| KeyRejected)?;
        let public = PublicKey::from_der(der.as_ref())?;
        let opening = PrivateDecryptingKey::from_pkcs8(pkcs8_der).map_err(|_| KeyRejected)?;
        let opening = OaepPrivateDecryptingKey::new(opening).map_err(|_| KeyRejected)?;
        Ok(Arc::new(Key { signing, opening, public }))
    }

    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), Rejected> {
        self.parsed.get(key)?.for_aws_lc().verify_sig(message, signature).map_err(|_| Rejected)
    }

    fn verify_all(
        &self,
        rng: &mut dyn CryptoRng,
        checks: &[SignatureCheck<'_>],
        verdicts: &mut Vec<Result<(), Rejected>>,
    ) {
        match &self.together {
            Some(together) if together.is_trusted() => {
                together.verify(&self.parsed, rng, checks, verdicts);
            }
            Some(_) | None => verify_each(self, checks, verdicts),
        }
    }

    fn disagreements(&self) -> u64 {
        self.together.as_ref().map_or(0, Together::disagreements)
    }

    fn oaep_seal(
        &self,
        _: &mut dyn CryptoRng,
        key: &PublicKey,
        label: &[u8],
        plaintext: &[u8],
    ) -> Result<[u8; 256], EmitError> {
        let key = PublicEncryptingKey::from_der(key.der()).map_err(|_| EmitError)?;
        let key = OaepPublicEncryptingKey::new(key).map_err(|_| EmitError)?;
        let mut ciphertext = [0; 256];
        key.encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, &mut ciphertext, Some(label))
            .map_err(|_| EmitError)?;
        Ok(ciphertext)
    }

    fn cbc_seal(
        &self,
        key: &SymmetricKey,
        iv: &[u8; 16],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, EmitError> {
        let key = UnboundCipherKey::new(&AES_256, key.expose()).map_err(|_| EmitError)?;
        let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).map_err(|_| EmitError)?;
        // Room for the padding: a buffer that moves would leave plaintext behind.
        let mut buffer = Vec::with_capacity(plaintext.len().saturating_add(16));
        buffer.extend_from_slice(plaintext);
        key.less_safe_encrypt(&mut buffer, EncryptionContext::Iv128(FixedLength::from(iv)))
            .map_err(|_| EmitError)?;
        Ok(buffer)
    }

    fn cbc_open(
        &self,
        key: &SymmetricKey,
        iv: &[u8; 16],
        ciphertext: &[u8],
    ) -> Result<Plaintext, Rejected> {
        let key = UnboundCipherKey::new(&AES_256, key.expose()).map_err(|_| Rejected)?;
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).map_err(|_| Rejected)?;
        Plaintext::opened(ciphertext, |buffer| {
            let opened = key.decrypt(buffer, DecryptionContext::Iv128(FixedLength::from(iv)));
            opened.ok().map(|plaintext| plaintext.len())
        })
    }
}

struct Key {
    signing: KeyPair,
    opening: OaepPrivateDecryptingKey,
    public: PublicKey,
}

impl PrivateKey for Key {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, _: &mut dyn CryptoRng, message: &[u8]) -> Result<[u8; 256], EmitError> {
        let mut signature = [0; 256];
        self.signing
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| EmitError)?;
        Ok(signature)
    }

    fn oaep_open(
        &self,
        _: &mut dyn CryptoRng,
        label: &[u8],
        ciphertext: &[u8],
    ) -> Result<Plaintext, Rejected> {
        Plaintext::opened(&[0; 256], |buffer| {
            let opened =
                self.opening.decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, buffer, Some(label));
            opened.ok().map(|plaintext| plaintext.len())
        })
    }
}

const PARSED_KEYS: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

/// Object identifier of `rsaEncryption` (RFC 3279).
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
