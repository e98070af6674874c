//! Memory of the packets that jobs are working on, for all connections together.

use crate::server::limits::packet_memory;

/// Memory of the packets of sessions that were read and have not taken effect, and of the answers
/// that are being made. What belongs to a session that ends counts until its job is done, because
/// the job holds it.
#[derive(Debug, Default)]
pub(in crate::server) struct Checking(usize);

impl Checking {
    pub(in crate::server) const fn memory(&self) -> usize {
        self.0
    }

    /// A packet begins to be verified, or an answer to be made.
    pub(in crate::server) const fn enter(&mut self, bytes: usize) {
        self.0 += packet_memory(bytes);
    }

    /// A packet has taken effect or was dropped, or an answer was made.
    pub(in crate::server) const fn leave(&mut self, bytes: usize) {
        self.0 -= packet_memory(bytes);
    }
}
