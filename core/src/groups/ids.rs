//! What names a group and a state of it.

use core::fmt;

use crate::ids::Phone;
use crate::keys::{Fingerprint, PublicKey};

/// Id of a group: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub [u8; 16]);

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupId(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Hash of a state: SHA-256 over what its writer signs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateHash(pub [u8; 32]);

impl fmt::Debug for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateHash(")?;
        self.0.iter().take(6).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…)")
    }
}

/// The state that a message was written in: each message of a group names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Group that the message belongs to.
    pub group: GroupId,
    /// Number of the state.
    pub epoch: u64,
    /// Hash of the state.
    pub hash: StateHash,
}

/// The application's name for a text that was received or is to be sent. The machine never sees the
/// text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub u64);

/// What a member, or somebody who was invited, tells others or asks of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The sender leaves the group.
    Leave,
    /// The sender accepts the invitation.
    Accept,
    /// The sender declines the invitation.
    Decline,
    /// The sender wants the states that follow theirs.
    Newer,
}

/// The user of this client, as groups know them.
#[derive(Clone, Debug)]
pub struct Me {
    /// Fingerprint of the identity key.
    pub key: Fingerprint,
    /// The identity key. It travels with every state that the user writes.
    pub public_key: PublicKey,
    /// Phone number, by which others look the key up.
    pub phone: Phone,
}

impl Me {
    /// The user with this identity key and phone number.
    pub fn new(public_key: PublicKey, phone: Phone) -> Self {
        Self { key: *public_key.fingerprint(), public_key, phone }
    }
}
