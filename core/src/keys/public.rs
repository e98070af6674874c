//! Public keys and their fingerprints. A key is RSA-2048 with exponent 65537, as a DER
//! `SubjectPublicKeyInfo` of 294 bytes; there are no others.

use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

use sha2::{Digest, Sha256};

use super::fitness;

/// Fingerprint of a public key: SHA-256 over its DER.
///
/// It is written and read as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// The text is not a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a fingerprint: write 64 lower-case hexadecimal digits")]
pub struct InvalidFingerprint;

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(InvalidFingerprint);
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidFingerprint)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// The key is not RSA-2048 with exponent 65537, or is unfit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("key is not RSA-2048 with exponent 65537, or its modulus is weak")]
pub struct KeyRejected;

/// A public key that was accepted. A clone is one pointer: its content is shared.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(Arc<Shared>);

#[derive(PartialEq, Eq)]
struct Shared {
    fingerprint: Fingerprint,
    der: [u8; PublicKey::DER_LEN],
}

impl PublicKey {
    /// Length in bytes of every key's DER `SubjectPublicKeyInfo`.
    pub const DER_LEN: usize = 294;

    /// Accepts a key from its canonical DER (RFC 5280, RFC 3279): `rsaEncryption` with `NULL`
    /// parameters, a modulus of exactly 2048 bits, exponent 65537.
    ///
    /// # Errors
    /// [`KeyRejected`] for any other encoding, and for a modulus that is even, divisible by a prime
    /// below 2^11, or made by the library of CVE-2017-15361 (ROCA).
    pub fn from_der(der: &[u8]) -> Result<Self, KeyRejected> {
        if !fitness::is_fit(modulus(der)?) {
            return Err(KeyRejected);
        }
        Self::from_accepted_der(der)
    }

    /// Reads a key that [`from_der`](Self::from_der) accepted before and that has been kept where
    /// nobody else writes, such as the store. Its form is checked again. The search for small
    /// factors, which costs as much as two verifications, is not repeated.
    ///
    /// # Errors
    /// [`KeyRejected`] for any other encoding.
    pub fn from_accepted_der(der: &[u8]) -> Result<Self, KeyRejected> {
        modulus(der)?;
        let der: [u8; Self::DER_LEN] = der.try_into().map_err(|_| KeyRejected)?;
        let fingerprint = Fingerprint(Sha256::digest(der).into());
        Ok(Self(Arc::new(Shared { fingerprint, der })))
    }

    /// DER `SubjectPublicKeyInfo` of the key.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// Modulus of the key, big-endian.
    #[cfg(feature = "aws-lc")]
    pub(crate) fn modulus(&self) -> Result<&[u8; 256], KeyRejected> {
        modulus(self.der())
    }

    /// Fingerprint: SHA-256 over the DER.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.0.fingerprint
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

/// Returns the modulus of a key, if the key has the one accepted form.
fn modulus(der: &[u8]) -> Result<&[u8; 256], KeyRejected> {
    let modulus = der.strip_prefix(&DER_HEAD).and_then(|rest| rest.strip_suffix(&DER_TAIL));
    let modulus: &[u8; 256] = modulus.and_then(|m| m.try_into().ok()).ok_or(KeyRejected)?;
    let full_length = modulus.first().is_some_and(|high| high >> 7 == 1);
    full_length.then_some(modulus).ok_or(KeyRejected)
}

/// Bytes before the modulus. There is only one canonical encoding, so every byte is known.
const DER_HEAD: [u8; 33] = [
    0x30, 0x82, 0x01, 0x22, // SEQUENCE, SubjectPublicKeyInfo
    0x30, 0x0d, // SEQUENCE, AlgorithmIdentifier
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, // rsaEncryption
    0x05, 0x00, // NULL
    0x03, 0x82, 0x01, 0x0f, 0x00, // BIT STRING without unused bits
    0x30, 0x82, 0x01, 0x0a, // SEQUENCE, RSAPublicKey
    0x02, 0x82, 0x01, 0x01, 0x00, // INTEGER, the modulus, with the zero before its high bit
];

/// Bytes after the modulus: INTEGER 65537.
const DER_TAIL: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];
