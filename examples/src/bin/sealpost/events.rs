//! What `listen` prints: one event a line, for people or as JSON.

use std::collections::BTreeMap;

use sealpost_core::client::store::{Content, InboxItem, ReceivedContent, Trust};
use sealpost_core::client::{Continuity, Notice};
use sealpost_core::ids::{MessageId, Phone, UserId};
use sealpost_programs::{Failure, Format, Line, utc};
use sealpost_storage::client::{ClientStorage, SqliteClientStorage};
use serde::Serialize;

/// Something worth a line.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Event {
    /// A message, which may not open.
    Message {
        /// The sender's phone number.
        from: String,
        /// The sender's id.
        from_id: u64,
        /// Unique among the sender's messages.
        id: u64,
        /// When the sender says it was written.
        time: String,
        /// `text`, `hex` or `undecryptable`.
        #[serde(flatten)]
        body: Body,
        /// How far the key that signed it was trusted.
        trust: &'static str,
    },
    /// Something that was sent before the message that follows is missing.
    Gap {
        /// The sender's phone number.
        from: String,
        /// The message that follows.
        before: u64,
    },
    /// The server names another key for a contact.
    KeyChanged {
        /// The contact.
        phone: String,
        /// The fingerprint of the key that is known.
        pinned: String,
        /// That of the other.
        offered: String,
    },
    /// A reader has signed for messages of ours.
    Delivered {
        /// The reader's phone number, if it is a contact's.
        by: Option<String>,
        /// The reader's id.
        by_id: u64,
        /// The messages.
        ids: Vec<u64>,
    },
    /// The server can't lose these messages of ours any more.
    Stored {
        /// The messages.
        ids: Vec<u64>,
    },
    /// These messages of ours will not be sent.
    Failed {
        /// The messages.
        ids: Vec<u64>,
        /// Why.
        reason: String,
    },
    /// In a session.
    Online {
        /// What the server holds for us.
        pending: u32,
    },
    /// All that was stored has come.
    CaughtUp {
        /// How much that was.
        drained: u32,
    },
    /// The connection is gone, or could not be made.
    Offline {
        /// Why.
        reason: String,
        /// When it is tried again; not at all if null.
        retry_in_seconds: Option<f64>,
    },
    /// Something happened that an honest server does not do.
    Suspicious {
        /// What.
        what: String,
    },
}

/// What a message says.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Body {
    /// Text.
    Text { text: String },
    /// An application's bytes, in hex.
    Bytes { hex: String },
    /// It does not open.
    Undecryptable { undecryptable: bool },
}

/// Finds out the phone numbers behind ids.
#[derive(Debug)]
pub(crate) struct Names {
    store: SqliteClientStorage,
    known: BTreeMap<UserId, Phone>,
}

impl Names {
    /// Looks into `store` for whom it does not know yet.
    pub(crate) const fn new(store: SqliteClientStorage) -> Self {
        Self { store, known: BTreeMap::new() }
    }

    fn phone(&mut self, user: UserId) -> Option<String> {
        if !self.known.contains_key(&user) {
            let contacts = self.store.load().map(|snapshot| snapshot.contacts).unwrap_or_default();
            self.known.extend(contacts.iter().map(|contact| (contact.pinned.user, contact.phone)));
        }
        self.known.get(&user).map(ToString::to_string)
    }
}

impl Event {
    /// A message, and what is to be said before it.
    pub(crate) fn of_message(item: &InboxItem) -> Vec<Self> {
        let message = &item.message;
        let from = message.phone.to_string();
        let gap = match item.continuity {
            Continuity::Next => None,
            Continuity::AfterGap => Some(Self::Gap { from: from.clone(), before: message.id.0 }),
        };
        let body = match &message.content {
            ReceivedContent::Opened(Content::Text(text)) => Body::Text { text: text.clone() },
            ReceivedContent::Opened(Content::Bytes(bytes)) => {
                Body::Bytes { hex: hex::encode(bytes) }
            }
            ReceivedContent::Undecryptable => Body::Undecryptable { undecryptable: true },
        };
        let shown = Self::Message {
            from,
            from_id: message.sender.value(),
            id: message.id.0,
            time: utc(message.sent_at),
            body,
            trust: trust(message.trust),
        };
        gap.into_iter().chain([shown]).collect()
    }

    /// What a notice has to say, if it is news for whoever listens.
    pub(crate) fn of_notice(notice: &Notice, names: &mut Names) -> Option<Self> {
        Some(match notice {
            Notice::Online { pending } => Self::Online { pending: pending.unwrap_or(0) },
            Notice::CaughtUp { drained } => Self::CaughtUp { drained: *drained },
            Notice::Offline { reason, retry_in } => Self::Offline {
                reason: reason.to_string(),
                retry_in_seconds: retry_in.map(|pause| pause.as_secs_f64()),
            },
            Notice::Stored { ids } => Self::Stored { ids: numbers(ids) },
            Notice::Delivered { recipient, ids } => Self::Delivered {
                by: names.phone(*recipient),
                by_id: recipient.value(),
                ids: numbers(ids),
            },
            Notice::Failed { ids, failure } => {
                Self::Failed { ids: numbers(ids), reason: failure.to_string() }
            }
            Notice::KeyChanged { phone, pinned, offered } => Self::KeyChanged {
                phone: phone.to_string(),
                pinned: pinned.to_string(),
                offered: offered.to_string(),
            },
            Notice::Suspicious { suspicion } => Self::Suspicious { what: format!("{suspicion:?}") },
            Notice::OtpRequested { .. }
            | Notice::OtpRejected { .. }
            | Notice::Registered { .. }
            | Notice::RegistrationFailed { .. }
            | Notice::Queued { .. }
            | Notice::SendRefused { .. }
            | Notice::Found { .. }
            | Notice::LookupFailed { .. }
            | Notice::KeyAccepted { .. }
            | Notice::OfferWithdrawn { .. }
            | Notice::Verified { .. }
            | Notice::KeyMismatch { .. }
            | Notice::ClockOffset { .. }
            | Notice::StoreFailed { .. }
            | Notice::Misuse { .. }
            | Notice::Stopped => return None,
        })
    }

