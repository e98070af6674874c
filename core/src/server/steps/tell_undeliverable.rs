//! A sender is told of messages that were *stored* and went with their recipient's account.

use alloc::vec::Vec;

use crate::frame::StoreError;
use crate::ids::{ConnId, UserId};
use crate::server::Server;
use crate::server::awaits::{AfterReply, AwaitStore};
use crate::server::state::refusal::Refusal;
use crate::server::store::StoreOp;
use crate::wire::{ErrorCode, InReplyTo};

impl Server {
    /// Has the first of a user's undeliverable messages read. There are few: an operator deletes an
    /// account rarely.
    pub(in crate::server) fn read_undeliverable(&mut self, conn: ConnId, user: UserId) {
        let op = StoreOp::Undeliverable { sender: user, limit: BATCH };
        self.out.store(op, AwaitStore::UndeliverableRead { conn });
    }

    pub(in crate::server) fn on_undeliverable(
        &mut self,
        conn: ConnId,
        read: Result<Vec<InReplyTo>, StoreError>,
    ) {
        let messages = match read {
            Ok(messages) => messages,
            // The sender is told in its next session.
            Err(error) => {
                self.store_failed(error);
                return;
            }
        };
        for message in &messages {
            let refusal = Refusal::new(ErrorCode::UnknownUser).in_reply_to(*message);
            self.answer_with_error(conn, refusal, AfterReply::Told);
        }
        if let Some((_, session)) = self.connections.session_mut(conn) {
            session.sent_mut().begin_telling(messages);
        }
    }

    /// One more error about an undeliverable message was sent. Once all of them are, the store
    /// forgets the messages: not earlier, so that a crash cannot come between.
    pub(in crate::server) fn told_undeliverable(&mut self, conn: ConnId) {
        let Some((who, session)) = self.connections.session_mut(conn) else { return };
        if let Some(messages) = session.sent_mut().told() {
            let user = who.user();
            let op = StoreOp::ForgetUndeliverable { sender: user, messages };
            self.out.store(op, AwaitStore::UndeliverableForgotten { conn, user });
        }
    }

    pub(in crate::server) fn on_undeliverable_forgotten(
        &mut self,
        conn: ConnId,
        user: UserId,
        forgotten: Result<(), StoreError>,
    ) {
        match forgotten {
            Ok(()) if self.connections.session_mut(conn).is_some() => {
                self.read_undeliverable(conn, user);
            }
            Ok(()) => {}
            Err(error) => {
                self.store_failed(error);
            }
        }
    }
}

/// Messages of which a sender is told at a time; each costs a signature.
const BATCH: u32 = 16;
