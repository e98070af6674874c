//! Transfers of ours begin with an entry, whose copies are the offers.

use sealpost_core::files::EventName;
use sealpost_core::frame::StoreError;
use sealpost_core::time::Timestamp;

use super::step::Transfers;
use crate::client::conversations::{EntryId, Idempotency, Made, NewCopy, NewEntry, Peer};
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
        self.write(|connection| {
            let (timeline, copies) = (Timeline(connection), std::slice::from_ref(offer));
            let made = timeline.append(peer, (new, at), copies, idempotency)?;
            if let Made::New(entry) = made {
                timeline.begin_transfer(entry, offer, transfer)?;
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

impl Timeline<'_> {
    /// Adds a transfer of the file that an entry offers, to the recipient of one of its copies.
    pub(in crate::client::sqlite) fn begin_transfer(
        &self,
        entry: EntryId,
        offer: &NewCopy,
        transfer: &NewTransfer,
    ) -> rusqlite::Result<()> {
        let NewTransfer { id, record, origin } = transfer;
        let transfers = Transfers(self.0);
        transfers.keep(id, record)?;
        transfers.set_origin(id, entry, origin)?;
        // The copy has the content.
        let name = Some(EventName::Offer);
        transfers.add_send(&NewSend { token: offer.token, id: *id, name, content: None })
    }
}
