//! Contacts, and the trust in their keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Empty, method};
use crate::api::{Contact, Peer, PhoneNumber};

method! {
    /// Lists the contacts: people whose keys are known.
    ListContacts, "listContacts", Empty => ContactsResult
}

method! {
    /// Gives a contact a name.
    UpdateContact, "updateContact", UpdateContactParams => Empty
}

method! {
    /// Forgets a contact: the key, whether it was verified, the name, the draft and the settings of the
    /// conversation. Messages that wait for the contact are cancelled, those on their way still go. The
    /// history stays unless `withHistory` is set, and who is blocked stays blocked. The next message to
    /// or from the phone number makes it a contact again, whose key is trusted on first use.
    RemoveContact, "removeContact", RemoveContactParams => Empty
}

method! {
    /// Drops what comes from a person, quietly, and gives up files on their way. The server forgets a
    /// message only for a receipt, so the person is told that messages are delivered, as before, and never
    /// that they are read. A group is left, and further invitations to it are ignored.
    Block, "block", PeerParams => Empty
}

method! {
    /// Takes messages of a person again, or invitations to a group.
    Unblock, "unblock", PeerParams => Empty
}

method! {
    /// Asks the server who has a phone number, and returns the contact.
    LookUp, "lookUp", LookUpParams => Contact
}

method! {
    /// Trusts a contact's key whose safety number the users have compared: accepts it if it is the one
    /// that the server offers in place of the known one, and marks it as verified.
    TrustKey, "trust", TrustParams => Contact
}

/// The contacts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContactsResult {
    /// The contacts, by phone number.
    pub contacts: Vec<Contact>,
}

/// A person or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PeerParams {
    /// The person or the group.
    pub recipient: Peer,
}

/// A name for a contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateContactParams {
    /// Phone number.
    pub recipient: PhoneNumber,
    /// The name, at most 100 bytes; empty for none.
    pub name: String,
}

/// A contact to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoveContactParams {
    /// Phone number.
    pub recipient: PhoneNumber,
    /// Whether to delete what was sent and received, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_history: bool,
}

/// Whom to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LookUpParams {
    /// Phone number.
    pub recipient: PhoneNumber,
    /// How long to wait for the server, in seconds.
    #[serde(default = "super::default_timeout")]
    pub timeout_seconds: u32,
}

/// A key to trust.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustParams {
    /// Phone number.
    pub recipient: PhoneNumber,
    /// Safety number that the users have compared, 60 digits; spaces are ignored.
    pub safety_number: String,
    /// Whether to mark the key as verified; if not, an offered key is only accepted.
    #[serde(default = "yes")]
    pub verified: bool,
}

const fn yes() -> bool {
    true
}
