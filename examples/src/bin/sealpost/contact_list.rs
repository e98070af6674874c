//! The list of contacts.

use sealpost_core::client::store::{Contact, Verification};
use sealpost_programs::{Failure, Format, Line};
use sealpost_storage::client::conversations::{Conversation, Peer, Visibility};
use serde::Serialize;

use crate::group::SHORT;
use crate::home::Home;

/// Prints the contacts: people whose keys are known, then those who are only named or blocked, and
/// groups that are blocked.
pub(crate) fn list(home: &Home, format: Format) -> Result<(), Failure> {
    let store = home.look()?;
    let mut conversations = store.conversations(u32::MAX)?;
    for contact in store.contacts()? {
        let with = Peer::Person(contact.phone);
        let at = conversations.iter().position(|conversation| conversation.peer == with);
        let conversation = at.map(|at| conversations.swap_remove(at));
        let known = Known { contact, conversation };
        match format {
            Format::Json => Line::json(&known.json())?,
            Format::Text => Line::text(known.line())?,
        }
    }
    let mut others: Vec<_> = conversations.iter().filter_map(Other::of).collect();
    others.sort_by_key(Other::who);
    others.iter().try_for_each(|other| match format {
        Format::Json => Line::json(&other.json()),
        Format::Text => Line::text(other.line()),
    })
}

/// A contact, and the conversation with it.
struct Known {
    contact: Contact,
    conversation: Option<Conversation>,
}

/// Somebody whose key is not known, or a group.
struct Other<'a>(&'a Conversation);

#[derive(Serialize)]
struct OtherJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    blocked: bool,
}

impl<'a> Other<'a> {
    /// A conversation that is to be listed among the contacts.
    fn of(conversation: &'a Conversation) -> Option<Self> {
        let is_blocked = conversation.visibility == Visibility::Blocked;
        let is_named = matches!(conversation.peer, Peer::Person(_)) && conversation.name.is_some();
        (is_blocked || is_named).then_some(Self(conversation))
    }

    /// Phone number, or id of the group.
    fn who(&self) -> (Option<String>, Option<String>) {
        match self.0.peer {
            Peer::Person(phone) => (Some(phone.to_string()), None),
            Peer::Group(group) => (None, Some(hex::encode(group.0))),
        }
    }

    fn json(&self) -> OtherJson<'_> {
        let (phone, group) = self.who();
        let blocked = self.0.visibility == Visibility::Blocked;
        OtherJson { phone, group, name: self.0.name.as_deref(), blocked }
    }

    fn line(&self) -> String {
        let OtherJson { phone, group, name, blocked } = self.json();
        let (who, what) = match (phone, group) {
            (Some(phone), _) => (phone, "key unknown"),
            (None, group) => (group.unwrap_or_default().chars().take(SHORT).collect(), "group"),
        };
        let blocked = if blocked { "  blocked" } else { "" };
        let name = name.map(|name| format!("  {name}")).unwrap_or_default();
        format!("{who:<16}  {what:<12}{blocked}{name}")
    }
}

#[derive(Serialize)]
struct ContactJson<'a> {
    phone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    id: u64,
    fingerprint: String,
    verified: bool,
    blocked: bool,
    offered_fingerprint: Option<String>,
}

impl Known {
    fn name(&self) -> Option<&str> {
        self.conversation.as_ref()?.name.as_deref()
    }

    fn is_blocked(&self) -> bool {
        let conversation = self.conversation.as_ref();
        conversation.is_some_and(|found| found.visibility == Visibility::Blocked)
    }

    fn json(&self) -> ContactJson<'_> {
        let Contact { phone, pinned, verification, offered, .. } = &self.contact;
        ContactJson {
            phone: phone.to_string(),
            name: self.name(),
            id: pinned.user.value(),
            fingerprint: pinned.public_key.fingerprint().to_string(),
            verified: *verification == Verification::Verified,
            blocked: self.is_blocked(),
            offered_fingerprint: offered
                .as_ref()
                .map(|offered| offered.public_key.fingerprint().to_string()),
        }
    }

    fn line(&self) -> String {
        let Contact { phone, pinned, verification, offered, .. } = &self.contact;
        let trust = match (offered, verification) {
            (Some(_), _) => "key changed",
            (None, Verification::Verified) => "verified",
            (None, Verification::FirstUse) => "not verified",
        };
        let fingerprint = pinned.public_key.fingerprint();
        let blocked = if self.is_blocked() { "  blocked" } else { "" };
        let name = self.name().map(|name| format!("  {name}")).unwrap_or_default();
        let phone = phone.to_string();
        format!("{phone:<16}  {trust:<12}  sha256:{fingerprint}{blocked}{name}")
    }
}
