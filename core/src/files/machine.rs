//! The machine: all file transfers of one user.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::ops::Bound;

use super::contract::{Action, Command, CommandRefusal, Input, Outgoing, PieceName, Told};
use super::limits;
use super::record::{Direction, End, Record, State, TransferId};
use super::transfer::{Slot, Transfer, Turn};
use crate::event::{FileAnswer, FileId, FilePiece};
use crate::keys::Fingerprint;

/// All file transfers of one user. See the [module](super) for what a host does.
#[derive(Debug)]
pub struct Files {
    transfers: BTreeMap<TransferId, Transfer>,
    /// Order of the next transfer that ends.
    next_order: u64,
    /// Transfer that the last piece was read for.
    served: Option<TransferId>,
    /// Transfers that peers have named, and were told that they don't exist.
    unknown: VecDeque<TransferId>,
}

impl Files {
    /// A machine with the transfers in the store, and the pieces that still wait for the server. Of
    /// these it gets the fate when they have one.
    pub fn new(
        records: impl IntoIterator<Item = (TransferId, Record)>,
        queued: impl IntoIterator<Item = (TransferId, PieceName)>,
    ) -> Self {
        let mut transfers: BTreeMap<_, _> =
            records.into_iter().map(|(id, record)| (id, Transfer::new(record))).collect();
        for (id, name) in queued {
            if let Some(transfer) = transfers.get_mut(&id) {
                transfer.slots.insert(name, Slot::Queued);
            }
        }
        let last = transfers.values().filter_map(|transfer| end_order(&transfer.record)).max();
        let next_order = last.map_or(0, |last| last.saturating_add(1));
        Self { transfers, next_order, served: None, unknown: VecDeque::new() }
    }

    /// Takes up what a restart has interrupted. The host calls this once, after it has given
    /// everything that had arrived.
    pub fn start(&mut self) -> Vec<Action> {
        self.in_all(Transfer::start)
    }

