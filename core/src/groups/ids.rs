//! The user, and what the application calls a text.

use crate::ids::Phone;
use crate::keys::{Fingerprint, PublicKey};

/// The application's name for a text that was received or is to be sent. The machine never sees the
/// text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub u64);

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
