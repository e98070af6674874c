//! What the sender of a file does.

use super::contract::{Action, EventName, Fate, Outgoing, Pause, PieceName, Read, Told};
use super::limits;
use super::record::{End, Failure, Place, State};
use super::transfer::{Slot, Transfer, Turn};
use crate::event::FileAnswer;

impl Transfer {
    /// Whether a piece may be read, as far as this transfer goes.
    pub(super) fn wants_piece(&self) -> bool {
        let State::Sending(place) = self.record.state else { return false };
        !self.is_paused
            && self.next < self.record.pieces()
            && self.next < place.confirmed.saturating_add(limits::WINDOW)
            && self.slots.len() < limits::WINDOW as usize
    }

    /// Reads the next piece, unless it is on its way already.
    pub(super) fn read_next(&mut self, turn: &mut Turn<'_>) {
        let State::Sending(Place { round, .. }) = self.record.state else { return };
        let name = PieceName { round, index: self.next };
        self.next = self.next.saturating_add(1);
        let Some((offset, len)) = self.record.extent(name.index) else { return };
        if self.slots.contains_key(&name) {
            return;
        }
        self.slots.insert(name, Slot::Reading);
        turn.actions.push(Action::Read { id: turn.id, name, offset, len });
    }

    pub(super) fn on_read(&mut self, name: PieceName, outcome: Read, turn: &mut Turn<'_>) {
        if self.slots.get(&name) != Some(&Slot::Reading) {
            return;
        }
        let is_wanted =
            matches!(self.record.state, State::Sending(place) if place.round == name.round);
        if !is_wanted {
            self.slots.remove(&name);
            return;
        }
        let failure = match outcome {
            Read::Data(data) if self.is_len_of(name.index, data.as_bytes().len()) => {
                self.slots.insert(name, Slot::Queued);
                turn.actions.push(Action::Send(turn.id, Outgoing::Piece(name, data)));
                return;
            }
            Read::Data(_) | Read::Changed => Failure::Changed,
            Read::Failed => Failure::Unreadable,
        };
        self.slots.remove(&name);
        self.end(End::Failed(failure), Some(FileAnswer::Cancelled), turn);
    }

    pub(super) fn on_sent(&mut self, name: EventName, fate: Fate, turn: &mut Turn<'_>) {
        if !self.is_awaited(name) {
            return;
        }
        match (name, fate) {
            (EventName::Offer, Fate::Stored | Fate::Delivered) => {}
            (EventName::Piece(name), Fate::Stored) => {
                self.slots.insert(name, Slot::Stored);
            }
            (EventName::Piece(name), Fate::Delivered) => {
                self.slots.remove(&name);
            }
            (EventName::Offer, Fate::NoRoom) => self.pause(Pause::Outbox, turn),
            (EventName::Piece(name), Fate::NoRoom) => {
                self.slots.remove(&name);
                if matches!(self.record.state, State::Sending(place) if place.round == name.round) {
                    self.next = self.next.min(name.index);
                    self.pause(Pause::Outbox, turn);
                }
            }
            (name, Fate::Failed) => {
                if let EventName::Piece(name) = name {
                    self.slots.remove(&name);
                }
                if self.record.is_open() {
                    let end = End::Failed(Failure::Undeliverable);
                    self.end(end, Some(FileAnswer::Cancelled), turn);
                }
            }
        }
    }

    /// The recipient has said something.
    pub(super) fn on_answer(&mut self, answer: FileAnswer, turn: &mut Turn<'_>) {
        if let State::Ended { end, .. } = self.record.state {
            if let FileAnswer::Accepted { .. } | FileAnswer::Progress { .. } = answer {
                self.repeat_end(end, turn);
            }
            return;
        }
        let pieces = self.record.pieces();
        let index = |next: u64| u32::try_from(next).ok().filter(|next| *next <= pieces);
        match answer {
            FileAnswer::Accepted { next } => {
                if let Some(next) = index(next.value()) {
                    self.go_on_from(next, turn);
                }
            }
            FileAnswer::Progress { next } => {
                if let Some(next) = index(next.value()) {
                    self.confirm(next, turn);
                }
            }
            FileAnswer::Received => self.end(End::Complete, None, turn),
            FileAnswer::Refused => self.end(End::Refused, None, turn),
            FileAnswer::Cancelled => self.end(End::CancelledByPeer, None, turn),
        }
    }

    /// The recipient wants the pieces from `next` on, whatever was sent.
    fn go_on_from(&mut self, next: u32, turn: &mut Turn<'_>) {
        let (mut place, is_first) = match self.record.state {
            State::Sending(place) => (place, false),
            State::Offered => (Place::default(), true),
            State::Receiving(_) | State::Ended { .. } => return,
        };
        // Always another round: after a restart we don't know what was sent under the names of this one,
        // and the recipient may have lost it.
        if !is_first {
            place.round = place.round.saturating_add(1);
        }
        let again = self.next.saturating_sub(next);
        place.resent = place.resent.saturating_add(again);
        if place.resent > self.may_resend() {
            let end = End::Failed(Failure::AskedTooOften);
            return self.end(end, Some(FileAnswer::Cancelled), turn);
        }
        place.confirmed = next;
        self.next = next;
        self.record.state = State::Sending(place);
        self.forget_slots_before(PieceName { round: place.round, index: next });
        turn.store(&self.record);
        turn.tell(if is_first { Told::Accepted } else { Told::Progress { done: next } });
    }

    /// The recipient has all pieces before `next`. It may have more than we know of: what we know is
    /// as old as the last start.
    fn confirm(&mut self, next: u32, turn: &mut Turn<'_>) {
        let State::Sending(place) = &mut self.record.state else { return };
        if next <= place.confirmed {
            return;
        }
        place.confirmed = next;
        let name = PieceName { round: place.round, index: next };
        self.next = self.next.max(next);
        self.forget_slots_before(name);
        turn.store(&self.record);
        turn.tell(Told::Progress { done: next });
    }

    /// Receipts may be lost when a client starts again. What still waits for the server is kept,
    /// whatever the recipient says, because texts wait behind it.
    fn forget_slots_before(&mut self, name: PieceName) {
        self.slots.retain(|other, slot| *other >= name || *slot != Slot::Stored);
    }

    /// Pieces that the recipient may ask for again in all.
    fn may_resend(&self) -> u32 {
        self.record.pieces().saturating_mul(limits::RESENT_PER_PIECE).saturating_add(limits::RESENT)
    }

    pub(super) fn pause(&mut self, pause: Pause, turn: &mut Turn<'_>) {
        if !core::mem::replace(&mut self.is_paused, true) {
            turn.tell(Told::Paused(pause));
        }
    }

    /// Whether a piece has this length.
    pub(super) fn is_len_of(&self, index: u32, len: usize) -> bool {
        self.record.extent(index).is_some_and(|(_, expected)| expected == len as u64)
    }
}
