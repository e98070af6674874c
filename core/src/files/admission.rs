//! Which transfers are begun, and which offers are accepted without asking.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::contract::{Action, CommandRefusal, Consent, Outgoing, Told};
use super::limits;
use super::machine::Files;
use super::record::{Direction, Record, State, TransferId, is_within_bounds};
use crate::event::{FileAnswer, FileOffer};
use crate::keys::Fingerprint;

impl Files {
    pub(super) fn send(&mut self, to: Fingerprint, offer: FileOffer, actions: &mut Vec<Action>) {
        let id = TransferId { direction: Direction::Outgoing, peer: to, file: offer.file };
        let refusal = if self.record(id).is_some() {
            Some(CommandRefusal::Exists)
        } else if !is_within_bounds(&offer) {
            Some(CommandRefusal::TooLarge)
        } else if !self.has_room_for(id) {
            Some(CommandRefusal::TooMany)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            actions.push(Action::Tell(id, Told::CommandRefused(refusal)));
            return;
        }
        let record = Record { offer, state: State::Offered };
        self.add(id, record, actions, |transfer, turn| {
            turn.store(&transfer.record);
            transfer.offer(turn);
        });
    }

    pub(super) fn on_offer(
        &mut self,
        from: Fingerprint,
        offer: FileOffer,
        consent: Consent,
        actions: &mut Vec<Action>,
    ) {
        let id = TransferId { direction: Direction::Incoming, peer: from, file: offer.file };
        if self.record(id).is_some() {
            // The sender is not sure that we have it.
            return self.in_transfer(id, actions, |transfer, turn| match transfer.record.state {
                State::Ended { end, .. } => transfer.repeat_end(end, turn),
                State::Offered | State::Sending(_) | State::Receiving(_) => {}
            });
        }
        if !is_within_bounds(&offer) || !self.has_room_for(id) {
            actions.push(Action::Send(id, Outgoing::Answer(FileAnswer::Refused)));
            return;
        }
        let is_accepted = match consent {
            Consent::Ask => false,
            Consent::Given { room } => {
                self.bytes_on_their_way().saturating_add(offer.size.value()) <= room
            }
        };
        let record = Record { offer, state: State::Offered };
        self.add(id, record, actions, |transfer, turn| {
            turn.actions.push(Action::Store(id, Some(Box::new(transfer.record.clone()))));
            turn.tell(Told::Offered);
            if is_accepted {
                transfer.accept(turn);
            }
        });
    }

    /// Bytes of all files that were accepted and are not here yet.
    fn bytes_on_their_way(&self) -> u64 {
        let sizes = self.records().map(|(_, record)| match record.state {
            State::Receiving(_) => record.offer.size.value(),
            State::Offered | State::Sending(_) | State::Ended { .. } => 0,
        });
        sizes.fold(0, u64::saturating_add)
    }

    /// Whether there may be one more transfer in this direction, with this peer.
    fn has_room_for(&self, id: TransferId) -> bool {
        let open = |(other, record): &(TransferId, &Record)| {
            record.is_open() && other.direction == id.direction
        };
        let most = match id.direction {
            Direction::Incoming => limits::OPEN_INCOMING,
            Direction::Outgoing => limits::OPEN_OUTGOING,
        };
        let with_peer = self.records().filter(open).filter(|(other, _)| other.peer == id.peer);
        with_peer.count() < limits::OPEN_OF_ONE && self.records().filter(open).count() < most
    }
}
