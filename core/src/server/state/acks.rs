//! Acknowledgements to a sender whose messages are stored.

use alloc::collections::VecDeque;

use crate::frame::{Durable, Verified};
use crate::ids::{MessageId, UserId};
use crate::wire::{ItemId, Packet, StoredAck};

/// Acknowledgements that wait to be sent. While one packet of them is being sealed and signed, the
/// next ones gather and go out together, because nearly all of a packet's cost is its signature.
#[derive(Debug, Default)]
pub(in crate::server) struct Acks {
    waiting: VecDeque<(UserId, MessageId)>,
    sealing: bool,
}

impl Acks {
    pub(super) const fn new() -> Self {
        Self { waiting: VecDeque::new(), sealing: false }
    }

    /// Acknowledges a message. It takes the proof that the message is durable, because an
    /// acknowledged message must never be lost.
    pub(in crate::server) fn push(&mut self, stored: &Durable<Verified<Packet>>) {
        let packet = stored.get().get();
        let id = ItemId::of(packet).map(|item| MessageId(item.id));
        self.waiting.extend(packet.header().recipient.zip(id));
    }

    /// Takes the acknowledgements for the next packet, at most `limit`, unless a packet is being
    /// sealed.
    pub(in crate::server) fn next_batch(&mut self, limit: usize) -> Option<StoredAck> {
        if self.sealing || self.waiting.is_empty() {
            return None;
        }
        self.sealing = true;
        let count = self.waiting.len().min(limit);
        let items = self.waiting.drain(..count).collect();
        if self.waiting.is_empty() {
            // An idle session holds no buffer.
            self.waiting = VecDeque::new();
        }
        Some(StoredAck { items })
    }

    /// The packet was sealed, or could not be.
    pub(in crate::server) const fn sealed(&mut self) {
        self.sealing = false;
    }

    /// Count of the acknowledgements that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(in crate::server) const fn is_sealing(&self) -> bool {
        self.sealing
    }

    pub(in crate::server) fn is_idle(&self) -> bool {
        !self.sealing && self.waiting.is_empty()
    }
}
