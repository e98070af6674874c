//! Contacts, and the trust in their keys.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use sealpost_core::client::store::{self, Verification};
use sealpost_core::client::{Command, LookupFailure, Notice, OfflineReason};
use sealpost_core::ids::{Phone, UserRef};
use sealpost_core::keys::{Fingerprint, PublicKey};
use sealpost_storage::client::SqliteClientStorage;
use sealpost_storage::client::conversations::{Conversation, Peer, Visibility};

use crate::api::{
    ApiError, Changed, Contact, ContactsResult, Empty, ErrorKind, KeyTrust, LookUpParams,
    OfferedKey, PersonParams, PhoneNumber, RemoveContactParams, TrustParams, UpdateContactParams,
};
use crate::engine::core::{Core, stopping};
use crate::engine::hub::{Vain, deadline_in};

impl Core {
    pub(in crate::engine) fn list_contacts(&self) -> Result<ContactsResult, ApiError> {
        let conversations = self.read(SqliteClientStorage::conversations_with_people)?;
        let by_phone: BTreeMap<Phone, &Conversation> = conversations
            .iter()
            .filter_map(|found| match found.peer {
                Peer::Person(phone) => Some((phone, found)),
                Peer::Group(_) => None,
            })
            .collect();
        let contacts = self.contacts()?;
        let shown = contacts
            .iter()
            .map(|contact| self.shown(contact, by_phone.get(&contact.phone).copied()))
            .collect();
        Ok(ContactsResult { contacts: shown })
    }

    /// A contact, if the person is one.
    pub(in crate::engine) fn contact(&self, phone: Phone) -> Result<Option<Contact>, ApiError> {
        let Some(contact) = self.known(phone)? else { return Ok(None) };
        let conversation = self.read(|store| store.conversation(&Peer::Person(phone)))?;
        Ok(Some(self.shown(&contact, conversation.as_ref())))
    }

    pub(in crate::engine) fn update_contact(
        &self,
        params: UpdateContactParams,
    ) -> Result<Empty, ApiError> {
        let UpdateContactParams { recipient: PhoneNumber(phone), name } = params;
        if name.len() > NAME_MAX {
            return Err(
                ErrorKind::TooLong.error(format_args!("a name has at most {NAME_MAX} bytes"))
            );
        }
        let name = Some(name).filter(|name| !name.is_empty());
        self.write(move |store| {
            let id = store.open_conversation(&Peer::Person(phone))?;
            store.set_name(id, name.as_deref())
        })?;
        self.person_changed(phone);
        Ok(Empty {})
    }

    /// Forgets a contact, and what was said if requested.
    #[expect(clippy::wildcard_enum_match_arm, reason = "few of the notices matter here")]
    pub(in crate::engine) fn remove_contact(
        self: &Arc<Self>,
        params: RemoveContactParams,
    ) -> Result<impl FnOnce() -> Result<Empty, ApiError> + use<>, ApiError> {
        let RemoveContactParams { recipient: PhoneNumber(phone), with_history } = params;
        let peer = Peer::Person(phone);
        let conversation = self.read(move |store| store.conversation(&peer))?;
        if conversation.is_none() && self.known(phone)?.is_none() {
            return Err(not_a_contact(phone));
        }
        let watch = self.hub.watch();
        self.handle.command(Command::Forget { phone });
        let core = Arc::clone(self);
        Ok(move || {
            let forgotten = watch.until(deadline_in(LOCAL_TIMEOUT_SECS), |notice| match notice {
                Notice::Forgotten { phone: forgotten } if *forgotten == phone => Some(Ok(())),
                Notice::StoreFailed { error } => Some(Err(ErrorKind::Storage.error(error))),
                _ => None,
            });
            forgotten.map_err(|vain| core.unanswered(vain)).flatten()?;
            core.settle();
            core.write(move |store| {
                if with_history {
                    return store.delete_conversation(&peer);
                }
                store.reset_conversation(&peer)
            })?;
            core.hub.show(&Changed::Conversation { with: phone.into() });
            Ok(Empty {})
        })
    }

    /// Drops messages of a person, or takes them again.
    pub(in crate::engine) fn block(
        &self,
        params: PersonParams,
        blocked: bool,
    ) -> Result<Empty, ApiError> {
        let PersonParams { recipient: PhoneNumber(phone) } = params;
        let visibility = if blocked { Visibility::Blocked } else { Visibility::Shown };
        self.write(move |store| {
            let id = store.open_conversation(&Peer::Person(phone))?;
            store.set_visibility(id, visibility)
        })?;
        self.person_changed(phone);
        Ok(Empty {})
    }

    fn person_changed(&self, phone: Phone) {
        self.hub.show(&Changed::Conversation { with: phone.into() });
        self.contact_changed(phone);
    }

