//! Messages that the server does not take for now, and why.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sealpost_core::ids::{MessageId, Phone};
use sealpost_core::wire::ErrorCode;

use super::core::Core;

/// Why messages to a phone number wait. The machine repeats the first of them from time to time, and
/// the others wait behind it.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<BTreeMap<Phone, String>>);

impl Held {
    /// Why messages to a phone number wait, if the server has said so.
    pub(super) fn why(&self, phone: Phone) -> Option<String> {
        self.lock().get(&phone).cloned()
    }

    /// Notes why messages wait. Returns whether that is news.
    fn note(&self, phone: Phone, reason: String) -> bool {
        let is_news = self.why(phone).as_ref() != Some(&reason);
        self.lock().insert(phone, reason);
        is_news
    }

    /// The server has taken a message.
    pub(super) fn release(&self, phone: Phone) {
        self.lock().remove(&phone);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Phone, String>> {
        // No code that holds the lock can leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// The server does not take a message for now.
    pub(super) fn held_back(&self, id: MessageId, code: ErrorCode) {
        let recipient = match self.read(|store| store.recipient_of(id)) {
            Ok(recipient) => recipient,
            Err(error) => return tracing::error!(%error, "can't read whom a message is for"),
        };
        let Some(phone) = recipient else { return };
        if self.held.note(phone, reason(phone, code)) {
            self.progressed(&[id]);
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "few of the errors are temporary")]
fn reason(phone: Phone, code: ErrorCode) -> String {
    match code {
        ErrorCode::MailboxFull => {
            format!("the mailbox of {phone} is full, or your part of it")
        }
        ErrorCode::RateLimited => "the server takes no more from you for now".to_owned(),
        _ => "the server can't take it for now".to_owned(),
    }
}
