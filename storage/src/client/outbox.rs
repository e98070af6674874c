//! Counts of sent messages.

use sealpost_core::client::store::Status;

/// Number of messages that we sent, by [`Status`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    /// Not acknowledged yet, or not even sealed.
    pub queued: u64,
    /// Durable at the server.
    pub stored: u64,
    /// Acknowledged by the recipient's signature.
    pub delivered: u64,
    /// Abandoned.
    pub failed: u64,
}

impl OutboxCounts {
    /// Counts in `messages` more with this status. Saturates, because no disk holds 2^64 messages.
    pub(super) const fn add(&mut self, status: Status, messages: u64) {
        let counter = match status {
            Status::Queued => &mut self.queued,
            Status::Stored => &mut self.stored,
            Status::Delivered => &mut self.delivered,
            Status::Failed(_) => &mut self.failed,
        };
        *counter = counter.saturating_add(messages);
    }
}