    /// Asks the server who has a phone number.
    pub(in crate::engine) fn look_up(
        self: &Arc<Self>,
        params: LookUpParams,
    ) -> Result<impl FnOnce() -> Result<Contact, ApiError> + use<>, ApiError> {
        let LookUpParams { recipient: PhoneNumber(phone), timeout_seconds } = params;
        let deadline = deadline_in(timeout_seconds);
        let is_known = self.known(phone)?.is_some();
        let watch = self.hub.watch();
        self.handle.command(Command::Lookup { phone });
        let core = Arc::clone(self);
        Ok(move || {
            let looked_up = watch.until(deadline, |notice| {
                // What is known of a contact is not worth waiting for a server.
                if let Notice::Offline { reason, retry_in } = notice
                    && (retry_in.is_none() || is_known && *reason == OfflineReason::Unreachable)
                {
                    return Some(Err(core.unanswered(Vain::TimedOut)));
                }
                looked_up(phone, notice)
            });
            looked_up.map_err(|vain| core.unanswered(vain)).flatten()?;
            core.settle();
            core.contact(phone)?.ok_or_else(|| not_a_contact(phone))
        })
    }

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

    /// The error for an answer that did not come.
    pub(in crate::engine) fn unanswered(&self, vain: Vain) -> ApiError {
        match vain {
            Vain::Stopped => stopping(),
            Vain::TimedOut => {
                let why = self.hub.trouble();
                ErrorKind::Unavailable.error(format_args!(
                    "the server at {} did not answer in time{why}",
                    self.identity.host_port
                ))
            }
        }
    }

    pub(in crate::engine) fn known(
        &self,
        phone: Phone,
    ) -> Result<Option<store::Contact>, ApiError> {
        Ok(self.contacts()?.into_iter().find(|contact| contact.phone == phone))
    }

    /// A contact. Somebody who is none yet is looked up.
    pub(in crate::engine) fn known_or_looked_up(
        self: &Arc<Self>,
        phone: Phone,
        deadline: Instant,
    ) -> Result<store::Contact, ApiError> {
        if let Some(contact) = self.known(phone)? {
            return Ok(contact);
        }
        let left = deadline.saturating_duration_since(Instant::now()).as_secs();
        let timeout_seconds = u32::try_from(left).unwrap_or(u32::MAX);
        self.look_up(LookUpParams { recipient: PhoneNumber(phone), timeout_seconds })?()?;
        self.known(phone)?.ok_or_else(|| not_a_contact(phone))
    }

    fn shown(&self, contact: &store::Contact, conversation: Option<&Conversation>) -> Contact {
        let number = |key: &PublicKey| self.safety_numbers.of(&self.public_key, key);
        let store::Contact { phone, pinned, verification, offered, .. } = contact;
        Contact {
            phone: PhoneNumber(*phone),
            name: conversation.and_then(|found| found.name.clone()),
            id: pinned.user.value(),
            fingerprint: pinned.public_key.fingerprint().to_string(),
            safety_number: number(&pinned.public_key),
            trust: match verification {
                Verification::FirstUse => KeyTrust::FirstUse,
                Verification::Verified => KeyTrust::Verified,
            },
            offered: offered.as_ref().map(|offered| OfferedKey {
                fingerprint: offered.public_key.fingerprint().to_string(),
                safety_number: number(&offered.public_key),
            }),
            blocked: conversation.is_some_and(|found| found.visibility == Visibility::Blocked),
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "few of the notices matter here")]
fn looked_up(phone: Phone, notice: &Notice) -> Option<Result<(), ApiError>> {
    match notice {
        Notice::Found { phone: found, .. } if *found == phone => Some(Ok(())),
        Notice::KeyChanged { phone: changed, .. } if *changed == phone => Some(Ok(())),
        Notice::LookupFailed { who, failure } if *who == UserRef::Phone(phone) => {
            Some(Err(match failure {
                LookupFailure::UnknownUser => unknown_recipient(phone),
                LookupFailure::Busy => ErrorKind::Busy.error(failure).with_retry_after(1),
                LookupFailure::Contradiction | LookupFailure::Refused(_) => {
                    ErrorKind::Unavailable.error(failure)
                }
            }))
        }
        _ => None,
    }
}

/// Nobody has this phone number.
pub(in crate::engine) fn unknown_recipient(phone: Phone) -> ApiError {
    ErrorKind::UnknownRecipient.error(format_args!("nobody is registered as {phone}"))
}

fn not_a_contact(phone: Phone) -> ApiError {
    ErrorKind::NotFound.error(format_args!("{phone} is not a contact: look it up first"))
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

/// How long what needs no server may take.
const LOCAL_TIMEOUT_SECS: u32 = 30;
/// Longest name of a contact, in bytes.
const NAME_MAX: usize = 100;
