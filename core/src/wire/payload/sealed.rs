//! Sizes of sealed parts (PROTOCOL 2).

/// Length in bytes of an OAEP part: one RSA-2048 block.
pub const OAEP_LEN: usize = 256;

/// Whether a part has the length of a sealed one: an IV and at least one whole block.
pub(in crate::wire) const fn is_sealed(part: &[u8]) -> bool {
    part.len() >= 2 * BLOCK_LEN && part.len().is_multiple_of(BLOCK_LEN)
}

/// Longest plaintext, in bytes, of a payload that is one sealed part. The part also has an IV and
/// at least one byte of padding.
pub(super) const MAX_SEALED_PLAINTEXT: usize =
    u16::MAX as usize / BLOCK_LEN * BLOCK_LEN - BLOCK_LEN - 1;

const BLOCK_LEN: usize = 16;
