//! The fields of an event, by their numbers.

use alloc::vec::Vec;

use bytes::Bytes;

use super::{Field, NotAnEvent, Reader, Writer};

/// The map of an event, whose bytes keep to the profile. Fields that nobody asks for are ignored.
pub(in crate::event) struct Fields<'a> {
    whole: &'a Bytes,
}

impl<'a> Fields<'a> {
    /// Takes the bytes if they are a map whose keys are numbers.
    pub(in crate::event) fn of(whole: &'a Bytes) -> Result<Self, NotAnEvent> {
        let mut reader = Reader::new(whole);
        for _ in 0..reader.map()? {
            reader.uint()?;
            reader.skip()?;
        }
        Ok(Self { whole })
    }

    /// Reads a field that must be there.
    pub(in crate::event) fn required<T: Field>(&self, number: u64) -> Result<T, NotAnEvent> {
        self.optional(number)?.ok_or(NotAnEvent)
    }

    /// Reads a field if it is there.
    pub(in crate::event) fn optional<T: Field>(
        &self,
        number: u64,
    ) -> Result<Option<T>, NotAnEvent> {
        let mut reader = Reader::new(self.whole);
        for _ in 0..reader.map()? {
            if reader.uint()? == number {
                return T::read(&mut reader).map(Some);
            }
            reader.skip()?;
        }
        Ok(None)
    }
}

/// The map of an event, as it grows. Fields are put in the order of their numbers.
#[derive(Default)]
pub(in crate::event) struct MapWriter {
    count: u64,
    last: Option<u64>,
    entries: Writer,
}

impl MapWriter {
    pub(in crate::event) fn put(&mut self, number: u64, value: &impl Field) {
        debug_assert!(self.last.is_none_or(|last| last < number), "keys of a map are sorted");
        self.last = Some(number);
        self.count += 1;
        self.entries.uint(number);
        value.write(&mut self.entries);
    }

    /// Puts a field if it has a value.
    pub(in crate::event) fn put_some(&mut self, number: u64, value: Option<&impl Field>) {
        if let Some(value) = value {
            self.put(number, value);
        }
    }

    /// Returns the bytes of the map.
    pub(in crate::event) fn finish(self) -> Vec<u8> {
        let mut map = Writer::default();
        map.map(self.count);
        map.append(&self.entries);
        map.into_bytes()
    }
}
