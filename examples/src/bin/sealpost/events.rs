//! The events that `listen` prints, one per line, as text or as JSON.

use std::collections::BTreeMap;

use sealpost_chat::Zone;
use sealpost_messenger::api::{
    self, Changed, Connection, Contact, Entry, Peer, PhoneNumber, Progress, ReceivedEvent, Time,
};
use sealpost_programs::{Failure, Format, Line, OneLine};
use serde::Serialize;

use crate::body::Body;
use crate::marks::{ArrivalName, TrustName, WrittenName};

/// An event that is printed.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Event {
    /// A message, which may be undecryptable.
    Message {
        /// Phone number of the sender.
        from: String,
        /// Id of the group that it was written in.
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<String>,
        /// Name of the group.
        #[serde(skip_serializing_if = "Option::is_none")]
        group_name: Option<String>,
        /// `older`, `before-removal` or `other-state`: the state of the group that it was written in,
        /// if that is not the newest.
        #[serde(skip_serializing_if = "Option::is_none")]
        written_in: Option<WrittenName>,
        /// Message id, unique among the sender's messages.
        id: Option<u64>,
        /// Number of the message in this home.
        entry: u64,
        /// Time at which the message was written, according to the sender.
        time: Time,
        /// Content, as `text`, `hex`, `undecryptable` or another field.
        #[serde(flatten)]
        body: Body,
        /// Trust in the key that signed the message.
        trust: TrustName,
        /// `late`, `fills-gap` or `reused-id`; left out for a message that came in order.
        #[serde(skip_serializing_if = "Option::is_none")]
        arrival: Option<ArrivalName>,
    },
    /// A message that was sent before the next one is missing.
    Gap {
        /// Phone number of the sender.
        from: String,
        /// Id of the message that follows the gap.
        before: Option<u64>,
    },
    /// The author of a message changed its text.
    Edited { from: String, entry: u64, text: String },
    /// The author of a message took it back.
    Deleted { from: String, entry: u64 },
    /// Somebody reacted to a message, or took a reaction back, which is then empty.
    Reaction { from: String, entry: u64, emoji: String },
    /// An invitation to a group.
    Invitation {
        /// Phone number of whoever invites.
        from: String,
        /// Id of the group.
        group: String,
        /// Name of the group, as its owner says.
        group_name: String,
        /// Number of the invitation in this home.
        entry: u64,
    },
    /// News of a group: a new member, another name.
    Group {
        /// Id of the group.
        group: String,
        /// Name of the group.
        group_name: Option<String>,
        /// Number of the notice in this home.
        entry: u64,
        /// The news, in words.
        text: String,
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
    /// A recipient has signed a receipt for a message of ours.
    Delivered {
        /// Phone number of the recipient.
        by: String,
        /// Ids of the messages.
        ids: Vec<u64>,
    },
    /// The server has stored a message of ours durably.
    Stored {
        /// Phone number of the recipient.
        to: String,
        /// Ids of the messages.
        ids: Vec<u64>,
    },
    /// A message of ours will not be sent.
    Failed {
        /// Phone number of the recipient.
        to: String,
        /// Ids of the messages; empty if it never had one.
        ids: Vec<u64>,
        /// Reason of the failure.
        reason: String,
    },
    /// A session has begun.
    Online {
        /// Number of items that the server holds for us.
        pending: u32,
    },
    /// Everything that the server held has arrived.
    CaughtUp {
        /// Number of items that the server held.
        drained: u32,
    },
    /// The connection was lost, or could not be opened.
    Offline {
        /// Reason why.
        reason: String,
        /// Time until the next attempt; null if there will be none.
        retry_in_seconds: Option<i64>,
    },
    /// Something that the user should know.
    Warning {
        /// Description of it.
        text: String,
    },
}

/// What was printed already, so that a change of something else does not print it again.
#[derive(Debug, Default)]
pub(crate) struct Printed {
    /// Progress of each copy, by the number of its message and the recipient.
    copies: BTreeMap<(u64, PhoneNumber), Progress>,
    /// Offered keys, by phone number.
    offers: BTreeMap<String, String>,
    /// Last notice of a group.
    notice: u64,
    /// Count of items that the server held at the beginning of the session.
    waiting: Option<u32>,
}

impl Event {
    /// The events for something that arrived: for a message itself, after a gap if one precedes it.
    pub(crate) fn of_received(event: &ReceivedEvent) -> Vec<Self> {
        match event {
            ReceivedEvent::Message { message } => Self::of_message(message),
            ReceivedEvent::Edited { entry, from, text } => {
                vec![Self::Edited { from: from.to_string(), entry: *entry, text: text.clone() }]
            }
            ReceivedEvent::Deleted { entry, from } => {
                vec![Self::Deleted { from: from.to_string(), entry: *entry }]
            }
            ReceivedEvent::Reaction { entry, from, emoji } => {
                vec![Self::Reaction { from: from.to_string(), entry: *entry, emoji: emoji.clone() }]
            }
            ReceivedEvent::Invitation { entry, from, group, name } => vec![Self::Invitation {
                from: from.to_string(),
                group: group.to_string(),
                group_name: name.clone(),
                entry: *entry,
            }],
            ReceivedEvent::Unknown => Vec::new(),
        }
    }

