//! Values that are parts of an event.

use super::{NotAnEvent, Reader, Writer};
use crate::keys::Fingerprint;

/// A value that is part of an event.
pub(in crate::event) trait Field: Sized {
    /// Reads the value.
    fn read(reader: &mut Reader<'_>) -> Result<Self, NotAnEvent>;
    /// Writes the value, in the form that [`Field::read`] reads.
    fn write(&self, writer: &mut Writer);
}

impl Field for u64 {
    fn read(reader: &mut Reader<'_>) -> Result<Self, NotAnEvent> {
        reader.uint()
    }

    fn write(&self, writer: &mut Writer) {
        writer.uint(*self);
    }
}

impl Field for u16 {
    fn read(reader: &mut Reader<'_>) -> Result<Self, NotAnEvent> {
        reader.uint()?.try_into().map_err(|_| NotAnEvent)
    }

    fn write(&self, writer: &mut Writer) {
        writer.uint((*self).into());
    }
}

impl<const N: usize> Field for [u8; N] {
    fn read(reader: &mut Reader<'_>) -> Result<Self, NotAnEvent> {
        reader.array_of_bytes()
    }

    fn write(&self, writer: &mut Writer) {
        writer.bytes(self);
    }
}

impl Field for Fingerprint {
    fn read(reader: &mut Reader<'_>) -> Result<Self, NotAnEvent> {
        reader.array_of_bytes().map(Self)
    }

    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.0);
    }
}
