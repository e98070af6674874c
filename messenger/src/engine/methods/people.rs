//! Contacts: listed, named, forgotten, looked up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use sealpost_core::client::store::{self, Verification};
use sealpost_core::client::{Command, LookupFailure, Notice, OfflineReason};
use sealpost_core::ids::{Phone, UserRef};
use sealpost_core::keys::PublicKey;
use sealpost_storage::client::SqliteClientStorage;
use sealpost_storage::client::conversations::{Conversation, Peer, Visibility};

use crate::api::{
    ApiError, Changed, Contact, ContactsResult, Empty, ErrorKind, KeyTrust, LookUpParams,
    OfferedKey, PhoneNumber, RemoveContactParams, UpdateContactParams,
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

    pub(super) fn person_changed(&self, phone: Phone) {
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
            let mut untried = core.identity.endpoints.count().get();
            let looked_up = watch.until(deadline, |notice| {
                if let Notice::Offline { reason, retry_in } = notice {
                    untried = untried.saturating_sub(1);
                    // What is known of a contact is not worth waiting for a server.
                    let is_unreachable = *reason == OfflineReason::Unreachable && untried == 0;
                    if retry_in.is_none() || is_known && is_unreachable {
                        return Some(Err(core.unanswered(Vain::TimedOut)));
                    }
                }
                looked_up(phone, notice)
            });
            looked_up.map_err(|vain| core.unanswered(vain)).flatten()?;
            core.settle();
            core.contact(phone)?.ok_or_else(|| not_a_contact(phone))
        })
    }

    /// The error for an answer that did not come.
    pub(in crate::engine) fn unanswered(&self, vain: Vain) -> ApiError {
        match vain {
            Vain::Stopped => stopping(),
            Vain::TimedOut => {
                let why = self.hub.trouble();
                ErrorKind::Unavailable.error(format_args!(
                    "the server at {} did not answer in time{why}",
                    self.identity.endpoints
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

pub(super) fn not_a_contact(phone: Phone) -> ApiError {
    ErrorKind::NotFound.error(format_args!("{phone} is not a contact: look it up first"))
}

/// How long what needs no server may take.
pub(super) const LOCAL_TIMEOUT_SECS: u32 = 30;
/// Longest name of a contact, in bytes.
const NAME_MAX: usize = 100;
