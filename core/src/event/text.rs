//! Text, and the users whom it mentions.

use core::ops::Range;

use super::cbor::{Field, Reader, Writer};
use super::{LimitedList, LimitedText, NotAnEvent};
use crate::keys::Fingerprint;

/// Text of a message, at most 60,000 bytes of UTF-8.
pub type MessageText = LimitedText<0, 60_000>;

/// A reaction to an entry: usually one emoji, at most 64 bytes of UTF-8.
pub type Emoji = LimitedText<1, 64>;

/// The mentions in a text, in its order.
pub type Mentions = LimitedList<Mention, 1, 64>;

/// Text, with the places in it that mention users.
///
/// Mentions are in the order of the text, do not overlap, are not empty, and begin and end between
/// characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnotatedText {
    text: MessageText,
    mentions: Option<Mentions>,
}

/// A place in a text that stands for a user. On the wire: `[start, length, user]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mention {
    /// Offset of its first byte in the text's UTF-8.
    pub start: u16,
    /// Its length in bytes.
    pub len: u16,
    /// Fingerprint of the user's key.
    pub user: Fingerprint,
}

/// A mention is empty, lies outside of its text or within a character, or overlaps the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mentions are not in order, or not within the text and between its characters")]
pub struct InvalidMentions;

impl AnnotatedText {
    /// Takes a text and its mentions.
    pub fn new(text: MessageText, mentions: Option<Mentions>) -> Result<Self, InvalidMentions> {
        let mut end_before = 0;
        for mention in mentions.iter().flat_map(LimitedList::as_slice) {
            let Range { start, end } = mention.range();
            // `get` is `None` unless both ends are within the text and between characters.
            if start == end || start < end_before || text.as_str().get(start..end).is_none() {
                return Err(InvalidMentions);
            }
            end_before = end;
        }
        Ok(Self { text, mentions })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// The mentions, in the order of the text.
    pub fn mentions(&self) -> &[Mention] {
        self.mentions.as_ref().map_or(&[], LimitedList::as_slice)
    }

    pub(super) const fn text_field(&self) -> &MessageText {
        &self.text
    }

    pub(super) const fn mentions_field(&self) -> Option<&Mentions> {
        self.mentions.as_ref()
    }
}

impl From<MessageText> for AnnotatedText {
    /// Text that mentions nobody.
    fn from(text: MessageText) -> Self {
        Self { text, mentions: None }
    }
}

impl Mention {
    /// The bytes of the text that stand for the user.
    pub fn range(&self) -> Range<usize> {
        let start = usize::from(self.start);
        start..start + usize::from(self.len)
    }
}

impl Field for Mention {
    fn read(reader: &mut Reader<'_>) -> Result<Self, NotAnEvent> {
        reader.array_of(3)?;
        Ok(Self {
            start: Field::read(reader)?,
            len: Field::read(reader)?,
            user: Field::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.array(3);
        self.start.write(writer);
        self.len.write(writer);
        self.user.write(writer);
    }
}
