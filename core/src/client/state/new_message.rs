//! A message of the application that has no number yet.

use crate::client::store::{Content, DraftId, Token};
use crate::ids::UserRef;
use crate::keys::Fingerprint;

/// A message to be numbered.
#[derive(Debug)]
pub(in crate::client) struct NewMessage {
    /// The application's name for it.
    pub(in crate::client) token: Token,
    /// Recipient, as the application named them.
    pub(in crate::client) to: UserRef,
    /// The key that the recipient must have, if the application named one.
    pub(in crate::client) key: Option<Fingerprint>,
    /// The draft that it is, if the store holds it. Otherwise nobody has it but the application,
    /// which gets it back if it can't be sealed or stored.
    pub(in crate::client) draft: Option<DraftId>,
    pub(in crate::client) content: Content,
}

impl NewMessage {
    /// Count of the content's bytes.
    pub(in crate::client) fn bytes(&self) -> usize {
        self.content.as_bytes().len()
    }
}
