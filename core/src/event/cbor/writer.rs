//! Writes single items in their shortest form.

use alloc::vec::Vec;

use minicbor::Encoder;

/// Bytes of an event, as they grow. Writing to memory does not fail, so no result is looked at.
#[derive(Default)]
pub(in crate::event) struct Writer(Vec<u8>);

impl Writer {
    pub(in crate::event) fn uint(&mut self, number: u64) {
        let _ = Encoder::new(&mut self.0).u64(number);
    }

    pub(in crate::event) fn text(&mut self, text: &str) {
        let _ = Encoder::new(&mut self.0).str(text);
    }

    pub(in crate::event) fn bytes(&mut self, bytes: &[u8]) {
        let _ = Encoder::new(&mut self.0).bytes(bytes);
    }

    /// Writes the head of an array.
    pub(in crate::event) fn array(&mut self, count: usize) {
        let _ = Encoder::new(&mut self.0).array(count as u64);
    }

    /// Writes the head of a map.
    pub(super) fn map(&mut self, count: u64) {
        let _ = Encoder::new(&mut self.0).map(count);
    }

    /// Appends what another writer has written.
    pub(super) fn append(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
