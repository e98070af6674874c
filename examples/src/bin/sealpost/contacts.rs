//! `sealpost contacts`.

use sealpost_core::client::store::{Contact, Verification};
use sealpost_programs::{Failure, Format, Line};
use sealpost_storage::client::ClientStorage;
use serde::Serialize;

use crate::home::Home;

/// Prints the contacts: people whose keys are known.
pub(crate) fn contacts(home: &Home, format: Format) -> Result<(), Failure> {
    for contact in home.look()?.load()?.contacts {
        match format {
            Format::Json => Line::json(&ContactJson::from(&contact))?,
            Format::Text => Line::text(line(&contact))?,
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct ContactJson {
    phone: String,
    id: u64,
    fingerprint: String,
    verified: bool,
    offered_fingerprint: Option<String>,
}

impl From<&Contact> for ContactJson {
    fn from(contact: &Contact) -> Self {
        Self {
            phone: contact.phone.to_string(),
            id: contact.pinned.user.value(),
            fingerprint: contact.pinned.public_key.fingerprint().to_string(),
            verified: contact.verification == Verification::Verified,
            offered_fingerprint: contact
                .offered
                .as_ref()
                .map(|offered| offered.public_key.fingerprint().to_string()),
        }
    }
}

fn line(contact: &Contact) -> String {
    let trust = match (&contact.offered, contact.verification) {
        (Some(_), _) => "key changed",
        (None, Verification::Verified) => "verified",
        (None, Verification::FirstUse) => "not verified",
    };
    let fingerprint = contact.pinned.public_key.fingerprint();
    format!("{:<16}  {trust:<12}  sha256:{fingerprint}", contact.phone.to_string())
}
