//! The encoded message of PKCS #1 v1.5 (RFC 8017, section 9.2).

/// The only 256 bytes that a valid signature over a message with this SHA-256 digest opens to.
pub(crate) fn encoded_message(digest: &[u8; 32]) -> [u8; 256] {
    let mut encoded = [0xff; 256];
    encoded[0] = 0;
    encoded[1] = 1;
    let (_, tail) = encoded.split_at_mut(256 - 32 - DIGEST_INFO.len() - 1);
    tail[0] = 0;
    tail[1..=DIGEST_INFO.len()].copy_from_slice(&DIGEST_INFO);
    tail[DIGEST_INFO.len() + 1..].copy_from_slice(digest);
    encoded
}

/// DER of `DigestInfo` for SHA-256, up to the digest (RFC 8017, section 9.2, note 1).
const DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];
