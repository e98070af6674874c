//! A device: what its disk keeps, and the process that runs on it.

use std::collections::{BTreeMap, VecDeque};

use super::Dice;
use sealpost_core::event::{FileAnswer, FileId, FileOffer, FilePiece, PieceData};
use sealpost_core::files::{
    Action, Consent, Direction, EventName, Fate, Files, Finished, Input, Outgoing, PieceName, Read,
    Record, TransferId, Written,
};
use sealpost_core::keys::Fingerprint;

/// An event on its way.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Offer(FileOffer),
    Piece(FilePiece),
    Answer(FileId, FileAnswer),
}

/// What a disk keeps.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    records: BTreeMap<TransferId, Record>,
    /// Messages by their names, which are sent once.
    names: BTreeMap<(TransferId, EventName), u64>,
    named: BTreeMap<u64, (TransferId, EventName)>,
    fates: BTreeMap<u64, Fate>,
    pub(super) outbox: VecDeque<(u64, Event)>,
    pub(super) inbox: VecDeque<Event>,
    partial: BTreeMap<TransferId, BTreeMap<u64, Vec<u8>>>,
    pub(super) saved: BTreeMap<TransferId, Vec<u8>>,
}

/// A device and its process.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) user: u8,
    pub(super) disk: Disk,
    pub(super) backup: Option<Disk>,
    pub(super) files: Files,
    /// Outcomes of what was asked of the host; lost with the process.
    pub(super) outcomes: VecDeque<Input>,
    pub(super) is_disk_full: bool,
    pub(super) is_outbox_full: bool,
    pub(super) asks: bool,
    /// The process dies after this many actions.
    pub(super) dies_in: Option<u64>,
    /// Files that were changed since they were offered.
    pub(super) changed: Vec<TransferId>,
}

impl Device {
    pub(super) fn new(user: u8, asks: bool) -> Self {
        Self {
            user,
            disk: Disk::default(),
            backup: None,
            files: Files::new([], []),
            outcomes: VecDeque::new(),
            is_disk_full: false,
            is_outbox_full: false,
            asks,
            dies_in: None,
            changed: Vec::new(),
        }
    }

    /// The process dies, and another one starts.
    pub(super) fn restart(&mut self, next_message: &mut u64) {
        self.outcomes.clear();
        self.dies_in = None;
        let queued = self.disk.outbox.iter().filter_map(|(message, _)| {
            match self.disk.named.get(message)? {
                (id, EventName::Piece(piece)) => Some((*id, *piece)),
                (_, EventName::Offer) => None,
            }
        });
        self.files = Files::new(self.disk.records.clone(), queued);
        while !self.disk.inbox.is_empty() {
            self.take(next_message);
        }
        let actions = self.files.start();
        self.carry_out(actions, next_message);
    }

    /// Takes what arrived first. It is taken over only once everything that follows was carried out.
    pub(super) fn take(&mut self, next_message: &mut u64) {
        let Some(event) = self.disk.inbox.front().cloned() else { return };
        let from = peer(self.user);
        let consent = if self.asks { Consent::Ask } else { Consent::Given { room: u64::MAX } };
        let input = match event {
            Event::Offer(offer) => Input::Offer { from, offer, consent },
            Event::Piece(piece) => Input::Piece { from, piece },
            Event::Answer(file, answer) => Input::Answer { from, file, answer },
        };
        if self.give(input, next_message) {
            self.disk.inbox.pop_front();
        }
    }

    /// Gives an input; `false` if the process died.
    pub(super) fn give(&mut self, input: Input, next_message: &mut u64) -> bool {
        let actions = self.files.handle(input);
        self.files.is_consistent().unwrap();
        self.carry_out(actions, next_message)
    }

    fn carry_out(&mut self, actions: Vec<Action>, next_message: &mut u64) -> bool {
        for action in actions {
            match &mut self.dies_in {
                Some(0) => {
                    self.restart(next_message);
                    return false;
                }
                Some(left) => *left -= 1,
                None => {}
            }
            match action {
                Action::Store(id, Some(record)) => {
                    self.disk.records.insert(id, *record);
                }
                Action::Store(id, None) => {
                    self.disk.records.remove(&id);
                }
                Action::Send(id, sent) => self.send(id, sent, next_message),
                Action::Read { id, name, offset, len } => self.read(id, name, offset, len),
                Action::Write { id, index, offset, data } => {
                    let outcome = if self.is_disk_full { Written::Failed } else { Written::Done };
                    if outcome == Written::Done {
                        let partial = self.disk.partial.entry(id).or_default();
                        partial.insert(offset, data.as_bytes().to_vec());
                    }
                    self.outcomes.push_back(Input::Written { id, index, outcome });
                }
                Action::Finish(id) => self.finish(id),
                Action::Discard(id) => {
                    self.disk.partial.remove(&id);
                }
                Action::Tell(..) => {}
            }
        }
        true
    }