    /// Takes one input and returns what follows from it, in order.
    pub fn handle(&mut self, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Command(command) => self.on_command(command, &mut actions),
            Input::Offer { from, offer, consent } => {
                self.on_offer(from, offer, consent, &mut actions);
            }
            Input::Piece { from, piece } => self.on_piece(from, piece, &mut actions),
            Input::Answer { from, file, answer } => {
                self.on_answer(from, file, answer, &mut actions);
            }
            Input::Sent { id, name, fate } => self.in_transfer(id, &mut actions, |it, turn| {
                it.on_sent(name, fate, turn);
            }),
            Input::Read { id, name, outcome } => self.in_transfer(id, &mut actions, |it, turn| {
                it.on_read(name, outcome, turn);
            }),
            Input::Written { id, index, outcome } => {
                self.in_transfer(id, &mut actions, |it, turn| it.on_written(index, outcome, turn));
            }
            Input::Finished { id, outcome } => {
                self.in_transfer(id, &mut actions, |it, turn| it.on_finished(outcome, turn));
            }
            Input::Retry => return self.in_all(Transfer::retry),
        }
        self.settle(&mut actions);
        actions
    }

    /// The record of a transfer.
    pub fn record(&self, id: TransferId) -> Option<&Record> {
        self.transfers.get(&id).map(|transfer| &transfer.record)
    }

    /// All transfers with their records.
    pub fn records(&self) -> impl Iterator<Item = (TransferId, &Record)> {
        self.transfers.iter().map(|(id, transfer)| (*id, &transfer.record))
    }

    /// Whether a transfer waits for [`Input::Retry`].
    pub fn is_paused(&self, id: TransferId) -> bool {
        self.transfers.get(&id).is_some_and(|transfer| transfer.is_paused)
    }

    /// Checks the bounds of the whole state, for tests and simulations.
    ///
    /// # Errors
    /// The bound that does not hold, in words.
    pub fn is_consistent(&self) -> Result<(), &'static str> {
        let ended = self.transfers.values().filter(|transfer| !transfer.record.is_open()).count();
        // An ended transfer is kept while the server has not taken its last pieces.
        if ended > limits::ENDED + limits::QUEUED {
            return Err("too many ended transfers are remembered");
        }
        if self.transfers.len() - ended > limits::OPEN_INCOMING + limits::OPEN_OUTGOING {
            return Err("too many transfers are open");
        }
        if self.queued(None) > limits::QUEUED {
            return Err("too many pieces are queued");
        }
        if self.unknown.len() > limits::UNKNOWN {
            return Err("too many unknown transfers are remembered");
        }
        let window = limits::WINDOW as usize;
        let fits = |it: &Transfer| it.slots.len() <= window && it.writing.len() <= window;
        self.transfers.values().all(fits).then_some(()).ok_or("a window is too large")
    }

    fn on_command(&mut self, command: Command, actions: &mut Vec<Action>) {
        let id = match command {
            Command::Send { to, offer } => return self.send(to, offer, actions),
            Command::Accept(id) | Command::Refuse(id) | Command::Cancel(id) => id,
        };
        let state = self.record(id).filter(|record| record.is_open()).map(|record| record.state);
        let is_offer = state == Some(State::Offered) && id.direction == Direction::Incoming;
        let answers = !matches!(command, Command::Cancel(_));
        let refusal = match state {
            None => Some(CommandRefusal::NotOpen),
            Some(_) if answers && !is_offer => Some(CommandRefusal::NotOffered),
            Some(_) => None,
        };
        if let Some(refusal) = refusal {
            actions.push(Action::Tell(id, Told::CommandRefused(refusal)));
            return;
        }
        self.in_transfer(id, actions, |transfer, turn| match command {
            Command::Accept(_) => transfer.accept(turn),
            Command::Refuse(_) => transfer.end(End::Refused, Some(FileAnswer::Refused), turn),
            Command::Cancel(_) => transfer.end(End::Cancelled, Some(FileAnswer::Cancelled), turn),
            Command::Send { .. } => {}
        });
    }

    fn on_piece(&mut self, peer: Fingerprint, piece: FilePiece, actions: &mut Vec<Action>) {
        let id = TransferId { direction: Direction::Incoming, peer, file: piece.file };
        if self.transfers.contains_key(&id) {
            self.in_transfer(id, actions, |transfer, turn| transfer.on_piece(piece, turn));
        } else {
            self.deny(id, actions);
        }
    }

    fn on_answer(
        &mut self,
        peer: Fingerprint,
        file: FileId,
        answer: FileAnswer,
        actions: &mut Vec<Action>,
    ) {
        let incoming = TransferId { direction: Direction::Incoming, peer, file };
        let outgoing = TransferId { direction: Direction::Outgoing, peer, file };
        if self.transfers.contains_key(&outgoing) {
            self.in_transfer(outgoing, actions, |transfer, turn| transfer.on_answer(answer, turn));
        } else if self.record(incoming).is_some_and(Record::is_open) {
            if answer == FileAnswer::Cancelled {
                self.in_transfer(incoming, actions, |transfer, turn| {
                    transfer.end(End::CancelledByPeer, None, turn);
                });
            }
        } else if let FileAnswer::Accepted { .. } | FileAnswer::Progress { .. } = answer {
            self.deny(outgoing, actions);
        }
    }

    /// Tells a peer that there is no such transfer. Both may have been restored from a backup, so an
    /// answer must not lead to an answer: only what continues a transfer is answered.
    fn deny(&mut self, id: TransferId, actions: &mut Vec<Action>) {
        if self.unknown.contains(&id) {
            return;
        }
        if self.unknown.len() >= limits::UNKNOWN {
            self.unknown.pop_front();
        }
        self.unknown.push_back(id);
        actions.push(Action::Send(id, Outgoing::Answer(FileAnswer::Cancelled)));
    }

    /// Adds a transfer, and works on it.
    pub(super) fn add(
        &mut self,
        id: TransferId,
        record: Record,
        actions: &mut Vec<Action>,
        work: impl FnOnce(&mut Transfer, &mut Turn<'_>),
    ) {
        self.transfers.insert(id, Transfer::new(record));
        self.in_transfer(id, actions, work);
    }

    /// Works on a transfer, if it is known.
    pub(super) fn in_transfer(
        &mut self,
        id: TransferId,
        actions: &mut Vec<Action>,
        work: impl FnOnce(&mut Transfer, &mut Turn<'_>),
    ) {
        let Some(transfer) = self.transfers.get_mut(&id) else { return };
        work(transfer, &mut Turn { id, order: self.next_order, actions });
        if end_order(&transfer.record) == Some(self.next_order) {
            self.next_order = self.next_order.saturating_add(1);
        }
    }

    /// Works on every transfer.
    fn in_all(&mut self, work: impl Fn(&mut Transfer, &mut Turn<'_>)) -> Vec<Action> {
        let ids: Vec<_> = self.transfers.keys().copied().collect();
        let mut actions = Vec::new();
        for id in ids {
            self.in_transfer(id, &mut actions, &work);
        }
        self.settle(&mut actions);
        actions
    }

    /// Fills the queue, and forgets the oldest ended transfers.
    fn settle(&mut self, actions: &mut Vec<Action>) {
        while let Some(id) = self.next_to_serve() {
            self.served = Some(id);
            self.in_transfer(id, actions, Transfer::read_next);
        }
        while let Some(id) = self.oldest_ended() {
            self.transfers.remove(&id);
            actions.push(Action::Store(id, None));
        }
    }

    /// The transfer that may read a piece: each in turn, within the bounds of the queue.
    fn next_to_serve(&self) -> Option<TransferId> {
        if self.queued(None) >= limits::QUEUED {
            return None;
        }
        let after = self.served.map_or(Bound::Unbounded, Bound::Excluded);
        let (later, all) = (self.transfers.range((after, Bound::Unbounded)), self.transfers.iter());
        let ready = later.chain(all).find(|(id, transfer)| {
            transfer.wants_piece() && self.queued(Some(id.peer)) < limits::QUEUED_OF_ONE
        });
        ready.map(|(id, _)| *id)
    }

    /// Pieces that wait for the server, those of ended transfers included.
    fn queued(&self, of: Option<Fingerprint>) -> usize {
        let all = self.transfers.iter().filter(|(id, _)| of.is_none_or(|peer| peer == id.peer));
        all.map(|(_, transfer)| transfer.queued()).sum()
    }

    /// An ended transfer that is to be forgotten.
    fn oldest_ended(&self) -> Option<TransferId> {
        let ended = self.transfers.iter().filter(|(_, it)| !it.record.is_open());
        if ended.clone().count() <= limits::ENDED {
            return None;
        }
        let forgettable = ended.filter(|(_, transfer)| transfer.queued() == 0);
        let oldest = forgettable.min_by_key(|(_, transfer)| end_order(&transfer.record));
        oldest.map(|(id, _)| *id)
    }
}

/// Order of an ended transfer.
const fn end_order(record: &Record) -> Option<u64> {
    match record.state {
        State::Ended { order, .. } => Some(order),
        State::Offered | State::Sending(_) | State::Receiving(_) => None,
    }
}