    /// Prints it; it has gone out when the call returns.
    pub(crate) fn print(&self, format: Format) -> Result<(), Failure> {
        match format {
            Format::Json => Line::json(self),
            Format::Text => Line::text(self.text()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Message { from, time, body, trust, .. } => {
                let time = time.replace('T', " ");
                let warning = if *trust == CHANGED { " [by a changed key!]" } else { "" };
                format!("{time}  {from}{warning}: {}", body.text())
            }
            Self::Gap { from, .. } => format!("* a message of {from} before the next is missing"),
            Self::KeyChanged { phone, .. } => {
                format!("* the key of {phone} has changed: see sealpost verify {phone}")
            }
            Self::Delivered { by, by_id, ids } => {
                let by = by.clone().unwrap_or_else(|| format!("user {by_id}"));
                format!("* delivered to {by}: {}", list(ids))
            }
            Self::Stored { ids } => format!("* stored at the server: {}", list(ids)),
            Self::Failed { ids, reason } => format!("* not sent, {reason}: {}", list(ids)),
            Self::Online { pending } => format!("* online, {pending} waiting"),
            Self::CaughtUp { drained } => format!("* caught up, {drained} came"),
            Self::Offline { reason, retry_in_seconds: None } => format!("* offline: {reason}"),
            Self::Offline { reason, retry_in_seconds: Some(secs) } => {
                format!("* offline: {reason}; trying again in {secs:.0} s")
            }
            Self::Suspicious { what } => format!("* suspicious: {what}"),
        }
    }
}

impl Body {
    fn text(&self) -> String {
        match self {
            Self::Text { text } => printable(text),
            Self::Bytes { hex } => format!("[bytes] {hex}"),
            Self::Undecryptable { .. } => "[this message does not open]".to_owned(),
        }
    }
}

/// Without control characters, which would let a stranger write over the terminal.
fn printable(text: &str) -> String {
    let allowed = |c: char| !c.is_control() || c == '\n' || c == '\t';
    text.chars().map(|c| if allowed(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

const CHANGED: &str = "changed";

const fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::FirstUse => "first-use",
        Trust::Verified => "verified",
        Trust::Changed => CHANGED,
    }
}

fn numbers(ids: &[MessageId]) -> Vec<u64> {
    ids.iter().map(|id| id.0).collect()
}

fn list(ids: &[u64]) -> String {
    ids.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealpost_core::client::store::{InboxId, IncomingMessage};
    use sealpost_core::time::Timestamp;

    fn item(content: ReceivedContent, continuity: Continuity) -> InboxItem {
        let message = IncomingMessage {
            sender: UserId::new(7).unwrap(),
            phone: "+4915112345678".parse().unwrap(),
            id: MessageId(3),
            previous: None,
            sent_at: Timestamp::from_unix_secs(0),
            received_at: Timestamp::from_unix_secs(0),
            content,
            trust: Trust::FirstUse,
        };
        InboxItem { place: InboxId(1), message, continuity }
    }

    fn json(content: ReceivedContent, continuity: Continuity) -> Vec<String> {
        let events = Event::of_message(&item(content, continuity));
        events.iter().map(|event| serde_json::to_string(event).unwrap()).collect()
    }

    #[test]
    fn message_is_one_json_object() {
        let text = ReceivedContent::Opened(Content::Text("a\n\"b\"".into()));
        assert_eq!(
            json(text, Continuity::Next),
            [
                r#"{"type":"message","from":"+4915112345678","from_id":7,"id":3,"time":"1970-01-01T00:00:00Z","text":"a\n\"b\"","trust":"first-use"}"#
            ]
        );
    }

    #[test]
    fn gap_bytes_and_what_does_not_open_are_told() {
        let bytes = ReceivedContent::Opened(Content::Bytes(vec![0, 255]));
        let lines = json(bytes, Continuity::AfterGap);
        assert_eq!(lines[0], r#"{"type":"gap","from":"+4915112345678","before":3}"#);
        assert!(lines[1].contains(r#""hex":"00ff""#));
        let lines = json(ReceivedContent::Undecryptable, Continuity::Next);
        assert!(lines[0].contains(r#""undecryptable":true"#));
    }

    #[test]
    fn text_can_not_steer_the_terminal() {
        let text = ReceivedContent::Opened(Content::Text("\x1b[2Jhi\r\u{9b}".into()));
        let events = Event::of_message(&item(text, Continuity::Next));
        assert_eq!(
            events[0].text(),
            "1970-01-01 00:00:00Z  +4915112345678: \u{fffd}[2Jhi\u{fffd}\u{fffd}"
        );
    }
}
