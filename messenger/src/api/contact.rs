//! Contacts: people whose keys are known.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PhoneNumber;

/// A person whose key is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// Phone number.
    pub phone: PhoneNumber,
    /// Name that the user gave to the contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// User id at the server.
    pub id: u64,
    /// SHA-256 of the contact's key, in hexadecimal digits.
    pub fingerprint: String,
    /// Safety number with the contact, 60 digits in groups of five: equal on both devices if nobody
    /// sits between them.
    pub safety_number: String,
    /// How far the key is trusted.
    pub trust: KeyTrust,
    /// Another key that the server has named since, and that was not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<OfferedKey>,
    /// Whether messages from there are dropped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
}

/// How far a contact's key is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum KeyTrust {
    /// It is the first key that was seen; nobody compared safety numbers.
    FirstUse,
    /// The users have compared safety numbers.
    Verified,
}

/// A key that the server names for a contact in place of the known one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfferedKey {
    /// SHA-256 of the key, in hexadecimal digits.
    pub fingerprint: String,
    /// Safety number with this key.
    pub safety_number: String,
}
