//! The content of a message, as `listen` prints it.

use sealpost_core::client::store::{Content, ReceivedContent};
use sealpost_core::event::{self, EncodedEvent, FileAnswer, GroupRequest, LimitedUint};
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
        /// One line for people.
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
        let (id, (event, text, shown)) = match encoded.event() {
            Ok(event) => (event.id, described(&event.body)),
            Err(unknown) => (unknown.id, ("unknown", None, format!("[{unknown}]"))),
        };
        Self::Event { event, event_id: id.to_string(), text: text.map(str::to_owned), shown }
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

/// Name of an event's type, its text, and a line for people.
fn described(body: &event::Body) -> (&'static str, Option<&str>, String) {
    match body {
        event::Body::Text { text, reply_to } => {
            let mark = if reply_to.is_some() { "[reply] " } else { "" };
            ("text", Some(text.as_str()), format!("{mark}{}", text.as_str()))
        }
        event::Body::Edit { text, .. } => {
            ("edit", Some(text.as_str()), format!("[edits a message] {}", text.as_str()))
        }
        event::Body::Delete { .. } => ("delete", None, "[deletes a message]".to_owned()),
        event::Body::Reaction { emoji: Some(emoji), .. } => {
            ("reaction", Some(emoji.as_str()), format!("[reacts] {}", emoji.as_str()))
        }
        event::Body::Reaction { emoji: None, .. } => {
            ("reaction", None, "[takes a reaction back]".to_owned())
        }
        event::Body::Read { entries } => {
            ("read", None, format!("[has read {}]", entries.as_slice().len()))
        }
        event::Body::Expiry { expiry: Some(seconds) } => {
            ("expiry", None, format!("[messages expire after {} s]", seconds.value()))
        }
        event::Body::Expiry { expiry: None } => {
            ("expiry", None, "[messages don't expire]".to_owned())
        }
        event::Body::FileOffer(offer) => {
            let (name, size) = (offer.name.as_str(), LimitedUint::value(offer.size));
            let caption = offer.caption.as_str();
            let line = format!("[offers the file {name}, {size} bytes] {caption}");
            ("file-offer", Some(caption).filter(|caption| !caption.is_empty()), line)
        }
        event::Body::FilePiece(piece) => {
            ("file-piece", None, format!("[piece {} of a file]", piece.index.value()))
        }
        event::Body::FileAnswer { answer, .. } => {
            let verb = match answer {
                FileAnswer::Accepted { .. } => "accepts",
                FileAnswer::Received => "has received",
                FileAnswer::Refused => "refuses",
                FileAnswer::Cancelled => "cancels",
            };
            ("file-answer", None, format!("[{verb} a file]"))
        }
        event::Body::GroupState(_) => ("group-state", None, "[state of a group]".to_owned()),
        event::Body::GroupRequest { request, .. } => {
            let asks = match request {
                GroupRequest::Leave => "leaves a group",
                GroupRequest::Accept => "accepts the invitation to a group",
                GroupRequest::Decline => "declines the invitation to a group",
                GroupRequest::NewerState => "asks for the newest state of a group",
            };
            ("group-request", None, format!("[{asks}]"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body, and its JSON, of an event in hex.
    fn shown(hex: &str) -> (String, String) {
        let event = EncodedEvent::parse(hex::decode(hex).unwrap().into()).unwrap();
        let body = Body::of(&ReceivedContent::Opened(Content::Event(event)));
        (body.text(), serde_json::to_string(&body).unwrap())
    }

    const ID: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn text_of_an_event_is_shown_like_any_text() {
        let (text, json) = shown(&format!("a300010150{ID}08626869"));
        assert_eq!(text, "hi");
        assert_eq!(json, format!(r#"{{"event":"text","event_id":"{ID}","text":"hi"}}"#));
    }

    #[test]
    fn unknown_event_needs_a_newer_version() {
        let (text, json) = shown(&format!("a3000c0150{ID}0842c0de"));
        assert_eq!(text, "[event of type 12 needs a newer version of this program]");
        assert_eq!(json, format!(r#"{{"event":"unknown","event_id":"{ID}"}}"#));
    }
}
