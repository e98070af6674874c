//! Texts as contents of messages, plain or in an event.

use sealpost_core::client::store::Content;
use sealpost_core::event::{Body, EncodedEvent, Event, EventId, MessageText};

/// The text in a content, if it has one.
pub fn text_of(content: &Content) -> Option<&str> {
    match content {
        Content::Text(text) => Some(text),
        Content::Bytes(_) => None,
        Content::Event(encoded) => match &encoded.event().ok()?.body {
            Body::Text { text, .. } => Some(text.as_str()),
            _ => None,
        },
    }
}

/// A text in an event with an id made of this number; `None` if it is too long for one.
pub fn text_event(number: u64, text: &str) -> Option<Content> {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    let body = Body::Text { text: MessageText::new(text).ok()?.into(), reply_to: None };
    let event = Event { id: EventId(id), group: None, expiry: None, body };
    Some(Content::Event(EncodedEvent::new(event)))
}
