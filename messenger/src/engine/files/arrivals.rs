//! Events of peers, as inputs of the machine of transfers.

use sealpost_core::client::store::{Content, InboxItem, ReceivedContent};
use sealpost_core::event::{self, Event, FileOffer, GroupTag};
use sealpost_core::files::{Consent, Direction, Input, TransferId};
use sealpost_storage::client::conversations::Peer;
use sealpost_storage::client::transfers::TakenOver;

use super::clerk::Clerk;
use crate::api::ApiError;

impl Clerk {
    /// Takes a few arrivals over, so that other work does not wait long.
    pub(super) fn take_over_some(&mut self) -> Result<(), ApiError> {
        if !self.has_arrivals || self.desk.is_none() {
            return Ok(());
        }
        let arrivals = self.core.read(|store| store.file_arrivals(AT_ONCE))?;
        self.has_arrivals = !arrivals.is_empty();
        for item in &arrivals {
            self.take_over(item)?;
        }
        Ok(())
    }

    /// Takes everything over that has arrived.
    pub(super) fn take_over_all(&mut self) -> Result<(), ApiError> {
        self.has_arrivals = true;
        while self.has_arrivals && self.desk.is_some() {
            self.take_over_some()?;
        }
        Ok(())
    }

    fn take_over(&mut self, item: &InboxItem) -> Result<(), ApiError> {
        let from = item.message.signed_by;
        let event = file_event(item);
        let (input, offers) = match event.map(|event| &event.body) {
            Some(event::Body::FileOffer(offer)) => {
                let id =
                    TransferId { direction: Direction::Incoming, peer: from, file: offer.file };
                let group = event.and_then(|event| event.group);
                (Some(self.offer_of(item, group, offer)?), Some(id))
            }
            Some(event::Body::FilePiece(piece)) => {
                (Some(Input::Piece { from, piece: piece.clone() }), None)
            }
            Some(event::Body::FileAnswer { file, answer }) => {
                (Some(Input::Answer { from, file: *file, answer: *answer }), None)
            }
            // Its author took it back before it was taken over.
            Some(_) | None => (None, None),
        };
        let Some(desk) = &mut self.desk else { return Ok(()) };
        let effects = input.map(|input| desk.handle(input)).unwrap_or_default();
        self.carry_out(effects, Some(TakenOver { place: item.place, offers }))
    }

    fn offer_of(
        &self,
        item: &InboxItem,
        group: Option<GroupTag>,
        offer: &FileOffer,
    ) -> Result<Input, ApiError> {
        let from = item.message.signed_by;
        let peer = match group {
            Some(tag) => Peer::Group(tag.group),
            None => Peer::Person(item.message.phone),
        };
        let conversation = self.core.read(|store| store.conversation(&peer))?;
        let consent = match conversation.map_or(0, |found| found.accepted_files) {
            0 => Consent::Ask,
            room => Consent::Given { room },
        };
        Ok(Input::Offer { from, offer: offer.clone(), consent })
    }
}

fn file_event(item: &InboxItem) -> Option<&Event> {
    let ReceivedContent::Opened(Content::Event(encoded)) = &item.message.content else {
        return None;
    };
    encoded.event().ok()
}

/// Arrivals that are read at once, 60 KB each.
const AT_ONCE: u32 = 8;
