//! Secrets: they are zeroized when dropped, never printed, and compared in constant time.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use aes_kw::cipher::consts::U32;
use aes_kw::{KeyInit, KwAes256};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing, optimization_barrier};

use super::Rejected;

/// Secret bytes in one place on the heap. A value that is moved leaves its old bytes behind on the
/// stack and in queues, where nothing zeroizes them. Here only a pointer moves, and clones share the
/// bytes; the last one zeroizes them.
#[derive(Clone)]
pub(crate) struct Secret<const N: usize>(Arc<Zeroizing<[u8; N]>>);

impl<const N: usize> Secret<N> {
    /// Makes a secret of zeros, and lets `write` write it in its place.
    pub(crate) fn written(write: impl FnOnce(&mut [u8; N])) -> Self {
        let mut bytes = Arc::new(Zeroizing::new([0; N]));
        write(&mut *Arc::make_mut(&mut bytes));
        Self(bytes)
    }

    pub(crate) fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> PartialEq for Secret<N> {
    fn eq(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }
}

impl<const N: usize> Eq for Secret<N> {}

/// An AES-256 key: a session key, a reply key, or the key of one message. Zeroized when dropped,
/// compared in constant time, and without a readable `Debug`. Clones share one copy of the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct SymmetricKey(Secret<32>);

impl SymmetricKey {
    /// Makes a key of these bytes.
    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let key = Self::copied(&bytes);
        bytes.zeroize();
        key
    }

    /// Makes a key of bytes whose owner zeroizes them.
    pub fn copied(bytes: &[u8; 32]) -> Self {
        Self(Secret::written(|key| key.copy_from_slice(bytes)))
    }

    /// Draws a new key.
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        Self(Secret::written(|key| rng.fill_bytes(key)))
    }

    /// Bytes of the key, for the cipher.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// Wraps this key under another (AES-256 key wrap, RFC 3394).
    pub fn wrap(&self, wrapping_key: &Self) -> WrappedKey {
        let wrap = KwAes256::new(wrapping_key.expose().into());
        WrappedKey(wrap.wrap_fixed_key::<U32>(self.expose().into()).into())
    }
}

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
        let mut unwrapped = Err(Rejected);
        let key = Secret::written(|key| {
            unwrapped = wrap.unwrap_key(&self.0, key).map(|_| ()).map_err(|_| Rejected);
        });
        unwrapped.map(|()| SymmetricKey(key))
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

    /// Makes an empty plaintext with room for this many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
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

/// Overwrites the part of the stack below the caller's frame. Ciphers keep round keys there, and what
/// they return by value leaves a copy behind. Called after each use of a long-lived key.
#[inline(never)]
pub fn scrub_stack() {
    // One fast fill. Volatile writes, byte by byte, took a third as long as a verification.
    let mut scrubbed = [0_u8; SCRUBBED];
    // Mutable, because the compiler may keep a constant elsewhere than on the stack.
    optimization_barrier(&&mut scrubbed);
}

/// More than any job was seen to use.
const SCRUBBED: usize = 16 << 10;

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plaintext({} bytes)", self.0.len())
    }
}