    fn of_message(entry: &Entry) -> Vec<Self> {
        let from = entry.from.map(|from| from.to_string()).unwrap_or_default();
        let gap =
            entry.after_gap.then(|| Self::Gap { from: from.clone(), before: entry.message_id });
        let shown = Self::Message {
            from,
            group: group(entry),
            group_name: entry.group_name.clone(),
            written_in: entry.written_in.map(WrittenName::from),
            id: entry.message_id,
            entry: entry.entry,
            time: entry.sent_at,
            body: Body::of(&entry.body),
            trust: entry.trust.into(),
            arrival: entry.arrival.map(ArrivalName::from),
        };
        gap.into_iter().chain([shown]).collect()
    }

    /// The events for a change: what it says that was not printed yet.
    pub(crate) fn of_change(changed: &Changed, printed: &mut Printed) -> Vec<Self> {
        match changed {
            Changed::Entry { entry } => match (&entry.body, group(entry)) {
                (api::Body::Notice { text }, Some(group)) if entry.entry > printed.notice => {
                    printed.notice = entry.entry;
                    let (group_name, text) = (entry.group_name.clone(), text.clone());
                    vec![Self::Group { group, group_name, entry: entry.entry, text }]
                }
                _ => Self::of_progress(entry, printed),
            },
            Changed::Contact { contact } => {
                Self::of_contact(contact, printed).into_iter().collect()
            }
            Changed::Connection { connection } => {
                Self::of_connection(connection, printed).into_iter().collect()
            }
            Changed::Warning { text } => vec![Self::Warning { text: text.clone() }],
            Changed::EntryRemoved { .. } | Changed::Conversation { .. } | Changed::Unknown => {
                Vec::new()
            }
        }
    }

    fn of_progress(entry: &Entry, printed: &mut Printed) -> Vec<Self> {
        let mut events = Vec::new();
        for copy in &entry.copies {
            let ids: Vec<u64> = copy.message_id.into_iter().collect();
            let by = copy.to.to_string();
            let event = match &copy.progress {
                Progress::Queued => continue,
                Progress::Stored => Self::Stored { to: by, ids },
                Progress::Delivered | Progress::Read => Self::Delivered { by, ids },
                Progress::Failed { reason } => Self::Failed { to: by, ids, reason: reason.clone() },
            };
            let key = (entry.entry, copy.to);
            if printed.copies.insert(key, copy.progress.clone()).as_ref() != Some(&copy.progress) {
                events.push(event);
            }
        }
        events
    }

    fn of_contact(contact: &Contact, printed: &mut Printed) -> Option<Self> {
        let phone = contact.phone.to_string();
        let Some(offered) = &contact.offered else {
            printed.offers.remove(&phone);
            return None;
        };
        let offered = offered.fingerprint.clone();
        if printed.offers.insert(phone.clone(), offered.clone()).as_ref() == Some(&offered) {
            return None;
        }
        Some(Self::KeyChanged { phone, pinned: contact.fingerprint.clone(), offered })
    }

    fn of_connection(connection: &Connection, printed: &mut Printed) -> Option<Self> {
        match connection {
            Connection::Connecting { .. } => None,
            Connection::Online { waiting: Some(pending), .. } => {
                printed.waiting = Some(*pending);
                Some(Self::Online { pending: *pending })
            }
            Connection::Online { waiting: None, .. } => {
                Some(Self::CaughtUp { drained: printed.waiting.take().unwrap_or(0) })
            }
            Connection::Offline { since, reason, next_attempt } => Some(Self::Offline {
                reason: reason.clone(),
                retry_in_seconds: next_attempt.map(|at| at.0.secs_since(since.0)),
            }),
        }
    }

    /// Prints the event. It is flushed when the call returns.
    pub(crate) fn print(&self, format: Format, zone: &Zone) -> Result<(), Failure> {
        match format {
            Format::Json => Line::json(self),
            Format::Text => Line::text(self.text(zone)),
        }
    }

