//! The encoded message of RSASSA-PKCS1-v1_5 (RFC 8017, section 9.2).

use crate::montgomery::EXCESS_BITS;

/// The only 256 bytes to which a valid signature over a message with this SHA-256 digest opens.
pub(crate) fn encoded_message(digest: &[u8; 32]) -> [u8; LEN] {
    let mut encoded = [0xff; LEN];
    encoded[0] = 0;
    encoded[1] = 1;
    encoded[DIGEST_INFO_AT - 1] = 0;
    encoded[DIGEST_INFO_AT..DIGEST_AT].copy_from_slice(&DIGEST_INFO);
    encoded[DIGEST_AT..].copy_from_slice(digest);
    encoded
}

const LEN: usize = 256;
const DIGEST_AT: usize = LEN - 32;
const DIGEST_INFO_AT: usize = DIGEST_AT - DIGEST_INFO.len();

/// DER of `DigestInfo` for SHA-256, up to the digest (RFC 8017, section 9.2, note 1).
const DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

// As the second byte is 1, an encoded message is at least 2^2032: large enough for `has_power`, and
// below every modulus.
const _: () = assert!((LEN as u32 - 2) * 8 >= EXCESS_BITS);
