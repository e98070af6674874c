//! Keys of contacts: which are trusted, and what is said of those that have changed.

use std::sync::Arc;
use std::time::Instant;

use sealpost_core::client::{Command, Notice};
use sealpost_core::ids::Phone;
use sealpost_core::keys::{Fingerprint, PublicKey};

use super::people::{LOCAL_TIMEOUT_SECS, not_a_contact};
use crate::api::{ApiError, Contact, ErrorKind, KeyTrust, PhoneNumber, TrustParams};
use crate::engine::core::Core;
use crate::engine::hub::deadline_in;

impl Core {
    /// Trusts a key whose safety number was compared.
    pub(in crate::engine) fn trust(
        self: &Arc<Self>,
        params: TrustParams,
    ) -> Result<impl FnOnce() -> Result<Contact, ApiError> + use<>, ApiError> {
        let TrustParams { recipient: PhoneNumber(phone), safety_number, verified } = params;
        let compared = digits(&safety_number)?;
        let contact = self.known(phone)?.ok_or_else(|| not_a_contact(phone))?;
        let is_compared =
            |key: &PublicKey| bare(&self.safety_numbers.of(&self.public_key, key)) == compared;
        let offered = contact.offered.map(|offered| offered.public_key);
        let to_accept = offered.filter(|key| is_compared(key)).map(|key| *key.fingerprint());
        let fingerprint = match to_accept {
            Some(offered) => offered,
            None if is_compared(&contact.pinned.public_key) => {
                *contact.pinned.public_key.fingerprint()
            }
            None => return Err(other_number(phone)),
        };
        let core = Arc::clone(self);
        Ok(move || {
            let deadline = deadline_in(LOCAL_TIMEOUT_SECS);
            if to_accept.is_some() {
                core.accept(phone, fingerprint, deadline)?;
            }
            if verified {
                core.mark_verified(phone, fingerprint, deadline)?;
            }
            core.contact(phone)?.ok_or_else(|| not_a_contact(phone))
        })
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "few of the notices matter here")]
    fn accept(
        &self,
        phone: Phone,
        fingerprint: Fingerprint,
        deadline: Instant,
    ) -> Result<(), ApiError> {
        let watch = self.hub.watch();
        self.handle.command(Command::AcceptKey { phone, fingerprint });
        let accepted = watch.until(deadline, |notice| match notice {
            Notice::KeyAccepted { phone: accepted, .. } if *accepted == phone => Some(Ok(())),
            Notice::KeyMismatch { phone: refused } if *refused == phone => {
                Some(Err(other_number(phone)))
            }
            _ => None,
        });
        accepted.map_err(|vain| self.unanswered(vain)).flatten()
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "few of the notices matter here")]
    fn mark_verified(
        &self,
        phone: Phone,
        fingerprint: Fingerprint,
        deadline: Instant,
    ) -> Result<(), ApiError> {
        let watch = self.hub.watch();
        self.handle.command(Command::MarkVerified { phone, fingerprint });
        let marked = watch.until(deadline, |notice| match notice {
            Notice::Verified { phone: marked } if *marked == phone => Some(Ok(())),
            Notice::KeyMismatch { phone: refused } if *refused == phone => {
                Some(Err(other_number(phone)))
            }
            _ => None,
        });
        marked.map_err(|vain| self.unanswered(vain)).flatten()
    }

    /// The error for a message to a contact whose key has changed.
    pub(in crate::engine) fn key_changed(&self, phone: Phone) -> Result<ApiError, ApiError> {
        let Some(Contact { safety_number, trust, offered: Some(offered), .. }) =
            self.contact(phone)?
        else {
            // It was accepted or withdrawn since.
            return Ok(ErrorKind::KeyChanged
                .error(format_args!("the key of {phone} had changed: send the message again")));
        };
        let known = match trust {
            KeyTrust::FirstUse => "the known key",
            KeyTrust::Verified => "the key that you have verified",
        };
        Ok(ErrorKind::KeyChanged.error(format_args!(
            "the key of {phone} has changed, and nothing is sent until you decide: {known} has the \
             safety number {safety_number}, the offered one {}; compare that one with {phone}, then \
             run sealpost verify {phone} --accept, and sealpost outbox retry",
            offered.safety_number
        )))
    }
}

fn other_number(phone: Phone) -> ApiError {
    ErrorKind::SafetyNumberMismatch.error(format_args!(
        "the key of {phone} has another safety number than the one given; nothing was changed"
    ))
}

/// The digits of a safety number that a person has compared.
fn digits(text: &str) -> Result<String, ApiError> {
    let digits = bare(text);
    let valid = digits.len() == 60 && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then_some(digits).ok_or_else(|| {
        ErrorKind::InvalidParams.error("not a safety number: it must have 60 digits")
    })
}

fn bare(number: &str) -> String {
    number.split_ascii_whitespace().collect()
}
