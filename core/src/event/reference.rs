//! References to entries of a conversation.

use super::cbor::{Field, Reader, Writer};
use super::{EventId, LimitedList, NotAnEvent};
use crate::ids::MessageId;
use crate::keys::Fingerprint;

/// Names an entry of a conversation by its author and the author's number for it. On the wire:
/// `[author, target]`.
///
/// The author is known by a key, because phone numbers change hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Fingerprint of the author's key.
    pub author: Fingerprint,
    /// The author's id for the entry.
    pub target: Target,
}

/// The entries that a read receipt names.
pub type References = LimitedList<Reference, 1, 256>;

/// The author's id for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// An event. On the wire 16 bytes.
    Event(EventId),
    /// A message of kind 0 or 1, which has no event id. On the wire a number, never 0.
    Message(MessageId),
}

impl Field for Reference {
    fn read(reader: &mut Reader<'_>) -> Result<Self, NotAnEvent> {
        reader.array_of(2)?;
        Ok(Self { author: Field::read(reader)?, target: Field::read(reader)? })
    }

    fn write(&self, writer: &mut Writer) {
        writer.array(2);
        self.author.write(writer);
        self.target.write(writer);
    }
}

impl Field for Target {
    fn read(reader: &mut Reader<'_>) -> Result<Self, NotAnEvent> {
        if reader.is_bytes() {
            return Field::read(reader).map(Self::Event);
        }
        match reader.uint()? {
            0 => Err(NotAnEvent),
            id => Ok(Self::Message(MessageId(id))),
        }
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Event(id) => id.write(writer),
            Self::Message(id) => writer.uint(id.0),
        }
    }
}
