//! Secrets: they are zeroized when dropped, never printed, and compared in constant time.

use alloc::vec::Vec;
use core::fmt;

use aes_kw::cipher::consts::U32;
use aes_kw::{KeyInit, KwAes256};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::Rejected;

/// An AES-256 key: a session key, a reply key, or the key of one message. Zeroized when dropped,
/// compared in constant time, and without a readable `Debug`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SymmetricKey([u8; 32]);

impl SymmetricKey {
    /// Makes a key of these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Draws a new key.
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        let mut key = Self([0; 32]);
        rng.fill_bytes(&mut key.0);
        key
    }

    /// Bytes of the key, for the cipher.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Wraps this key under another (AES-256 key wrap, RFC 3394).
    pub fn wrap(&self, wrapping_key: &Self) -> WrappedKey {
        let wrap = KwAes256::new(wrapping_key.expose().into());
        WrappedKey(wrap.wrap_fixed_key::<U32>(self.expose().into()).into())
    }
}

impl PartialEq for SymmetricKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SymmetricKey {}

impl fmt::Debug for SymmetricKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SymmetricKey(…)")
    }
}

/// A session key under the wrapping key, which is not in the database (AES-256 key wrap, RFC 3394).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrappedKey(pub [u8; 40]);

impl WrappedKey {
    /// Unwraps the session key.
    ///
    /// # Errors
    /// [`Rejected`] if the key was wrapped under another key, or has been changed.
    pub fn unwrap(&self, wrapping_key: &SymmetricKey) -> Result<SymmetricKey, Rejected> {
        let wrap = KwAes256::new(wrapping_key.expose().into());
        let mut key = SymmetricKey([0; 32]);
        wrap.unwrap_key(&self.0, &mut key.0).map_err(|_| Rejected)?;
        Ok(key)
    }
}

/// Plaintext that will be sealed, or that was opened. Zeroized when dropped.
#[derive(Clone, Default, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Plaintext(Vec<u8>);

impl Plaintext {
    /// Makes a plaintext of these bytes.
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Bytes of the plaintext.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Opens a ciphertext in place: `open` gets a copy of it, leaves the plaintext at the front,
    /// and returns its length. Whatever else it leaves in the buffer is zeroized, even if it fails.
    pub(crate) fn opened(
        ciphertext: &[u8],
        open: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Result<Self, Rejected> {
        let mut buffer = Self(ciphertext.to_vec());
        let len = open(&mut buffer.0).ok_or(Rejected)?;
        buffer.0.truncate(len);
        Ok(buffer)
    }

    /// Appends bytes. If the buffer has to grow, the old one is zeroized before it is freed.
    pub fn extend(&mut self, bytes: &[u8]) {
        let needed = self.0.len().saturating_add(bytes.len());
        if needed > self.0.capacity() {
            let mut larger = Vec::with_capacity(needed.next_power_of_two().max(64));
            larger.extend_from_slice(&self.0);
            self.0.zeroize();
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plaintext({} bytes)", self.0.len())
    }
}
