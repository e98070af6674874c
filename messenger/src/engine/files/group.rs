//! Files that are offered to a group: one entry, and a transfer for each member.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use sealpost_core::event::{self, FileOffer, GroupId};
use sealpost_core::files::{Command, Direction, Input, Record, State, TransferId};
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;
use sealpost_core::time::Timestamp;
use sealpost_storage::client::SqliteClientStorage;
use sealpost_storage::client::conversations::{
    Body, GroupStep, Idempotency, Made, NewEntry, Peer, Saying,
};
use sealpost_storage::client::transfers::{NewTransfer, Origin};

use super::clerk::Clerk;
use super::requests::{not_offered, refusal, resting};
use crate::api::{ApiError, ErrorKind};
use crate::engine::methods::sending::event_id;

/// A file that a user offers to a group.
#[derive(Debug)]
pub(in crate::engine) struct OfferedToGroup {
    pub(in crate::engine) group: GroupId,
    pub(in crate::engine) offer: FileOffer,
    pub(in crate::engine) expiry_secs: Option<u32>,
    pub(in crate::engine) at: Timestamp,
    pub(in crate::engine) origin: Origin,
    pub(in crate::engine) idempotency: Option<Idempotency>,
}

impl Clerk {
    /// Offers a file to everybody in a group, with a transfer for each.
    pub(super) fn offer_to_group(&mut self, offered: OfferedToGroup) -> Result<Made, ApiError> {
        let OfferedToGroup { group, offer, expiry_secs, at, origin, idempotency } = offered;
        let key = idempotency.clone();
        if let Some(before) = self.core.write(move |store| store.made_before(key.as_ref(), at))? {
            return Ok(before);
        }
        let recipients = self.core.takers_in(group)?;
        let tried = self.try_offers(&recipients, &offer);
        let said = tried.and_then(|()| {
            let transfers = new_transfers(&recipients, &offer, &origin);
            let caption = Body::File(offer.caption.as_str().into());
            let body = event::Body::FileOffer(offer);
            self.core.say_in_group(group, body, expiry_secs, move |encoded, copies| {
                let new = NewEntry {
                    body: caption,
                    event_id: event_id(&encoded),
                    event: Some(encoded),
                    reply_to: None,
                    expiry_secs,
                };
                GroupStep::Say(Box::new(Saying { group, new, copies, transfers, idempotency }))
            })
        });
        // The machine has tried; what has begun is in the store.
        self.open();
        let turned = said?;
        if turned.done.is_other_request {
            return Ok(Made::OtherRequest);
        }
        turned.entry().map(Made::New).ok_or_else(|| ApiError::internal("no entry was made"))
    }

    /// Whether the machine would take a transfer for each recipient. It knows them then, whether or not
    /// they begin.
    fn try_offers(
        &mut self,
        recipients: &BTreeSet<Fingerprint>,
        offer: &FileOffer,
    ) -> Result<(), ApiError> {
        let Some(desk) = &mut self.desk else { return Err(resting()) };
        for to in recipients {
            let send = Command::Send { to: *to, offer: offer.clone() };
            if let Some(refusal) = refusal(&desk.handle(Input::Command(send))) {
                return Err(not_offered(refusal));
            }
        }
        Ok(())
    }

    /// Gives up the transfers with blocked people, and those of files of a group to whoever is not in it
    /// any more.
    pub(super) fn give_up(&mut self) -> Result<(), ApiError> {
        let mut given_up = self.with_blocked_people()?;
        given_up.extend(self.to_former_members()?);
        for id in given_up {
            match self.command(Command::Cancel(id)) {
                // It is over by now.
                Err(error) if error.kind() == Some(ErrorKind::NotAllowed) => {}
                done => done?,
            }
        }
        Ok(())
    }

    fn with_blocked_people(&self) -> Result<BTreeSet<TransferId>, ApiError> {
        let Some(desk) = &self.desk else { return Ok(BTreeSet::new()) };
        let is_open = |(id, record): (TransferId, &Record)| record.is_open().then_some(id);
        let mut blocked: BTreeMap<Phone, bool> = BTreeMap::new();
        let mut found = BTreeSet::new();
        for id in desk.files().records().filter_map(is_open) {
            let Some(phone) = self.known_phone_of(&id.peer) else { continue };
            let is_blocked = match blocked.entry(phone) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(unknown) => {
                    *unknown.insert(self.core.is_blocked(&Peer::Person(phone))?)
                }
            };
            found.extend(is_blocked.then_some(id));
        }
        Ok(found)
    }

    fn to_former_members(&self) -> Result<BTreeSet<TransferId>, ApiError> {
        let mut members: BTreeMap<GroupId, BTreeSet<Fingerprint>> = BTreeMap::new();
        let mut found = BTreeSet::new();
        for (group, id) in self.core.read(SqliteClientStorage::open_group_transfers)? {
            let keys = match members.entry(group) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(self.core.takers_in(group)?),
            };
            found.extend((!keys.contains(&id.peer)).then_some(id));
        }
        Ok(found)
    }
}

/// A transfer of a file to each recipient.
fn new_transfers(
    recipients: &BTreeSet<Fingerprint>,
    offer: &FileOffer,
    origin: &Origin,
) -> Vec<NewTransfer> {
    let transfer = |to: &Fingerprint| NewTransfer {
        id: TransferId { direction: Direction::Outgoing, peer: *to, file: offer.file },
        record: Record { offer: offer.clone(), state: State::Offered },
        origin: origin.clone(),
    };
    recipients.iter().map(transfer).collect()
}
