//! What the store has to record, until it has.

use alloc::vec::Vec;

use super::count::Count;
use crate::client::store::{ClientOp, Failure};
use crate::ids::{MessageId, UserId};
use crate::time::Mono;
use crate::wire::InReplyTo;

/// Facts that nobody tells us a second time. If the store fails to record them, they wait here and
/// are offered again after a pause.
#[derive(Debug)]
pub(in crate::client) struct Unrecorded {
    /// Operations that record ids and keys, ours and others': those under way, and those that
    /// failed.
    pinning: Count,
    pins: Vec<ClientOp>,
    /// Messages that the server holds.
    stored: Vec<(UserId, MessageId)>,
    /// Messages that were given up: operations under way, and those that failed.
    failing: Count,
    failed: Vec<(Vec<MessageId>, Failure)>,
    /// Packets of messages that were stored, and that the server can't deliver any more: those under
    /// way, and those to be marked.
    marking: Count,
    undeliverable: Vec<InReplyTo>,
    /// Operations that can wait do so until then.
    rests_until: Mono,
}

impl Unrecorded {
    pub(in crate::client) const fn new() -> Self {
        Self {
            pinning: Count::ZERO,
            pins: Vec::new(),
            stored: Vec::new(),
            failing: Count::ZERO,
            failed: Vec::new(),
            marking: Count::ZERO,
            undeliverable: Vec::new(),
            rests_until: Mono(0),
        }
    }

    /// The store is asked to record who somebody is.
    pub(in crate::client) const fn pin_asked(&mut self) {
        self.pinning.take(1);
    }

    /// The store has recorded who somebody is.
    pub(in crate::client) const fn pin_recorded(&mut self) {
        self.pinning.release(1);
    }

    /// The store failed to record who somebody is.
    pub(in crate::client) fn pin_failed(&mut self, op: ClientOp) {
        self.pinning.release(1);
        self.pins.push(op);
    }

    /// Operations to be repeated.
    pub(in crate::client) fn take_pins(&mut self) -> Vec<ClientOp> {
        core::mem::take(&mut self.pins)
    }

    /// Whether the store has recorded who we and all others are.
    pub(in crate::client) const fn all_pinned(&self) -> bool {
        self.pinning.get() == 0 && self.pins.is_empty()
    }

    /// Count of pin operations under way.
    pub(in crate::client) const fn pinning(&self) -> usize {
        self.pinning.get()
    }

    /// The server holds these messages.
    pub(in crate::client) fn add_stored(&mut self, messages: Vec<(UserId, MessageId)>) {
        self.stored.extend(messages);
    }

    /// Messages to be marked as stored.
    pub(in crate::client) fn take_stored(&mut self) -> Vec<(UserId, MessageId)> {
        core::mem::take(&mut self.stored)
    }

    /// The store is asked to record that messages were given up.
    pub(in crate::client) const fn failure_asked(&mut self) {
        self.failing.take(1);
    }

    /// The store has answered whether it recorded that.
    pub(in crate::client) const fn failure_ended(&mut self) {
        self.failing.release(1);
    }

    /// Count of operations under way that record that messages were given up.
    pub(in crate::client) const fn failing(&self) -> usize {
        self.failing.get()
    }

    /// Whether the store has yet to record that messages have failed.
    pub(in crate::client) const fn has_failures(&self) -> bool {
        self.failing.get() > 0 || !self.failed.is_empty() || self.refusals() > 0
    }

    /// The store failed to record that these messages were given up.
    pub(in crate::client) fn add_failed(&mut self, messages: Vec<MessageId>, failure: Failure) {
        self.failed.push((messages, failure));
    }

    /// Messages to be marked as failed.
    pub(in crate::client) fn take_failed(&mut self) -> Vec<(Vec<MessageId>, Failure)> {
        core::mem::take(&mut self.failed)
    }

    /// The server can't deliver the message with this packet any more.
    pub(in crate::client) fn add_undeliverable(&mut self, packet: InReplyTo) {
        self.undeliverable.push(packet);
    }

    /// Packets to be marked, one operation at a time; none while the store is at work on some.
    pub(in crate::client) fn next_undeliverable(&mut self) -> Vec<InReplyTo> {
        if self.marking.get() > 0 {
            return Vec::new();
        }
        self.marking.take(self.undeliverable.len());
        core::mem::take(&mut self.undeliverable)
    }

    /// The store has marked these packets, or has failed and is to be asked again.
    pub(in crate::client) fn undeliverable_ended(&mut self, again: Vec<InReplyTo>) {
        self.marking.release(self.marking.get());
        self.undeliverable.extend(again);
    }

    /// Count of refusals of stored messages that are not recorded.
    pub(in crate::client) const fn refusals(&self) -> usize {
        self.undeliverable.len() + self.marking.get()
    }

    /// The store has failed: nothing that can wait is asked of it before this moment.
    pub(in crate::client) const fn rest_until(&mut self, at: Mono) {
        self.rests_until = at;
    }

    /// Whether the store is given a rest.
    pub(in crate::client) fn rests(&self, now: Mono) -> bool {
        now < self.rests_until
    }
}
