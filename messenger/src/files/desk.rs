//! Carries out what the machine of file transfers asks of the disk.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use sealpost_core::event::PieceData;
use sealpost_core::files::{
    self, Action, Direction, Files, Input, Outgoing, PieceName, Read, Record, State, Told,
    TransferId, Written,
};

use super::{Finished, Folder, Partial, SafeName, Source, SourceError, Stamp};

/// The machine of file transfers with its folder and the files that are sent. What is left to the
/// caller are the [effects](Effect).
#[derive(Debug)]
pub struct Desk {
    files: Files,
    folder: Folder,
    sources: BTreeMap<TransferId, Origin>,
    /// Files that are being read.
    open: BTreeMap<TransferId, Source>,
}

/// Where a file that is sent comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its path.
    pub path: PathBuf,
    /// Tells whether it was changed since it was offered.
    pub stamp: Stamp,
}

/// What the caller does, in the order of the effects, each durably before the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Keep the record of a transfer; `None`: it is not needed any more.
    Store(TransferId, Option<Box<Record>>),
    /// Send an event. [`files::EventName`] says which ones are sent only once.
    Send(TransferId, Outgoing),
    /// Call [`Desk::discard`].
    Discard(TransferId),
    /// A received file is whole, and has this path. Keep it with the transfer.
    Saved(TransferId, PathBuf),
    /// The disk failed. The transfer waits for [`Input::Retry`].
    DiskFailed(TransferId, String),
    /// Tell the user.
    Tell(TransferId, Told),
}

impl Desk {
    /// A desk with the transfers in the store, where the files come from that are sent, and the pieces
    /// that still wait for the server. Partial files of transfers that are over are deleted.
    ///
    /// # Errors
    /// The folder can't be read, or a partial file can't be deleted.
    pub fn new(
        folder: Folder,
        records: impl IntoIterator<Item = (TransferId, Record)>,
        sources: BTreeMap<TransferId, Origin>,
        queued: impl IntoIterator<Item = (TransferId, PieceName)>,
    ) -> std::io::Result<Self> {
        let files = Files::new(records, queued);
        let is_partial = |(id, record): (TransferId, &Record)| match record.state {
            State::Receiving(_) => Some(Partial::of(id)),
            State::Offered | State::Sending(_) | State::Ended { .. } => None,
        };
        folder.sweep(&files.records().filter_map(is_partial).collect::<Vec<_>>())?;
        Ok(Self { files, folder, sources, open: BTreeMap::new() })
    }

    /// Takes up what a restart has interrupted. Called once, after everything was given that had
    /// arrived.
    pub fn start(&mut self) -> Vec<Effect> {
        let actions = self.files.start();
        self.carry_out(actions)
    }

    /// Gives the machine an input, and returns what is left to do. The first command for a file that
    /// is sent comes after [`Desk::add_source`].
    pub fn handle(&mut self, input: Input) -> Vec<Effect> {
        let actions = self.files.handle(input);
        self.carry_out(actions)
    }

    /// Says where the file of an outgoing transfer is.
    pub fn add_source(&mut self, id: TransferId, path: &Path, source: Source) {
        self.sources.insert(id, Origin { path: path.to_owned(), stamp: source.stamp() });
        self.open.insert(id, source);
    }

    /// Forgets a file whose transfer did not begin.
    pub fn remove_source(&mut self, id: TransferId) {
        self.sources.remove(&id);
        self.open.remove(&id);
    }

    /// The machine, to look at.
    pub const fn files(&self) -> &Files {
        &self.files
    }

    /// Forgets the file of a transfer that is over, and deletes the partial file, if there is one.
    ///
    /// # Errors
    /// The partial file can't be deleted. The next start does it.
    pub fn discard(&mut self, id: TransferId) -> std::io::Result<()> {
        self.folder.discard(&Partial::of(id))
    }

    fn carry_out(&mut self, actions: Vec<Action>) -> Vec<Effect> {
        let (mut effects, mut actions) = (Vec::new(), VecDeque::from(actions));
        while let Some(action) = actions.pop_front() {
            let outcome = match action {
                Action::Read { id, name, offset, len } => {
                    let outcome = self.read(id, offset, len);
                    Input::Read { id, name, outcome }
                }
                Action::Write { id, index, offset, data } => {
                    let written = self.folder.write(&Partial::of(id), offset, data.as_bytes());
                    let outcome = match written {
                        Ok(()) => Written::Done,
                        Err(error) => {
                            effects.push(Effect::DiskFailed(id, error.to_string()));
                            Written::Failed
                        }
                    };
                    Input::Written { id, index, outcome }
                }
                Action::Finish(id) => {
                    let outcome = self.finish(id, &mut effects);
                    Input::Finished { id, outcome }
                }
                Action::Store(id, record) => {
                    self.forget_source_of_ended(id, record.as_deref());
                    effects.push(Effect::Store(id, record));
                    continue;
                }
                Action::Send(id, event) => {
                    effects.push(Effect::Send(id, event));
                    continue;
                }
                Action::Discard(id) => {
                    effects.push(Effect::Discard(id));
                    continue;
                }
                Action::Tell(id, told) => {
                    effects.push(Effect::Tell(id, told));
                    continue;
                }
            };
            actions.extend(self.files.handle(outcome));
        }
        effects
    }

    fn read(&mut self, id: TransferId, offset: u64, len: u64) -> Read {
        let bytes = self.source(id).and_then(|source| {
            source.read(offset, usize::try_from(len).map_err(|_| SourceError::Changed)?)
        });
        match bytes.map(PieceData::new) {
            Ok(Ok(data)) => Read::Data(data),
            Err(SourceError::Io(_) | SourceError::NotAFile) => Read::Failed,
            Ok(Err(_)) | Err(SourceError::Changed) => Read::Changed,
        }
    }

    /// The file that is sent, which is opened once in the life of a process.
    fn source(&mut self, id: TransferId) -> Result<&Source, SourceError> {
        let gone = || SourceError::Io(std::io::ErrorKind::NotFound.into());
        if !self.open.contains_key(&id) {
            let origin = self.sources.get(&id).ok_or_else(gone)?;
            self.open.insert(id, Source::reopen(&origin.path, origin.stamp)?);
        }
        self.open.get(&id).ok_or_else(gone)
    }

    fn finish(&self, id: TransferId, effects: &mut Vec<Effect>) -> files::Finished {
        let Some(Record { offer, .. }) = self.files.record(id) else {
            return files::Finished::Failed;
        };
        let (size, name) = (offer.size.value(), SafeName::of(offer.name.as_str()));
        match self.folder.finish(&Partial::of(id), size, &offer.sha256, &name) {
            Ok(Finished::Saved(path)) => {
                effects.push(Effect::Saved(id, path));
                files::Finished::Saved
            }
            Ok(Finished::Mismatch) => files::Finished::Mismatch,
            Err(error) => {
                effects.push(Effect::DiskFailed(id, error.to_string()));
                files::Finished::Failed
            }
        }
    }

    fn forget_source_of_ended(&mut self, id: TransferId, record: Option<&Record>) {
        if id.direction == Direction::Outgoing && !record.is_some_and(Record::is_open) {
            self.remove_source(id);
        }
    }
}

#[cfg(test)]
mod tests;
