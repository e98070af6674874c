//! Text, bytes, numbers and lists whose bounds are part of their types.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::NotAnEvent;
use super::cbor::{Field, Reader, Writer};

/// A number, or the length of a text or a list, is out of its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{actual} is not from {min} to {max}")]
pub struct OutOfBounds {
    /// Number or length that was refused.
    pub actual: u64,
    /// Smallest one allowed.
    pub min: u64,
    /// Largest one allowed.
    pub max: u64,
}

impl From<OutOfBounds> for NotAnEvent {
    fn from(_: OutOfBounds) -> Self {
        Self
    }
}

/// Text of `MIN` to `MAX` bytes of UTF-8. `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq)]
pub struct LimitedText<const MIN: usize, const MAX: usize>(String);

impl<const MIN: usize, const MAX: usize> LimitedText<MIN, MAX> {
    /// Takes text within the bounds.
    pub fn new(text: impl Into<String>) -> Result<Self, OutOfBounds> {
        let text = text.into();
        within(text.len(), MIN, MAX)?;
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Default for LimitedText<0, MAX> {
    fn default() -> Self {
        Self(String::new())
    }
}

impl<const MIN: usize, const MAX: usize> Field for LimitedText<MIN, MAX> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, NotAnEvent> {
        let text = reader.text()?;
        within(text.len(), MIN, MAX)?;
        Ok(Self(text.into()))
    }

    fn write(&self, writer: &mut Writer) {
        writer.text(&self.0);
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Debug for LimitedText<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

/// `MIN` to `MAX` bytes, which share the memory of the message that they came in. `Debug` shows
/// their number only.
#[derive(Clone, PartialEq, Eq)]
pub struct LimitedBytes<const MIN: usize, const MAX: usize>(Bytes);

impl<const MIN: usize, const MAX: usize> LimitedBytes<MIN, MAX> {
    /// Takes bytes within the bounds.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, OutOfBounds> {
        let bytes = bytes.into();
        within(bytes.len(), MIN, MAX)?;
        Ok(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> Field for LimitedBytes<MIN, MAX> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, NotAnEvent> {
        Ok(Self::new(reader.shared_bytes()?)?)
    }

    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.0);
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Debug for LimitedBytes<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({})", self.0.len())
    }
}

/// A number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitedUint<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> LimitedUint<MIN, MAX> {
    /// Takes a number within the bounds.
    pub const fn new(number: u64) -> Result<Self, OutOfBounds> {
        if number < MIN || number > MAX {
            return Err(OutOfBounds { actual: number, min: MIN, max: MAX });
        }
        Ok(Self(number))
    }

    /// The number.
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl From<u32> for LimitedUint<0, { 1 << 40 }> {
    fn from(number: u32) -> Self {
        Self(number.into())
    }
}

impl<const MIN: u64, const MAX: u64> Field for LimitedUint<MIN, MAX> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, NotAnEvent> {
        Ok(Self::new(reader.uint()?)?)
    }

    fn write(&self, writer: &mut Writer) {
        writer.uint(self.0);
    }
}

/// A list of `MIN` to `MAX` items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitedList<T, const MIN: usize, const MAX: usize>(Vec<T>);

impl<T, const MIN: usize, const MAX: usize> LimitedList<T, MIN, MAX> {
    /// Takes a list with a number of items within the bounds.
    pub fn new(items: Vec<T>) -> Result<Self, OutOfBounds> {
        within(items.len(), MIN, MAX)?;
        Ok(Self(items))
    }

    /// The items.
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }
}

impl<T: Field, const MIN: usize, const MAX: usize> Field for LimitedList<T, MIN, MAX> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, NotAnEvent> {
        let count = reader.array()?;
        // Bounded before memory is taken: an item in memory is larger than on the wire.
        within(count, MIN, MAX)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(T::read(reader)?);
        }
        Ok(Self(items))
    }

    fn write(&self, writer: &mut Writer) {
        writer.array(self.0.len());
        for item in &self.0 {
            item.write(writer);
        }
    }
}

/// Checks a number against its bounds.
fn within(actual: usize, min: usize, max: usize) -> Result<(), OutOfBounds> {
    if (min..=max).contains(&actual) {
        return Ok(());
    }
    Err(OutOfBounds { actual: actual as u64, min: min as u64, max: max as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::References;

    #[test]
    fn a_list_is_counted_before_memory_is_taken_for_it() {
        // 2^63 - 1 items, and one more than allowed.
        let endless = [0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        for bytes in [&endless[..], &[0x99, 1, 1]] {
            let bytes = Bytes::copy_from_slice(bytes);
            assert_eq!(References::read(&mut Reader::new(&bytes)), Err(NotAnEvent));
        }
    }
}
