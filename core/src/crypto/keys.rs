//! Public keys: exactly RSA-2048 with exponent 65537, as DER SubjectPublicKeyInfo of 294 bytes.

use core::fmt;

/// SHA-256 over a key's DER.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

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

/// Not an RSA-2048 key with exponent 65537, or an unfit one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a fit RSA-2048 key with exponent 65537")]
pub struct KeyRejected;

/// A public key that was checked. Cheap to clone: the DER is shared.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    der: bytes::Bytes,
    fingerprint: Fingerprint,
}

impl PublicKey {
    /// Bytes of the DER SubjectPublicKeyInfo, always.
    pub const DER_LEN: usize = 294;

    /// Accepts a key from its DER.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyRejected> {
        todo!("{der:?}")
    }

    /// The DER SubjectPublicKeyInfo.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 over the DER.
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint)
    }
}