    /// The event as a person reads it.
    fn text(&self, zone: &Zone) -> String {
        match self {
            Self::Message {
                from,
                time,
                body,
                trust,
                arrival,
                entry,
                group_name,
                written_in,
                ..
            } => {
                let (time, trust) = (zone.stamp(*time), trust.words());
                let mark = arrival.map(|arrival| format!(" [{}]", arrival.words()));
                let mark = mark.unwrap_or_default();
                let group =
                    group_name.as_ref().map_or_else(String::new, |name| format!(" in “{name}”"));
                let written = written_in.map(|state| format!(" [{}]", state.words()));
                let written = written.unwrap_or_default();
                let news = body.news(*entry);
                format!("{time}  {from} [{trust}]{group}{mark}{written}: {news}")
            }
            Self::Gap { from, .. } => {
                format!("* a message from {from} is missing before the next one")
            }
            Self::Edited { from, entry, text } => {
                format!("* {from} changed the message {entry}: {text}")
            }
            Self::Deleted { from, entry } => format!("* {from} took back the message {entry}"),
            Self::Reaction { from, entry, emoji } if emoji.is_empty() => {
                format!("* {from} took back the reaction to the message {entry}")
            }
            Self::Reaction { from, entry, emoji } => {
                format!("* {from} reacted to the message {entry}: {emoji}")
            }
            Self::Invitation { from, group_name, .. } => {
                let name = OneLine(group_name);
                format!(
                    "* {from} invites you to the group “{name}”: sealpost group join, or decline"
                )
            }
            Self::Group { group_name, text, .. } => {
                let name = group_name.as_deref().unwrap_or_default();
                format!("* group “{name}”: {text}")
            }
            Self::KeyChanged { phone, .. } => {
                format!("* the key of {phone} has changed: run sealpost verify {phone}")
            }
            Self::Delivered { by, ids } => format!("* delivered to {by}: {}", list(ids)),
            Self::Stored { to, ids } => format!("* stored for {to}: {}", list(ids)),
            Self::Failed { to, reason, .. } => format!("* not sent to {to}: {reason}"),
            Self::Online { pending } => format!("* online, {pending} waiting"),
            Self::CaughtUp { drained } => format!("* caught up, {drained} came"),
            Self::Offline { reason, retry_in_seconds: None } => format!("* offline: {reason}"),
            Self::Offline { reason, retry_in_seconds: Some(secs) } => {
                format!("* offline: {reason}; trying again in {secs} s")
            }
            Self::Warning { text } => format!("* {text}"),
        }
    }
}

/// Id of the group that an entry is in.
fn group(entry: &Entry) -> Option<String> {
    match entry.conversation {
        Peer::Person(_) => None,
        Peer::Group(group) => Some(group.to_string()),
    }
}

fn list(ids: &[u64]) -> String {
    ids.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use sealpost_core::time::Timestamp;
    use sealpost_messenger::api::{Arrival, PhoneNumber, Trust};

    pub(crate) fn entry(body: api::Body) -> Entry {
        let phone: PhoneNumber = "+4915112345678".parse().unwrap();
        Entry {
            entry: 5,
            conversation: phone.0.into(),
            from: Some(phone),
            message_id: Some(3),
            sent_at: Time(Timestamp::from_unix_secs(0)),
            received_at: None,
            body,
            mentions: Vec::new(),
            reply_to: None,
            edited_at: None,
            reactions: Vec::new(),
            progress: None,
            copies: Vec::new(),
            trust: Some(Trust::FirstUse),
            arrival: None,
            after_gap: false,
            group_name: None,
            written_in: None,
            expires_at: None,
        }
    }

    pub(crate) fn text(text: &str) -> api::Body {
        api::Body::Text { text: text.into() }
    }

    fn json(entry: &Entry) -> Vec<String> {
        let events = Event::of_message(entry);
        events.iter().map(|event| serde_json::to_string(event).unwrap()).collect()
    }

    #[test]
    fn message_is_one_json_object() {
        assert_eq!(
            json(&entry(text("a\n\"b\""))),
            [
                r#"{"type":"message","from":"+4915112345678","id":3,"entry":5,"time":"1970-01-01T00:00:00Z","text":"a\n\"b\"","trust":"first-use"}"#
            ]
        );
    }

    #[test]
    fn gaps_bytes_and_undecryptable_messages_are_printed() {
        let bytes = api::Body::Bytes { hex: "00ff".into() };
        let lines = json(&Entry { after_gap: true, ..entry(bytes) });
        assert_eq!(lines[0], r#"{"type":"gap","from":"+4915112345678","before":3}"#);
        assert!(lines[1].contains(r#""hex":"00ff""#));
        let lines = json(&entry(api::Body::Undecryptable));
        assert!(lines[0].contains(r#""undecryptable":true"#));
    }

    #[test]
    fn message_that_did_not_come_in_order_is_marked() {
        for (arrival, name, mark) in [
            (Arrival::Late, "late", "[late]"),
            (Arrival::FillsGap, "fills-gap", "[late: it was missing]"),
            (Arrival::ReusedId, "reused-id", "[its number was used before"),
        ] {
            let entry = Entry { arrival: Some(arrival), ..entry(text("hi")) };
            let json = json(&entry).remove(0);
            assert!(json.ends_with(&format!(r#""arrival":"{name}"}}"#)), "{json}");
            let text = Event::of_message(&entry)[0].text(&Zone::UTC);
            assert!(text.contains(mark), "{text}");
        }
    }

    #[test]
    fn every_message_says_how_far_its_key_is_trusted() {
        let text = |trust| {
            let entry = Entry { trust: Some(trust), ..entry(text("hi")) };
            Event::of_message(&entry)[0].text(&Zone::UTC)
        };
        let start = "1970-01-01 00:00:00Z  +4915112345678";
        assert_eq!(text(Trust::FirstUse), format!("{start} [not verified]: hi"));
        assert_eq!(text(Trust::Verified), format!("{start} [verified]: hi"));
        assert_eq!(text(Trust::Changed), format!("{start} [by a changed key!]: hi"));
    }
}
