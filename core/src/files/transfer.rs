//! One transfer, and what both directions have in common.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::contract::{Action, EventName, Outgoing, PieceName, Told};
use super::record::{Direction, End, Record, State, TransferId};
use crate::event::FileAnswer;

/// A transfer, with what is forgotten when the process ends.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) record: Record,
    /// Waits for [`super::Input::Retry`].
    pub(super) is_paused: bool,
    /// The peer, who has missed the end, was told of it.
    pub(super) is_end_repeated: bool,
    /// Sending: the next piece to be read.
    pub(super) next: u32,
    /// Sending: pieces on their way, of all rounds.
    pub(super) slots: BTreeMap<PieceName, Slot>,
    /// Receiving: pieces that are being written.
    pub(super) writing: BTreeSet<u32>,
    /// Receiving: where the sender was last asked to go back to.
    pub(super) asked: Option<u32>,
}

/// Where a piece is that is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// Read from the file.
    Reading,
    /// In the outbox.
    Queued,
    /// At the server.
    Stored,
}

/// Collects the actions of one input.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) id: TransferId,
    /// Order of a transfer that ends now.
    pub(super) order: u64,
    pub(super) actions: &'a mut Vec<Action>,
}

impl Turn<'_> {
    pub(super) fn store(&mut self, record: &Record) {
        self.actions.push(Action::Store(self.id, Some(Box::new(record.clone()))));
    }

    pub(super) fn answer(&mut self, answer: FileAnswer) {
        self.actions.push(Action::Send(self.id, Outgoing::Answer(answer)));
    }

    pub(super) fn tell(&mut self, told: Told) {
        self.actions.push(Action::Tell(self.id, told));
    }
}

impl Transfer {
    pub(super) const fn new(record: Record) -> Self {
        let next = match record.state {
            State::Sending(place) => place.confirmed,
            State::Offered | State::Receiving(_) | State::Ended { .. } => 0,
        };
        Self {
            record,
            is_paused: false,
            is_end_repeated: false,
            next,
            slots: BTreeMap::new(),
            writing: BTreeSet::new(),
            asked: None,
        }
    }

    /// What a restart may have prevented.
    pub(super) fn start(&mut self, turn: &mut Turn<'_>) {
        match (turn.id.direction, self.record.state) {
            (Direction::Outgoing, State::Offered) => self.offer(turn),
            // The sender may be ahead of a device that was restored from a backup.
            (Direction::Incoming, State::Receiving(_)) => self.ask_or_finish(turn),
            (_, State::Offered | State::Sending(_) | State::Receiving(_) | State::Ended { .. }) => {
            }
        }
    }

    /// Takes up what was paused.
    pub(super) fn retry(&mut self, turn: &mut Turn<'_>) {
        if core::mem::take(&mut self.is_paused) {
            self.start(turn);
        }
    }

    /// Sends the offer, which is sent only once under its name.
    pub(super) fn offer(&self, turn: &mut Turn<'_>) {
        let offer = Outgoing::Offer(Box::new(self.record.offer.clone()));
        turn.actions.push(Action::Send(turn.id, offer));
    }

    /// Ends the transfer, telling the peer if there is an answer. The answer is sent first: after a
    /// crash in between, what led here happens again.
    pub(super) fn end(&mut self, end: End, answer: Option<FileAnswer>, turn: &mut Turn<'_>) {
        if let Some(answer) = answer {
            turn.answer(answer);
        }
        self.record.state = State::Ended { end, order: turn.order };
        (self.is_paused, self.is_end_repeated) = (false, false);
        turn.store(&self.record);
        if turn.id.direction == Direction::Incoming {
            turn.actions.push(Action::Discard(turn.id));
        }
        turn.tell(Told::Ended(end));
    }

    /// Tells a peer who has missed it, once, how the transfer ended.
    pub(super) fn repeat_end(&mut self, end: End, turn: &mut Turn<'_>) {
        if core::mem::replace(&mut self.is_end_repeated, true) {
            return;
        }
        turn.answer(match (turn.id.direction, end) {
            (Direction::Incoming, End::Complete) => FileAnswer::Received,
            (Direction::Incoming, End::Refused) => FileAnswer::Refused,
            // A recipient who asks for a file that was complete has lost it, and is offered it again if
            // the users want that.
            (Direction::Outgoing, End::Complete | End::Refused)
            | (_, End::Cancelled | End::CancelledByPeer | End::Failed(_)) => FileAnswer::Cancelled,
        });
    }

    /// Whether the name is that of an event which is known to be on its way.
    pub(super) fn is_awaited(&self, name: EventName) -> bool {
        match name {
            EventName::Offer => self.record.state == State::Offered,
            EventName::Piece(name) => self.slots.contains_key(&name),
        }
    }

    /// Pieces that wait for the server.
    pub(super) fn queued(&self) -> usize {
        self.slots.values().filter(|slot| **slot != Slot::Stored).count()
    }
}
