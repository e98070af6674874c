//! What a server has counted since its start, for metrics.

use crate::wire::{ErrorCode, ItemKind, Op, Packet};

/// Counts since the start of a server. They only grow, and name nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets from clients, whatever became of them.
    pub received: Tally,
    /// Packets to clients.
    pub sent: Tally,
    /// Bytes from clients. Over TLS these are the bytes inside it.
    pub received_bytes: u64,
    /// Bytes to clients, in the same way.
    pub sent_bytes: u64,
    /// Packets whose signature, and whose sealed part if it was opened, were good.
    pub accepted: u64,
    /// Packets whose signature or sealed part was not.
    pub rejected: u64,
    /// Messages on their way to their recipients.
    pub messages: ItemCounts,
    /// Receipts on their way to the senders of the messages.
    pub receipts: ItemCounts,
    /// Errors that clients were answered with.
    pub errors: Tally,
    /// One-time passwords that were offered: each 200, also one that repeats an earlier one.
    pub otps_offered: u64,
    /// One-time passwords that the host could not deliver.
    pub otps_undelivered: u64,
    /// Requests for a one-time password that a limit refused.
    pub otps_refused: u64,
    /// Wrong guesses at one-time passwords.
    pub wrong_guesses: u64,
    /// Accounts that were created.
    pub registrations: u64,
    /// Sessions that began.
    pub sessions_begun: u64,
    /// Connections that were closed because no session began in time.
    pub too_slow: u64,
    /// Connections that were closed because the client took nothing of what waited for it.
    pub unresponsive: u64,
    /// Store operations that failed.
    pub store_failures: u64,
}

/// Counts of messages or of receipts. One item may count more than once: stored, and later drained in
/// one session after another until it is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ItemCounts {
    /// Sent to a live recipient at once.
    pub forwarded: u64,
    /// Stored.
    pub stored: u64,
    /// Sent from the store.
    pub drained: u64,
}

/// Counts by a byte on the wire: by operation, or by error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally([u64; CODES]);

impl Tally {
    /// Count of this operation.
    pub fn of(&self, op: Op) -> u64 {
        self.at(op.code())
    }

    /// Count of this error.
    pub fn of_error(&self, error: ErrorCode) -> u64 {
        self.at(error.code())
    }

    /// Sum of all counts.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(super) fn add(&mut self, code: u8) {
        if let Some(count) = self.0.get_mut(usize::from(code)) {
            *count += 1;
        }
    }

    fn at(&self, code: u8) -> u64 {
        self.0.get(usize::from(code)).copied().unwrap_or(0)
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self([0; CODES])
    }
}

impl Counters {
    pub(super) fn received(&mut self, packet: &Packet) {
        self.received.add(packet.op().code());
    }

    pub(super) fn sent(&mut self, op: Op, len: usize) {
        self.sent.add(op.code());
        self.sent_bytes += len as u64;
    }

    /// Counts a verification by its result.
    pub(super) const fn judged<T, E>(&mut self, judged: &Result<T, E>) {
        match judged {
            Ok(_) => self.accepted += 1,
            Err(_) => self.rejected += 1,
        }
    }

    /// The counts of messages or of receipts.
    pub(super) const fn items(&mut self, kind: ItemKind) -> &mut ItemCounts {
        match kind {
            ItemKind::Message => &mut self.messages,
            ItemKind::Receipt => &mut self.receipts,
        }
    }
}

/// Every byte that there is.
const CODES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_count_of_its_own() {
        let mut tally = Tally::default();
        for code in 0..=u8::MAX {
            tally.add(code);
        }
        tally.add(Op::NoMoreMessages.code());
        assert_eq!((tally.of(Op::NoMoreMessages), tally.of(Op::Register)), (2, 1));
        assert_eq!((tally.of_error(ErrorCode::Malformed), tally.total()), (1, 257));
    }
}
