//! What becomes of a message that the server refuses: it is held back, or given up.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use crate::client::alarm::Alarm;
use crate::client::store::Failure;
use crate::client::{Client, Notice};
use crate::ids::MessageId;
use crate::wire::{ErrorClass, ErrorCode, ErrorReply};

impl Client {
    /// A 244 that answers a message of ours.
    pub(in crate::client) fn on_message_refused(&mut self, id: MessageId, reply: &ErrorReply) {
        let pause = self.named_pause(reply.retry_after_secs.into());
        if reply.code == ErrorCode::UnknownUser {
            return self.on_recipient_unknown(id);
        }
        match reply.code.class() {
            ErrorClass::Temporary => {
                if self.hold(id, pause) {
                    self.out.notify(Notice::HeldBack { id, code: reply.code });
                }
            }
            ErrorClass::WrongTime => self.on_message_misdated(id, reply),
            // The session ends, whatever was in flight; the next one repeats the message.
            ErrorClass::SessionOver => {}
            // It would be refused each time.
            ErrorClass::Fault | ErrorClass::Denied => self.fail(vec![id], Failure::Refused),
        }
    }

    /// A message dated in the future waits for its time; one that is too old fails. Neither gets
    /// another date: a message is repeated byte for byte, so that its recipient sees the same one.
    fn on_message_misdated(&mut self, id: MessageId, reply: &ErrorReply) {
        let Some((_, packet)) = self.outbox.in_flight(reply.in_reply_to) else { return };
        let ahead_secs = packet.header().timestamp.secs_since(reply.server_time);
        match u64::try_from(ahead_secs) {
            Ok(ahead_secs) => {
                self.hold(id, self.named_pause(ahead_secs));
            }
            Err(_) => self.fail(vec![id], Failure::Expired),
        }
    }

    /// Lets a message wait. Returns whether it was on its way.
    fn hold(&mut self, id: MessageId, at_least: Duration) -> bool {
        let held = self.outbox.hold(id, &self.config.limits, &mut self.entropy);
        if let Some((recipient, Some(pause))) = held {
            let at = self.now.mono + pause.max(at_least);
            self.alarms.arm(Alarm::Hold(recipient), at);
        }
        self.on_progress();
        held.is_some()
    }

    /// Gives messages up.
    pub(in crate::client) fn fail(&mut self, messages: Vec<MessageId>, failure: Failure) {
        if messages.is_empty() {
            return;
        }
        for id in &messages {
            self.outbox.discard(*id);
        }
        self.on_progress();
        self.mark_failed(messages, failure);
    }
}
