//! Bytes that are an event.

use alloc::boxed::Box;
use core::fmt;

use bytes::Bytes;

use super::cbor::{Fields, NotAnEvent, check_profile};
use super::{Event, UnknownEvent, kinds};
use crate::wire::Inner;

/// An event as it is in a message: the bytes, and what they say. The bytes stay as they came, so
/// that a newer version can read from the store what this one ignored.
#[derive(Clone)]
pub struct EncodedEvent {
    bytes: Bytes,
    event: Box<Result<Event, UnknownEvent>>,
}

impl EncodedEvent {
    /// Encodes an event. Every event fits a message.
    pub fn new(event: Event) -> Self {
        let bytes = Bytes::from(kinds::write(&event));
        debug_assert!(bytes.len() <= Inner::MAX_CONTENT, "the bounds of fields leave room");
        Self { bytes, event: Box::new(Ok(event)) }
    }

    /// Parses the content of a message of kind 2.
    pub fn parse(bytes: Bytes) -> Result<Self, NotAnEvent> {
        if bytes.len() > Inner::MAX_CONTENT {
            return Err(NotAnEvent);
        }
        check_profile(&bytes)?;
        let event = Box::new(kinds::read(&Fields::of(&bytes)?)?);
        Ok(Self { bytes, event })
    }

    /// What the event says, or that it needs a newer version.
    pub const fn event(&self) -> Result<&Event, &UnknownEvent> {
        match &*self.event {
            Ok(event) => Ok(event),
            Err(unknown) => Err(unknown),
        }
    }

    /// The bytes, as they are in the message.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl PartialEq for EncodedEvent {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for EncodedEvent {}

impl fmt::Debug for EncodedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event({} bytes)", self.bytes.len())
    }
}