    fn send(&mut self, id: TransferId, sent: Outgoing, next_message: &mut u64) {
        let (name, event) = match sent {
            Outgoing::Offer(offer) => (Some(EventName::Offer), Event::Offer(*offer)),
            Outgoing::Piece(name, data) => {
                let piece = FilePiece { file: id.file, index: name.index.into(), data };
                (Some(EventName::Piece(name)), Event::Piece(piece))
            }
            Outgoing::Answer(answer) => (None, Event::Answer(id.file, answer)),
        };
        if let Some(name) = name {
            if let Some(message) = self.disk.names.get(&(id, name)) {
                if let Some(fate) = self.disk.fates.get(message) {
                    self.outcomes.push_back(Input::Sent { id, name, fate: *fate });
                }
                return;
            }
            if self.is_outbox_full {
                self.outcomes.push_back(Input::Sent { id, name, fate: Fate::NoRoom });
                return;
            }
            self.disk.names.insert((id, name), *next_message);
            self.disk.named.insert(*next_message, (id, name));
        }
        self.disk.outbox.push_back((*next_message, event));
        *next_message += 1;
    }

    fn read(&mut self, id: TransferId, name: PieceName, offset: u64, len: u64) {
        let outcome = if self.changed.contains(&id) {
            Read::Changed
        } else {
            let file = content(id.file, self.disk.records[&id].offer.size.value());
            let (start, len) = (usize::try_from(offset).unwrap(), usize::try_from(len).unwrap());
            Read::Data(PieceData::new(file[start..start + len].to_vec()).unwrap())
        };
        self.outcomes.push_back(Input::Read { id, name, outcome });
    }

    fn finish(&mut self, id: TransferId) {
        let size = self.disk.records[&id].offer.size.value();
        let outcome = if self.is_disk_full {
            Finished::Failed
        } else {
            let pieces = self.disk.partial.get(&id).cloned().unwrap_or_default();
            let whole: Vec<u8> = pieces.into_values().flatten().collect();
            if whole == content(id.file, size) {
                self.disk.saved.insert(id, whole);
                Finished::Saved
            } else {
                Finished::Mismatch
            }
        };
        self.outcomes.push_back(Input::Finished { id, outcome });
    }

    /// An outcome, not always the first one.
    pub(super) fn take_outcome(&mut self, dice: &mut Dice) -> Option<Input> {
        let count = self.outcomes.len() as u64;
        let at = if count == 0 { 0 } else { dice.below(count.min(4)) };
        self.outcomes.remove(usize::try_from(at).unwrap())
    }

    /// What became of a message.
    pub(super) fn report(&mut self, message: u64, fate: Fate) {
        self.disk.fates.insert(message, fate);
        if let Some((id, name)) = self.disk.named.get(&message).copied() {
            self.outcomes.push_back(Input::Sent { id, name, fate });
        }
    }

    pub(super) fn pieces_queued(&self) -> usize {
        self.disk.outbox.iter().filter(|(_, event)| matches!(event, Event::Piece(_))).count()
    }
}

pub(super) const fn key(user: u8) -> Fingerprint {
    Fingerprint([user; 32])
}

/// The other user.
pub(super) const fn peer(user: u8) -> Fingerprint {
    key(1 - user)
}

/// The transfer as the other side names it.
pub(super) const fn mirrored(user: u8, id: TransferId) -> TransferId {
    let direction = match id.direction {
        Direction::Incoming => Direction::Outgoing,
        Direction::Outgoing => Direction::Incoming,
    };
    TransferId { direction, peer: key(user), file: id.file }
}

/// The content of a file.
pub(super) fn content(file: FileId, size: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(size).unwrap()];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::try_from(at / 7 % 251).unwrap() ^ file.0[0];
    }
    bytes
}
