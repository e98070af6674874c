//! The content of a message, as `listen` prints it.

use sealpost_core::client::store::{Content, ReceivedContent};
use sealpost_core::event::{self, EncodedEvent, FileAnswer, GroupRequest};
use serde::Serialize;

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
    /// An event.
    Event {
        /// Name of its type; `unknown` if it needs a newer version.
        event: &'static str,
        /// Id of the event, in hex.
        event_id: String,
        /// Its text, caption or reaction; left out where it has none.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// What it does, for people. It has nothing in it that the sender wrote, and is shown where
        /// the sender can't write, so that no text looks like an event.
        #[serde(skip)]
        mark: String,
        /// What the sender wrote, for people.
        #[serde(skip)]
        shown: String,
    },
    /// The content could not be decrypted. The field is always true.
    Undecryptable {
        undecryptable: bool,
    },
}

impl Body {
    pub(crate) fn of(content: &ReceivedContent) -> Self {
        match content {
            ReceivedContent::Opened(Content::Text(text)) => Self::Text { text: text.clone() },
            ReceivedContent::Opened(Content::Bytes(bytes)) => {
                Self::Bytes { hex: hex::encode(bytes) }
            }
            ReceivedContent::Opened(Content::Event(event)) => Self::of_event(event),
            ReceivedContent::Undecryptable => Self::Undecryptable { undecryptable: true },
        }
    }

    fn of_event(encoded: &EncodedEvent) -> Self {
        let (id, event, mark, text) = match encoded.event() {
            Ok(event) => (event.id, name(&event.body), mark(&event.body), text(&event.body)),
            Err(unknown) => (unknown.id, "unknown", format!(" [{unknown}]"), None),
        };
        let shown = match encoded.event().map(|event| &event.body) {
            Ok(event::Body::FileOffer(offer)) => {
                format!("{} {}", offer.name.as_str(), offer.caption.as_str()).trim_end().to_owned()
            }
            Ok(_) | Err(_) => text.unwrap_or_default().to_owned(),
        };
        let text = text.map(str::to_owned);
        Self::Event { event, event_id: id.to_string(), text, mark, shown }
    }

    /// What stands before the colon of a line for people.
    pub(crate) fn mark(&self) -> &str {
        match self {
            Self::Event { mark, .. } => mark,
            Self::Text { .. } | Self::Bytes { .. } | Self::Undecryptable { .. } => "",
        }
    }

    /// The content as a person reads it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Text { text } => text.clone(),
            Self::Bytes { hex } => format!("[bytes] {hex}"),
            Self::Event { shown, .. } => shown.clone(),
            Self::Undecryptable { .. } => "[this message can't be decrypted]".to_owned(),
        }
    }
}

/// Name of an event's type.
const fn name(body: &event::Body) -> &'static str {
    match body {
        event::Body::Text { .. } => "text",
        event::Body::Edit { .. } => "edit",
        event::Body::Delete { .. } => "delete",
        event::Body::Reaction { .. } => "reaction",
        event::Body::Read { .. } => "read",
        event::Body::Expiry { .. } => "expiry",
        event::Body::FileOffer(_) => "file-offer",
        event::Body::FilePiece(_) => "file-piece",
        event::Body::FileAnswer { .. } => "file-answer",
        event::Body::GroupState(_) => "group-state",
        event::Body::GroupRequest { .. } => "group-request",
    }
}

/// Text of an event: a caption or a reaction, too.
fn text(body: &event::Body) -> Option<&str> {
    match body {
        event::Body::Text { text, .. } | event::Body::Edit { text, .. } => Some(text.as_str()),
        event::Body::Reaction { emoji, .. } => emoji.as_ref().map(event::Emoji::as_str),
        event::Body::FileOffer(offer) => {
            Some(offer.caption.as_str()).filter(|text| !text.is_empty())
        }
        event::Body::Delete { .. }
        | event::Body::Read { .. }
        | event::Body::Expiry { .. }
        | event::Body::FilePiece(_)
        | event::Body::FileAnswer { .. }
        | event::Body::GroupState(_)
        | event::Body::GroupRequest { .. } => None,
    }
}

/// What an event does, for people; empty for a text that is no reply.
fn mark(body: &event::Body) -> String {
    let does = match body {
        event::Body::Text { reply_to: None, .. } => return String::new(),
        event::Body::Text { reply_to: Some(_), .. } => "replies",
        event::Body::Edit { .. } => "edits a message",
        event::Body::Delete { .. } => "deletes a message",
        event::Body::Reaction { emoji: Some(_), .. } => "reacts to a message",
        event::Body::Reaction { emoji: None, .. } => "takes a reaction back",
        event::Body::Read { entries } => {
            return format!(" [has read messages: {}]", entries.as_slice().len());
        }
        event::Body::Expiry { expiry: Some(seconds) } => {
            return format!(" [messages expire after {} s]", seconds.value());
        }
        event::Body::Expiry { expiry: None } => "messages don't expire",
        event::Body::FileOffer(offer) => {
            return format!(" [offers a file of {} bytes]", offer.size.value());
        }
        event::Body::FilePiece(piece) => {
            return format!(" [piece {} of a file]", piece.index.value());
        }
        event::Body::FileAnswer { answer, .. } => match answer {
            FileAnswer::Accepted { .. } => "accepts a file",
            FileAnswer::Received => "has received a file",
            FileAnswer::Refused => "refuses a file",
            FileAnswer::Cancelled => "cancels a file",
        },
        event::Body::GroupState(_) => "state of a group",
        event::Body::GroupRequest { request, .. } => match request {
            GroupRequest::Leave => "leaves a group",
            GroupRequest::Accept => "accepts the invitation to a group",
            GroupRequest::Decline => "declines the invitation to a group",
            GroupRequest::NewerState => "asks for the newest state of a group",
        },
    };
    format!(" [{does}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event in hex as a line for people, and as JSON.
    fn shown(hex: &str) -> (String, String) {
        let event = EncodedEvent::parse(hex::decode(hex).unwrap().into()).unwrap();
        let body = Body::of(&ReceivedContent::Opened(Content::Event(event)));
        (format!("{}: {}", body.mark(), body.text()), serde_json::to_string(&body).unwrap())
    }

    const ID: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn text_of_an_event_is_shown_like_any_text() {
        let (line, json) = shown(&format!("a300010150{ID}08626869"));
        assert_eq!(line, ": hi");
        assert_eq!(json, format!(r#"{{"event":"text","event_id":"{ID}","text":"hi"}}"#));
    }

    #[test]
    fn what_an_event_does_is_shown_where_its_sender_can_not_write() {
        let reference = format!("825820{}01", "05".repeat(32));
        let (line, json) = shown(&format!("a400020150{ID}0862686909{reference}"));
        assert_eq!(line, " [edits a message]: hi");
        assert_eq!(json, format!(r#"{{"event":"edit","event_id":"{ID}","text":"hi"}}"#));
    }

    #[test]
    fn unknown_event_needs_a_newer_version() {
        let (line, json) = shown(&format!("a3000c0150{ID}0842c0de"));
        assert_eq!(line, " [event of type 12 needs a newer version of this program]: ");
        assert_eq!(json, format!(r#"{{"event":"unknown","event_id":"{ID}"}}"#));
    }
}
