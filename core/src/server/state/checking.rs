//! Bytes of packets that are being verified, for all connections together.

/// Bytes of the packets of sessions that were read and have not taken effect. A packet whose session
/// ends counts until its job is done, because the job holds it.
#[derive(Debug, Default)]
pub(in crate::server) struct Checking(usize);

impl Checking {
    pub(in crate::server) const fn bytes(&self) -> usize {
        self.0
    }

    /// A packet begins to be verified.
    pub(in crate::server) const fn enter(&mut self, bytes: usize) {
        self.0 += bytes;
    }

    /// Packets have taken effect, or were dropped.
    pub(in crate::server) const fn leave(&mut self, bytes: usize) {
        self.0 -= bytes;
    }
}
