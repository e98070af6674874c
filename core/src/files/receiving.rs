//! What the recipient of a file does.

use super::contract::{Action, Finished, Pause, Told, Written};
use super::limits;
use super::record::{End, Failure, Received, State};
use super::transfer::{Transfer, Turn};
use crate::event::{FileAnswer, FilePiece};

impl Transfer {
    /// The user, or the user's settings, accept the offer.
    pub(super) fn accept(&mut self, turn: &mut Turn<'_>) {
        self.record.state = State::Receiving(Received::default());
        turn.store(&self.record);
        turn.tell(Told::Accepted);
        self.ask_or_finish(turn);
    }

    /// Asks for everything from the first missing piece on, or finishes the file if none is missing.
    pub(super) fn ask_or_finish(&mut self, turn: &mut Turn<'_>) {
        let State::Receiving(received) = self.record.state else { return };
        if received.prefix >= self.record.pieces() {
            turn.actions.push(Action::Finish(turn.id));
            return;
        }
        self.asked = Some(received.prefix);
        turn.answer(FileAnswer::Accepted { next: received.prefix.into() });
    }

    pub(super) fn on_piece(&mut self, piece: FilePiece, turn: &mut Turn<'_>) {
        let received = match self.record.state {
            State::Receiving(received) => received,
            State::Ended { end, .. } => return self.repeat_end(end, turn),
            State::Offered | State::Sending(_) => return,
        };
        let index = u32::try_from(piece.index.value()).unwrap_or(u32::MAX);
        let extent = self.record.extent(index);
        let len = piece.data.as_bytes().len() as u64;
        let Some((offset, _)) = extent.filter(|(_, expected)| *expected == len) else {
            let end = End::Failed(Failure::InvalidPiece);
            return self.end(end, Some(FileAnswer::Cancelled), turn);
        };
        if self.is_paused || received.has(index) || self.writing.contains(&index) {
            return;
        }
        // The sender is never that far ahead, unless we have lost what it sent.
        if index - received.prefix >= limits::WINDOW {
            if self.asked != Some(received.prefix) {
                self.ask_or_finish(turn);
            }
            return;
        }
        self.writing.insert(index);
        turn.actions.push(Action::Write { id: turn.id, index, offset, data: piece.data });
    }

    pub(super) fn on_written(&mut self, index: u32, outcome: Written, turn: &mut Turn<'_>) {
        let was_writing = self.writing.remove(&index);
        let State::Receiving(received) = &mut self.record.state else { return };
        if !was_writing {
            return;
        }
        if outcome == Written::Failed {
            return self.pause(Pause::Disk, turn);
        }
        let before = received.prefix;
        received.insert(index);
        let prefix = received.prefix;
        turn.store(&self.record);
        if prefix == before {
            return;
        }
        turn.tell(Told::Progress { done: prefix });
        if prefix >= self.record.pieces() {
            turn.actions.push(Action::Finish(turn.id));
        } else if prefix / limits::CONFIRM_EVERY > before / limits::CONFIRM_EVERY {
            turn.answer(FileAnswer::Progress { next: prefix.into() });
        }
    }

    pub(super) fn on_finished(&mut self, outcome: Finished, turn: &mut Turn<'_>) {
        let State::Receiving(received) = self.record.state else { return };
        if received.prefix < self.record.pieces() {
            return;
        }
        match outcome {
            Finished::Saved => self.end(End::Complete, Some(FileAnswer::Received), turn),
            Finished::Mismatch => {
                let end = End::Failed(Failure::Mismatch);
                self.end(end, Some(FileAnswer::Cancelled), turn);
            }
            Finished::Failed => self.pause(Pause::Disk, turn),
        }
    }
}
