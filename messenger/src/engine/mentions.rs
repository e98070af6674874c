//! Mentions: places of a text that stand for people (PROTOCOL 5.4). They are counted in characters by
//! the interface and in bytes on the wire, and name phone numbers here and keys there.

use std::ops::Range;

use sealpost_core::event::{self, AnnotatedText, EncodedEvent, Mentions};
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;

use super::core::Core;
use super::methods::sending::message_text;
use crate::api::{ApiError, ErrorKind, Mention, PhoneNumber};

impl Core {
    /// A text of ours, with the people whom it mentions.
    pub(super) fn annotated(
        &self,
        text: &str,
        mentions: &[Mention],
    ) -> Result<AnnotatedText, ApiError> {
        annotated(text, mentions, |phone| self.key_of_known(phone))
    }

    /// The key of a phone number: that of a contact, of a member of a group, or our own.
    fn key_of_known(&self, phone: Phone) -> Result<Fingerprint, ApiError> {
        if phone == self.identity.phone {
            return Ok(*self.public_key.fingerprint());
        }
        let contacts = self.contacts()?;
        if let Some(contact) = contacts.iter().find(|contact| contact.phone == phone) {
            return Ok(*contact.pinned.public_key.fingerprint());
        }
        let members = self.members.phones();
        let member = members.into_iter().find(|(_, member)| *member == phone);
        member.map(|(key, _)| key).ok_or_else(|| {
            ErrorKind::NotFound.error(format_args!(
                "{phone} can't be mentioned: it is nobody's whose key is known"
            ))
        })
    }
}

fn annotated(
    text: &str,
    mentions: &[Mention],
    key_of: impl Fn(Phone) -> Result<Fingerprint, ApiError>,
) -> Result<AnnotatedText, ApiError> {
    let message = message_text(text)?;
    if mentions.is_empty() {
        return Ok(message.into());
    }
    if mentions.len() > MENTIONS_MAX {
        return Err(invalid(format_args!(
            "a message mentions people {MENTIONS_MAX} times at most"
        )));
    }
    let mut annotations = mentions
        .iter()
        .map(|mention| {
            let Some(PhoneNumber(phone)) = mention.number else {
                return Err(invalid("a mention needs the number of a person"));
            };
            let range = bytes(text, mention).ok_or_else(not_in_text)?;
            let short = |length: usize| u16::try_from(length).map_err(|_| not_in_text());
            let (start, len) = (short(range.start)?, short(range.len())?);
            Ok(event::Mention { start, len, user: key_of(phone)? })
        })
        .collect::<Result<Vec<_>, ApiError>>()?;
    annotations.sort_by_key(|mention| mention.start);
    let annotations = Mentions::new(annotations).map_err(ApiError::internal)?;
    AnnotatedText::new(message, Some(annotations)).map_err(|_| not_in_text())
}

/// Whether a text or its latest edit mentions somebody.
pub(super) fn has_some(event: Option<&EncodedEvent>) -> bool {
    text(event).is_some_and(|text| !text.mentions().is_empty())
}

/// The people whom a text or its latest edit mentions.
pub(super) fn shown(
    event: Option<&EncodedEvent>,
    phone_of: impl Fn(&Fingerprint) -> Option<Phone>,
) -> Vec<Mention> {
    let Some(text) = text(event) else { return Vec::new() };
    let chars = |range: Range<usize>| {
        let count = text.as_str().get(range).unwrap_or_default().chars().count();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    let mentions = text.mentions().iter().map(|mention| {
        let range = mention.range();
        Mention {
            start: chars(0..range.start),
            length: chars(range),
            number: phone_of(&mention.user).map(PhoneNumber),
        }
    });
    mentions.collect()
}

/// The text of an event, if it has one that people read.
fn text(event: Option<&EncodedEvent>) -> Option<&AnnotatedText> {
    let body = &event?.event().ok()?.body;
    let (event::Body::Text { text, .. } | event::Body::Edit { text, .. }) = body else {
        return None;
    };
    Some(text)
}

/// The bytes of a text that a mention covers.
fn bytes(text: &str, mention: &Mention) -> Option<Range<usize>> {
    let ends = || text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let at = |chars: u32| ends().nth(usize::try_from(chars).ok()?);
    Some(at(mention.start)?..at(mention.start.checked_add(mention.length)?)?)
}

fn not_in_text() -> ApiError {
    invalid("mentions must be places of the message that are not empty and do not overlap")
}

fn invalid(why: impl std::fmt::Display) -> ApiError {
    ErrorKind::InvalidParams.error(why)
}

/// Most mentions in a message.
const MENTIONS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use sealpost_core::event::{Event, EventId};

    use super::*;

    const BOB: &str = "+4915187654321";

    fn mention(start: u32, length: u32) -> Mention {
        Mention { start, length, number: Some(BOB.parse().unwrap()) }
    }

    fn told(text: &str, mentions: &[Mention]) -> Result<AnnotatedText, ApiError> {
        annotated(text, mentions, |_| Ok(Fingerprint([7; 32])))
    }

    #[test]
    fn mentions_are_characters_here_and_bytes_on_the_wire() {
        let text = told("Grüße, @Bob und @Bob!", &[mention(16, 4), mention(7, 4)]);
        let text = text.unwrap();
        let named = |mention: &event::Mention| text.as_str().get(mention.range()) == Some("@Bob");
        assert!(text.mentions().iter().all(named));
        let body = event::Body::Text { text: text.clone(), reply_to: None };
        let event = Event { id: EventId([1; 16]), group: None, expiry: None, body };
        let known = |key: &Fingerprint| (key.0 == [7; 32]).then(|| BOB.parse().unwrap());
        let encoded = EncodedEvent::new(event);
        assert_eq!(shown(Some(&encoded), known), [mention(7, 4), mention(16, 4)]);
        let nobody = shown(Some(&encoded), |_| None);
        assert!(nobody.iter().all(|mention| mention.number.is_none()));
    }

    #[test]
    fn what_is_no_place_of_the_text_is_refused() {
        for wrong in [
            vec![mention(0, 0)],
            vec![mention(2, 3)],
            vec![mention(u32::MAX, 2)],
            vec![mention(0, 3), mention(2, 1)],
            vec![Mention { number: None, ..mention(0, 1) }],
            vec![mention(0, 1); 65],
        ] {
            let error = told("@Bob", &wrong).unwrap_err();
            assert_eq!(error.kind(), Some(ErrorKind::InvalidParams), "{wrong:?}");
        }
        assert!(told("@Bob", &[mention(0, 4)]).is_ok());
    }
}
