//! What a client's store offers beyond [`Storage`].

use sealpost_core::address::{Endpoints, Transport};
use sealpost_core::client::store::{ClientOp, ClientOutcome, Snapshot};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;

use super::history::{HistoryEntry, Place};
use super::identity::Identity;
use super::outbox::OutboxCounts;
use crate::storage::Storage;

/// The store of one client.
pub trait ClientStorage: Storage<Op = ClientOp, Outcome = ClientOutcome> {
    /// Returns the account and the server that the store was created for.
    fn identity(&self) -> Result<Identity, StoreError>;

    /// Records that the same deployment is reached in another way. If it has another key, the one before
    /// and its successor are forgotten.
    fn move_server(
        &mut self,
        server: &Fingerprint,
        transport: Transport,
        endpoints: &Endpoints,
    ) -> Result<(), StoreError>;

    /// Returns what a machine needs at its start. Contacts are in the order of their phone numbers.
    fn load(&self) -> Result<Snapshot, StoreError>;

    /// Counts the messages that we have sent, by their status.
    fn outbox(&self) -> Result<OutboxCounts, StoreError>;

    /// Returns the conversation with a peer, under all user ids that the peer has had: the last
    /// `limit` entries before `before`, or the latest if `None`. The oldest comes first.
    fn history(
        &self,
        peer: Phone,
        before: Option<Place>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError>;
}
