//! Codes of invitations.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The code of an invitation link: 1 to 64 bytes of ASCII. Whoever knows it may register, so it is
/// zeroized when dropped and has no readable `Debug`.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Invitation(String);

/// SHA-256 of an invitation's code. A server keeps and compares hashes only: nobody learns a code of
/// 128 random bits from its hash, or from how long a hash takes to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InvitationHash(pub [u8; 32]);

/// The text is not the code of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an invitation code: it has 1 to 64 ASCII characters")]
pub struct InvalidInvitation;

impl Invitation {
    /// Length of the longest code in bytes.
    pub const MAX_LEN: usize = 64;

    /// The code as it stands in the link.
    pub fn code(&self) -> &str {
        &self.0
    }

    /// Hash of the code.
    pub fn hash(&self) -> InvitationHash {
        InvitationHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl FromStr for Invitation {
    type Err = InvalidInvitation;

    fn from_str(code: &str) -> Result<Self, InvalidInvitation> {
        let fits = (1..=Self::MAX_LEN).contains(&code.len()) && code.is_ascii();
        if fits { Ok(Self(code.to_owned())) } else { Err(InvalidInvitation) }
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invitation(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_code_is_1_to_64_bytes_of_ascii() {
        for code in ["S", "SPRING-2026-EXAMPLE-CODE", &"x".repeat(64)] {
            assert_eq!(code.parse::<Invitation>().unwrap().code(), code);
        }
        for text in ["", "früh", &"x".repeat(65)] {
            assert_eq!(text.parse::<Invitation>(), Err(InvalidInvitation), "{text}");
        }
    }

    #[test]
    fn debug_does_not_show_the_code() {
        assert_eq!(format!("{:?}", "SPRING".parse::<Invitation>()), "Ok(Invitation(…))");
    }
}
