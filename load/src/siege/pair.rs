//! An ordinary sender and an ordinary recipient.

use std::time::{Duration, Instant};

use crate::siege::letters::Letters;
use crate::siege::party::{Arrival, Party};
use crate::siege::phase::Phase;

/// A sender and a recipient, with what they write to each other.
pub(crate) struct Pair {
    pub(crate) sender: Party,
    pub(crate) recipient: Party,
    pub(crate) letters: Letters,
    /// One message back, before anything else: a user who has answered a sender wants to hear from
    /// that sender.
    pub(crate) greeting: Letters,
    /// Whether the recipient is away while the messages are sent.
    pub(crate) is_absent: bool,
    /// How long an absent recipient took to come back, once its mailbox was drained.
    pub(crate) back_after: Option<Duration>,
}

impl Pair {
    pub(crate) const fn new(
        sender: Party,
        recipient: Party,
        letters: Letters,
        greeting: Letters,
        is_absent: bool,
    ) -> Self {
        Self { sender, recipient, letters, greeting, is_absent, back_after: None }
    }

    /// Sends the messages that are due.
    pub(crate) fn send(&mut self, now: Instant) {
        while let Some(packet) = self.letters.send(now) {
            self.sender.queue(packet);
        }
        while let Some(packet) = self.greeting.send(now) {
            self.recipient.queue(packet);
        }
    }

    pub(crate) fn sender_gets(&mut self, arrival: Arrival, at: Instant, phases: &mut [Phase]) {
        match arrival {
            Arrival::Session => self.letters.repeat(),
            Arrival::Drained(_) => {}
            Arrival::Message { from, id, packet } => {
                if from != self.recipient.user.id {
                    self.sender.note_unsolicited(from, id);
                } else if let Some((receipt, _)) = self.greeting.arrive(id, packet.bytes()) {
                    self.sender.queue(receipt);
                }
            }
            Arrival::Receipt { from, receipt } => {
                if from == self.recipient.user.id {
                    self.letters.receipt(&receipt);
                }
            }
            Arrival::Stored(items) => {
                let recipient = self.recipient.user.id;
                let ids = items.into_iter().filter(|(to, _)| *to == recipient).map(|(_, id)| id);
                let is_absent = self.is_absent;
                self.letters.store(ids, |due| {
                    if let Some(phase) = Phase::of(phases, due).filter(|_| is_absent) {
                        phase.stored.record(at.saturating_duration_since(due));
                    }
                });
            }
            Arrival::Error(error) => self.letters.refuse(&error, at),
        }
    }

    pub(crate) fn recipient_gets(&mut self, arrival: Arrival, at: Instant, phases: &mut [Phase]) {
        match arrival {
            Arrival::Session => self.greeting.repeat(),
            Arrival::Drained(after) => self.back_after = Some(after),
            Arrival::Message { from, id, .. } if from != self.sender.user.id => {
                self.recipient.note_unsolicited(from, id);
            }
            Arrival::Message { id, packet, .. } => {
                let Some((receipt, due)) = self.letters.arrive(id, packet.bytes()) else { return };
                self.recipient.queue(receipt);
                if let Some(due) = due.filter(|_| !self.is_absent)
                    && let Some(phase) = Phase::of(phases, due)
                {
                    phase.live.record(at.saturating_duration_since(due));
                }
            }
            Arrival::Receipt { from, receipt } => {
                if from == self.sender.user.id {
                    self.greeting.receipt(&receipt);
                }
            }
            Arrival::Stored(items) => {
                self.greeting.store(items.into_iter().map(|(_, id)| id), |_| {});
            }
            Arrival::Error(error) => self.greeting.refuse(&error, at),
        }
    }
}
