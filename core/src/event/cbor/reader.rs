//! Reads single items of bytes that keep to the profile.

use bytes::Bytes;
use minicbor::Decoder;
use minicbor::data::Type;

use super::NotAnEvent;

/// A place in the bytes of an event. Any failure means that the field is not of its type.
pub(in crate::event) struct Reader<'a> {
    whole: &'a Bytes,
    decoder: Decoder<'a>,
}

impl<'a> Reader<'a> {
    /// Reads from the start of an event.
    pub(in crate::event) fn new(whole: &'a Bytes) -> Self {
        Self { whole, decoder: Decoder::new(whole) }
    }

    pub(in crate::event) fn uint(&mut self) -> Result<u64, NotAnEvent> {
        Ok(self.decoder.u64()?)
    }

    pub(in crate::event) fn text(&mut self) -> Result<&'a str, NotAnEvent> {
        Ok(self.decoder.str()?)
    }

    /// Reads a byte string of exactly this length.
    pub(in crate::event) fn array_of_bytes<const N: usize>(
        &mut self,
    ) -> Result<[u8; N], NotAnEvent> {
        self.decoder.bytes()?.try_into().map_err(|_| NotAnEvent)
    }

    /// Reads a byte string without copying it.
    pub(in crate::event) fn shared_bytes(&mut self) -> Result<Bytes, NotAnEvent> {
        Ok(self.whole.slice_ref(self.decoder.bytes()?))
    }

    /// Reads the head of an array. Returns the number of its items.
    pub(in crate::event) fn array(&mut self) -> Result<usize, NotAnEvent> {
        let count = self.decoder.array()?.ok_or(NotAnEvent)?;
        count.try_into().map_err(|_| NotAnEvent)
    }

    /// Reads the head of an array that has exactly this many items.
    pub(in crate::event) fn array_of(&mut self, expected: usize) -> Result<(), NotAnEvent> {
        if self.array()? == expected { Ok(()) } else { Err(NotAnEvent) }
    }

    /// Whether the next item is a byte string.
    pub(in crate::event) fn is_bytes(&self) -> bool {
        matches!(self.decoder.datatype(), Ok(Type::Bytes))
    }

    /// Reads the head of a map. Returns the number of its entries.
    pub(super) fn map(&mut self) -> Result<u64, NotAnEvent> {
        self.decoder.map()?.ok_or(NotAnEvent)
    }

    /// Passes over one item.
    pub(super) fn skip(&mut self) -> Result<(), NotAnEvent> {
        Ok(self.decoder.skip()?)
    }
}
