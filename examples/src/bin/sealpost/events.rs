//! The events that `listen` prints, one per line, as text or as JSON.

use std::collections::BTreeMap;

use sealpost_core::client::store::{Content, InboxItem, ReceivedContent, Trust};
use sealpost_core::client::{Arrival, Continuity, Notice, ServerKeyChange};
use sealpost_core::ids::{MessageId, Phone, UserId, UserRef};
use sealpost_programs::{Failure, Format, Line, utc};
use sealpost_storage::client::{ClientStorage, SqliteClientStorage};
use serde::Serialize;

/// An event that is printed.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Event {
    /// A message, which may be undecryptable.
    Message {
        /// Phone number of the sender.
        from: String,
        /// User id of the sender.
        from_id: u64,
        /// Message id, unique among the sender's messages.
        id: u64,
        /// Time at which the message was written, according to the sender.
        time: String,
        /// Content, as `text`, `hex` or `undecryptable`.
        #[serde(flatten)]
        body: Body,
        /// Trust in the key that signed the message.
        trust: TrustName,
        /// `late`, `fills-gap` or `reused-id`; left out for a message that came in order.
        #[serde(skip_serializing_if = "Option::is_none")]
        arrival: Option<&'static str>,
    },
    /// A message that was sent before the next one is missing.
    Gap {
        /// Phone number of the sender.
        from: String,
        /// Id of the message that follows the gap.
        before: u64,
    },
    /// A contact has registered again, with the same key.
    Moved {
        /// Phone number of the contact.
        phone: String,
        /// The contact's user id from now on.
        id: u64,
    },
    /// The server offers another key for a contact.
    KeyChanged {
        /// Phone number of the contact.
        phone: String,
        /// Fingerprint of the known key.
        pinned: String,
        /// Fingerprint of the offered key.
        offered: String,
    },
    /// A recipient has signed a receipt for our messages.
    Delivered {
        /// Phone number of the recipient, if it is a contact.
        by: Option<String>,
        /// User id of the recipient.
        by_id: u64,
        /// Ids of the messages.
        ids: Vec<u64>,
    },
    /// The server has stored our messages durably.
    Stored {
        /// Ids of the messages.
        ids: Vec<u64>,
    },
    /// Our messages will not be sent.
    Failed {
        /// Ids of the messages.
        ids: Vec<u64>,
        /// Reason of the failure.
        reason: String,
    },
    /// A message of ours that was kept for later can't be sent.
    Refused {
        /// Phone number or user id of the recipient.
        to: String,
        /// Reason of the refusal.
        reason: String,
    },
    /// The server's clock and this device's differ by a minute or more.
    ClockOffset {
        /// Seconds by which this device's clock is behind; negative if it is ahead.
        seconds: i64,
    },
    /// A session has begun.
    Online {
        /// Number of items that the server holds for us.
        pending: u32,
    },
    /// Everything that the server held has arrived.
    CaughtUp {
        /// Number of items that arrived.
        drained: u32,
    },
    /// The connection was lost, or could not be opened.
    Offline {
        /// Reason why.
        reason: String,
        /// Time until the next attempt; null if there will be none.
        retry_in_seconds: Option<f64>,
    },
    /// The server refused something with an error that this version does not define.
    UnknownError {
        /// Number of the error.
        code: u8,
        /// The server's explanation.
        text: String,
    },
    /// The server changes its key, or has changed it.
    ServerKey {
        /// What happens to the key.
        change: KeyChange,
        /// Fingerprint of the new key.
        fingerprint: String,
    },
    /// The server did something that an honest server does not do.
    Suspicious {
        /// Description of it.
        what: String,
    },
}

/// The content of a message.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Body {
    Text {
        text: String,
    },
    /// Bytes of an application, in hex.
    Bytes {
        hex: String,
    },
    /// The content could not be decrypted. The field is always true.
    Undecryptable {
        undecryptable: bool,
    },
}

/// What happens to the server's key.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KeyChange {
    Announced,
    Missing,
    Replaced,
}

/// Trust in the key that signed a message.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TrustName {
    FirstUse,
    Verified,
    Changed,
}

/// Looks up phone numbers by user id.
#[derive(Debug)]
pub(crate) struct Names {
    store: SqliteClientStorage,
    known: BTreeMap<UserId, Phone>,
}

