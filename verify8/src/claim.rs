//! Claims and verdicts.

use crate::key::Key;

/// The claim that a signature was made with a key over the message with a digest.
///
/// All three are public. Verifying takes a time that may depend on them, so a claim must hold
/// nothing secret.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Public key of the signer.
    pub key: &'a Key,
    /// SHA-256 of the message.
    pub digest: &'a [u8; 32],
    /// The signature, big-endian as on the wire.
    pub signature: &'a [u8; 256],
}

/// The verdicts on the claims of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdicts(pub(crate) u8);

impl Verdicts {
    /// Whether the claim with this index is valid. False for an index beyond the claims.
    #[must_use]
    pub const fn is_valid(self, nth: usize) -> bool {
        nth < u8::BITS as usize && self.0 >> nth & 1 == 1
    }
}
