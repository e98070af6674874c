//! `sealed(K, m)` of PROTOCOL 2: AES-256-CBC under a random IV. It hides its content and does not
//! authenticate it. The signature of the packet does that, and is verified first.

use alloc::vec::Vec;

use rand_core::CryptoRng;

use super::{EmitError, Provider};
use crate::keys::{Plaintext, Rejected, SymmetricKey};

/// Appends `sealed(key, plaintext)` (PROTOCOL 2).
pub(super) fn append_sealed(
    payload: &mut Vec<u8>,
    provider: &dyn Provider,
    rng: &mut dyn CryptoRng,
    key: &SymmetricKey,
    plaintext: &Plaintext,
) -> Result<(), EmitError> {
    let mut iv = [0; IV_LEN];
    rng.fill_bytes(&mut iv);
    let ciphertext = provider.cbc_seal(key, &iv, plaintext.expose())?;
    payload.extend_from_slice(&iv);
    payload.extend_from_slice(&ciphertext);
    Ok(())
}

/// Opens `sealed(key, …)`, whose signature the caller has verified.
pub(super) fn open_sealed(
    provider: &dyn Provider,
    key: &SymmetricKey,
    sealed: &[u8],
) -> Result<Plaintext, Rejected> {
    let (iv, ciphertext) = sealed.split_first_chunk::<IV_LEN>().ok_or(Rejected)?;
    provider.cbc_open(key, iv, ciphertext)
}

/// Length in bytes of an IV.
const IV_LEN: usize = 16;