impl Names {
    /// Starts with no known numbers, and reads them from `store` when needed.
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
    /// The events for a message: the message itself, after a gap if one precedes it.
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
            trust: message.trust.into(),
            arrival: arrival(item.arrival),
        };
        gap.into_iter().chain([shown]).collect()
    }

    /// The event for a notice. `None` if the notice is of no interest to `listen`.
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
            Notice::DraftRefused { to, refusal, .. } => Self::Refused {
                to: match to {
                    UserRef::Phone(phone) => phone.to_string(),
                    UserRef::Id(user) => format!("user {}", user.value()),
                },
                reason: refusal.to_string(),
            },
            Notice::ClockOffset { secs } => Self::ClockOffset { seconds: *secs },
            Notice::Moved { .. } => Self::of_contact(notice)?,
            Notice::ServerKey { .. } => Self::of_server_key(notice)?,
            Notice::KeyChanged { phone, pinned, offered } => Self::KeyChanged {
                phone: phone.to_string(),
                pinned: pinned.to_string(),
                offered: offered.to_string(),
            },
            Notice::UnknownError { code, text } => {
                Self::UnknownError { code: code.code(), text: text.clone() }
            }
            Notice::Suspicious { .. } => Self::of_suspicion(notice)?,
            Notice::OtpRequested { .. }
            | Notice::OtpRejected { .. }
            | Notice::Registered { .. }
            | Notice::RegistrationFailed { .. }
            | Notice::Kept { .. }
            | Notice::Queued { .. }
            | Notice::SendRefused { .. }
            | Notice::Found { .. }
            | Notice::LookupFailed { .. }
            | Notice::KeyAccepted { .. }
            | Notice::OfferWithdrawn { .. }
            | Notice::Verified { .. }
            | Notice::KeyMismatch { .. }
            | Notice::StoreFailed { .. }
            | Notice::Misuse { .. }
            | Notice::Stopped => return None,
        })
    }

    /// The event for a contact who has another user id.
    pub(crate) fn of_contact(notice: &Notice) -> Option<Self> {
        let Notice::Moved { phone, user } = notice else { return None };
        Some(Self::Moved { phone: phone.to_string(), id: user.value() })
    }

    /// The event for a notice that every command shows, whatever it waits for.
    pub(crate) fn of_warning(notice: &Notice) -> Option<Self> {
        Self::of_suspicion(notice).or_else(|| Self::of_server_key(notice))
    }

    fn of_suspicion(notice: &Notice) -> Option<Self> {
        let Notice::Suspicious { suspicion } = notice else { return None };
        Some(Self::Suspicious { what: format!("{suspicion:?}") })
    }

    fn of_server_key(notice: &Notice) -> Option<Self> {
        let Notice::ServerKey { change, fingerprint } = notice else { return None };
        Some(Self::ServerKey { change: (*change).into(), fingerprint: fingerprint.to_string() })
    }

    /// Prints the event. It is flushed when the call returns.
    pub(crate) fn print(&self, format: Format) -> Result<(), Failure> {
        match format {
            Format::Json => Line::json(self),
            Format::Text => Line::text(self.text()),
        }
    }

    /// The event as a person reads it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Message { from, time, body, trust, arrival, .. } => {
                let trust = trust.words();
                let time = time.replace('T', " ");
                let mark = arrival.map_or("", mark);
                format!("{time}  {from} [{trust}]{mark}: {}", body.text())
            }
            Self::Gap { from, .. } => {
                format!("* a message from {from} is missing before the next one")
            }
            Self::Moved { phone, .. } => {
                format!("* {phone} has registered again, with the same key")
            }
            Self::KeyChanged { phone, .. } => {
                format!("* the key of {phone} has changed: run sealpost verify {phone}")
            }
            Self::Delivered { by, by_id, ids } => {
                let by = by.clone().unwrap_or_else(|| format!("user {by_id}"));
                format!("* delivered to {by}: {}", list(ids))
            }
            Self::Stored { ids } => format!("* stored at the server: {}", list(ids)),
            Self::Failed { ids, reason } => format!("* not sent ({reason}): {}", list(ids)),
            Self::Refused { to, reason } => format!("* not sent to {to}: {reason}"),
            Self::ClockOffset { seconds } if *seconds < 0 => {
                format!("* the clock of this device is {} s ahead of the server's", -seconds)
            }
            Self::ClockOffset { seconds } => {
                format!("* the clock of this device is {seconds} s behind the server's")
            }
            Self::Online { pending } => format!("* online, {pending} waiting"),
            Self::CaughtUp { drained } => format!("* caught up, {drained} came"),
            Self::Offline { reason, retry_in_seconds: None } => format!("* offline: {reason}"),
            Self::Offline { reason, retry_in_seconds: Some(secs) } => {
                format!("* offline: {reason}; trying again in {secs:.0} s")
            }
            Self::UnknownError { code, text } => {
                format!("* the server refused with the error {code}: {text}")
            }
            Self::ServerKey { change: KeyChange::Announced, fingerprint } => {
                format!("* the server changes its key: the next one is sha256:{fingerprint}")
            }
            Self::ServerKey { change: KeyChange::Missing, fingerprint } => format!(
                "* the server uses its former key again, and does not have sha256:{fingerprint}: \
                 ask its operator whether it was restored from a backup"
            ),
            Self::ServerKey { change: KeyChange::Replaced, fingerprint } => {
                format!(
                    "* the server has another key now, and another address: sha256:{fingerprint}"
                )
            }
            Self::Suspicious { what } => format!("* suspicious: {what}"),
        }
    }
}

