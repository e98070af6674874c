//! Signing messages again whose sender or recipient has another user id now.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::client::Client;
use crate::client::awaits::{AwaitJob, AwaitStore};
use crate::client::notice::OfflineReason;
use crate::client::state::session::Leaving;
use crate::client::store::{ClientOp, QueuedMessage};
use crate::crypto::{EmitError, Part};
use crate::frame::{Durable, StoreError};
use crate::ids::MessageId;
use crate::wire::{Header, Op, Packet};

impl Client {
    /// Has messages signed again that are about to be sent, a batch at a time. Only in a session:
    /// before it, the server has not said which id is ours.
    pub(in crate::client) fn readdress_next(&mut self) {
        let can_send = self.link.open_session(Leaving::No).is_some();
        if !can_send || !self.readdressing.is_idle() {
            return self.store_readdressed();
        }
        let Some(user) = self.account.user() else { return };
        let contacts = &self.contacts;
        let taken = self.outbox.take_ready(self.config.limits.sealing, |recipient, packet| {
            packet.header().sender != Some(user) || contacts.present_id(recipient) != recipient
        });
        for message in taken {
            let QueuedMessage { id, recipient, ref packet } = *message.get();
            let to = self.contacts.present_id(recipient);
            let timestamp = packet.header().timestamp;
            let header =
                Header { sender: Some(user), recipient: Some(to), timestamp, op: Op::Message };
            let parts = vec![Part::Clear(Bytes::copy_from_slice(packet.payload()))];
            self.readdressing.begin(to, message);
            self.emit(header, parts, AwaitJob::Readdressed(id));
        }
    }

    pub(in crate::client) fn on_message_readdressed(
        &mut self,
        id: MessageId,
        made: Result<Packet, EmitError>,
    ) {
        if let Ok(packet) = made {
            return self.readdressing.complete(id, packet);
        }
        if let Some(message) = self.readdressing.give_up(id) {
            self.outbox.put_back(message);
        }
        self.lose(OfflineReason::Local);
    }

    /// Not before everybody is pinned durably, as in `enqueue_next`.
    fn store_readdressed(&mut self) {
        if self.store_rests() || !self.unrecorded.all_pinned() {
            return;
        }
        if let Some((batch, messages)) = self.readdressing.next_batch() {
            self.out.store(ClientOp::Readdress(batch), AwaitStore::Readdressed(messages));
        }
    }

    pub(in crate::client) fn on_readdressed_stored(
        &mut self,
        stored: Result<Vec<Durable<QueuedMessage>>, StoreError>,
    ) {
        if let Ok(messages) = stored {
            self.readdressing.batch_stored();
            for message in messages {
                self.outbox.insert(message);
            }
        } else {
            self.readdressing.batch_failed();
            self.rest_store();
        }
    }
}
