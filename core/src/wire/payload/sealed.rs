//! Sizes of sealed parts (PROTOCOL 2).

/// Bytes of an OAEP part.
pub const OAEP_LEN: usize = 256;

/// Whether these bytes can be a sealed part: an IV and at least one whole block.
pub(in crate::wire) const fn is_sealed(part: &[u8]) -> bool {
    part.len() >= 2 * BLOCK_LEN && part.len().is_multiple_of(BLOCK_LEN)
}

/// The most plaintext that fits in a payload of one sealed part, which also holds an IV and at least
/// one byte of padding.
pub(super) const MAX_SEALED_PLAINTEXT: usize =
    u16::MAX as usize / BLOCK_LEN * BLOCK_LEN - BLOCK_LEN - 1;

const BLOCK_LEN: usize = 16;
