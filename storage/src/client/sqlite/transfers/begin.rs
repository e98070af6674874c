//! A transfer of ours begins with an entry, whose copy is the offer.

use sealpost_core::files::EventName;
use sealpost_core::frame::StoreError;
use sealpost_core::time::Timestamp;

use super::step::Transfers;
use crate::client::conversations::{Idempotency, Made, NewCopy, NewEntry, Peer};
use crate::client::sqlite::SqliteClientStorage;
use crate::client::sqlite::conversations::Timeline;
use crate::client::transfers::{NewSend, NewTransfer};

impl SqliteClientStorage {
    /// Adds an entry of our own that offers a file, and the transfer. Nothing begins if the request was
    /// made before.
    pub fn begin_transfer(
        &mut self,
        peer: &Peer,
        (new, at): (&NewEntry, Timestamp),
        offer: &NewCopy,
        transfer: &NewTransfer,
        idempotency: Option<&Idempotency>,
    ) -> Result<Made, StoreError> {
        let NewTransfer { id, record, origin } = transfer;
        // The copy has the content.
        let send =
            NewSend { token: offer.token, id: *id, name: Some(EventName::Offer), content: None };
        self.write(|connection| {
            let copies = std::slice::from_ref(offer);
            let made = Timeline(connection).append(peer, (new, at), copies, idempotency)?;
            if let Made::New(entry) = made {
                let transfers = Transfers(connection);
                transfers.keep(id, record)?;
                transfers.set_origin(id, entry, origin)?;
                transfers.add_send(&send)?;
            }
            Ok(made)
        })
    }

    /// What an earlier request under the same key has made; `None` if there was none.
    pub fn made_before(
        &mut self,
        idempotency: Option<&Idempotency>,
        now: Timestamp,
    ) -> Result<Option<Made>, StoreError> {
        self.write(|connection| Timeline(connection).made_before(idempotency, now))
    }
}
