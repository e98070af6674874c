//! Null cryptography for fuzzing: **insecure on purpose**. Nothing is encrypted or signed. That
//! saves the time for cryptography, and lets a body read every packet that a machine sends.

use sealpost_core::crypto::{Draft, EmitError, Part};
use sealpost_core::keys::{Plaintext, PublicKey, SymmetricKey, WrappedKey};
use sealpost_core::wire::{OAEP_LEN, Packet, SIGNATURE_LEN};

/// The `n`-th public key. Its private half is unknown.
pub(super) fn public_key(n: u8) -> PublicKey {
    let mut der = [0x5a; PublicKey::DER_LEN];
    der[..HEAD.len()].copy_from_slice(&HEAD);
    der[PublicKey::DER_LEN - TAIL.len()..].copy_from_slice(&TAIL);
    der[HEAD.len()] = 0x80;
    der[HEAD.len() + 1] = n;
    // A key is accepted if its modulus has no small factor: about one odd number in seven.
    (0..=u16::MAX)
        .find_map(|try_this| {
            let at = PublicKey::DER_LEN - TAIL.len() - 2;
            der[at..at + 2].copy_from_slice(&(try_this | 1).to_be_bytes());
            PublicKey::from_der(&der).ok()
        })
        .expect("one of 65,536 candidates is acceptable")
}

/// A symmetric key, plain and wrapped for the store.
pub(super) fn symmetric_key(n: u8) -> (SymmetricKey, WrappedKey) {
    (SymmetricKey::from_bytes([n; 32]), WrappedKey([n; 40]))
}

/// Stand-in for `sealed(K, m)`, of the same length.
pub(super) fn seal(plaintext: &[u8]) -> Vec<u8> {
    let mut sealed = vec![0; IV_LEN];
    sealed.extend_from_slice(plaintext);
    let fill = BLOCK_LEN - plaintext.len() % BLOCK_LEN;
    sealed.resize(sealed.len() + fill, u8::try_from(fill).expect("16 at most"));
    sealed
}

/// Plaintext of a stand-in by [`seal`].
pub(super) fn open(sealed: &[u8]) -> Option<Plaintext> {
    let padded = sealed.get(IV_LEN..)?;
    let len = padded.len().checked_sub((*padded.last()?).into())?;
    Some(Plaintext::new(padded[..len].to_vec()))
}

/// Stand-in for `oaep(…, m)`; `None` if the plaintext is too long.
pub(super) fn wrap(plaintext: &[u8]) -> Option<[u8; OAEP_LEN]> {
    let mut wrapped = [0; OAEP_LEN];
    wrapped[0] = u8::try_from(plaintext.len()).ok()?;
    wrapped.get_mut(1..=plaintext.len())?.copy_from_slice(plaintext);
    Some(wrapped)
}

/// Plaintext of a stand-in by [`wrap`] at the front of a payload.
pub(super) fn unwrap(payload: &[u8]) -> Option<Plaintext> {
    let len = usize::from(*payload.first()?);
    Some(Plaintext::new(payload.get(1..=len)?.to_vec()))
}

/// Packet of a draft.
pub(super) fn emit(draft: &Draft) -> Result<Packet, EmitError> {
    let mut payload = Vec::new();
    for part in &draft.parts {
        match part {
            Part::Clear(bytes) => payload.extend_from_slice(bytes),
            Part::Sealed { plaintext, .. } => payload.extend(seal(plaintext.expose())),
            Part::Oaep { plaintext, .. } => {
                payload.extend(wrap(plaintext.expose()).ok_or(EmitError)?);
            }
            Part::Envelope { inner, .. } => {
                payload.extend(wrap(&[7; 32]).ok_or(EmitError)?);
                payload.extend(seal(inner.expose()));
            }
        }
    }
    let signature = if draft.signer.is_some() { SIGNATURE } else { [0; SIGNATURE_LEN] };
    Packet::build(draft.profile, draft.header, &payload, |_| Ok(signature))
}

/// The signature on every packet that is to be signed.
pub(super) const SIGNATURE: [u8; SIGNATURE_LEN] = [1; SIGNATURE_LEN];

const IV_LEN: usize = 16;
const BLOCK_LEN: usize = 16;

/// DER `SubjectPublicKeyInfo` up to the modulus of 2048 bits.
pub(super) const HEAD: [u8; 33] = [
    0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
    0x01, 0x05, 0x00, 0x03, 0x82, 0x01, 0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01,
    0x00,
];

/// DER `SubjectPublicKeyInfo` after the modulus: exponent 65537.
pub(super) const TAIL: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];