impl Body {
    fn text(&self) -> String {
        match self {
            Self::Text { text } => text.clone(),
            Self::Bytes { hex } => format!("[bytes] {hex}"),
            Self::Undecryptable { .. } => "[this message can't be decrypted]".to_owned(),
        }
    }
}

impl TrustName {
    /// As a person reads it. Every message has a mark, so that a sender can't forge one by writing
    /// it where others have none.
    const fn words(self) -> &'static str {
        match self {
            Self::FirstUse => "not verified",
            Self::Verified => "verified",
            Self::Changed => "by a changed key!",
        }
    }
}

impl From<ServerKeyChange> for KeyChange {
    fn from(change: ServerKeyChange) -> Self {
        match change {
            ServerKeyChange::Announced => Self::Announced,
            ServerKeyChange::Missing => Self::Missing,
            ServerKeyChange::Replaced => Self::Replaced,
        }
    }
}

impl From<Trust> for TrustName {
    fn from(trust: Trust) -> Self {
        match trust {
            Trust::FirstUse => Self::FirstUse,
            Trust::Verified => Self::Verified,
            Trust::Changed => Self::Changed,
        }
    }
}

const fn arrival(arrival: Arrival) -> Option<&'static str> {
    match arrival {
        Arrival::InOrder => None,
        Arrival::Late => Some("late"),
        Arrival::FillsGap => Some(FILLS_GAP),
        Arrival::ReusedId => Some(REUSED_ID),
    }
}

/// The mark of a message that did not come in order, for people.
fn mark(arrival: &str) -> &'static str {
    match arrival {
        FILLS_GAP => " [late: it was missing]",
        REUSED_ID => " [its number was used before: restored from a backup?]",
        _ => " [late]",
    }
}

const FILLS_GAP: &str = "fills-gap";
const REUSED_ID: &str = "reused-id";

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
    use sealpost_core::wire::RequestHash;

    fn item(content: ReceivedContent, continuity: Continuity) -> InboxItem {
        let message = IncomingMessage {
            sender: UserId::new(7).unwrap(),
            phone: "+4915112345678".parse().unwrap(),
            id: MessageId(3),
            packet_hash: RequestHash([3; 32]),
            previous: None,
            sent_at: Timestamp::from_unix_secs(0),
            received_at: Timestamp::from_unix_secs(0),
            content,
            trust: Trust::FirstUse,
        };
        InboxItem { place: InboxId(1), message, continuity, arrival: Arrival::InOrder }
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
    fn gaps_bytes_and_undecryptable_messages_are_printed() {
        let bytes = ReceivedContent::Opened(Content::Bytes(vec![0, 255]));
        let lines = json(bytes, Continuity::AfterGap);
        assert_eq!(lines[0], r#"{"type":"gap","from":"+4915112345678","before":3}"#);
        assert!(lines[1].contains(r#""hex":"00ff""#));
        let lines = json(ReceivedContent::Undecryptable, Continuity::Next);
        assert!(lines[0].contains(r#""undecryptable":true"#));
    }

    #[test]
    fn message_that_did_not_come_in_order_is_marked() {
        let text = ReceivedContent::Opened(Content::Text("hi".into()));
        let mut item = item(text, Continuity::Next);
        for (arrival, name, mark) in [
            (Arrival::Late, "late", "[late]"),
            (Arrival::FillsGap, "fills-gap", "[late: it was missing]"),
            (Arrival::ReusedId, "reused-id", "[its number was used before"),
        ] {
            item.arrival = arrival;
            let events = Event::of_message(&item);
            let json = serde_json::to_string(&events[0]).unwrap();
            assert!(json.ends_with(&format!(r#""arrival":"{name}"}}"#)), "{json}");
            assert!(events[0].text().contains(mark), "{}", events[0].text());
        }
    }

    #[test]
    fn every_message_says_how_far_its_key_is_trusted() {
        let text = |trust| {
            let mut item =
                item(ReceivedContent::Opened(Content::Text("hi".into())), Continuity::Next);
            item.message.trust = trust;
            Event::of_message(&item)[0].text()
        };
        let start = "1970-01-01 00:00:00Z  +4915112345678";
        assert_eq!(text(Trust::FirstUse), format!("{start} [not verified]: hi"));
        assert_eq!(text(Trust::Verified), format!("{start} [verified]: hi"));
        assert_eq!(text(Trust::Changed), format!("{start} [by a changed key!]: hi"));
    }
}
