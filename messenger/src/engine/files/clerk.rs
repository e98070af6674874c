//! The thread that works on transfers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use sealpost_core::client::store::{InboxId, Status, Token};
use sealpost_core::files::{EventName, Input};
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;
use sealpost_storage::client::SqliteClientStorage;
use sealpost_storage::client::transfers::{self as kept, SendPlace};

use super::Work;
use super::fates::Sends;
use crate::api::{ApiError, ErrorKind};
use crate::engine::core::Core;
use crate::files::{Desk, Folder, Origin, Stamp};

/// Works on transfers.
pub(super) struct Clerk {
    pub(super) core: Arc<Core>,
    /// Folder of received files; `None` if none are kept.
    pub(super) folder: Option<PathBuf>,
    /// `None` while the store or the folder fails: the machine would be ahead of them.
    pub(super) desk: Option<Desk>,
    pub(super) sends: Sends,
    /// Phone numbers of contacts, by the keys that are pinned.
    peers: BTreeMap<Fingerprint, Phone>,
    /// Messages that the server holds, and whose content is still here.
    pub(super) settled: Vec<Token>,
    pub(super) has_arrivals: bool,
    start: Start,
    /// When what waits is tried again.
    pub(super) retry_at: Option<Instant>,
}

/// Whether what a restart has interrupted was taken up.
#[derive(Clone, Copy, Debug)]
enum Start {
    /// Not before everything up to this place was taken over. Otherwise peers would be asked for
    /// pieces that are here, or at the server.
    Awaits {
        place: InboxId,
        has_caught_up: bool,
    },
    Done,
}

impl Clerk {
    pub(super) fn new(core: Arc<Core>, folder: Option<PathBuf>) -> Self {
        let start = Start::Awaits { place: InboxId::START, has_caught_up: false };
        Self {
            core,
            folder,
            desk: None,
            sends: Sends::default(),
            peers: BTreeMap::new(),
            settled: Vec::new(),
            has_arrivals: true,
            start,
            retry_at: None,
        }
    }

    pub(super) fn work(mut self, works: &Receiver<Work>) {
        self.open();
        loop {
            match works.recv_timeout(self.patience()) {
                Ok(Work::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(work) => self.take(work),
                Err(RecvTimeoutError::Timeout) => {
                    let settled = self.settle();
                    self.check(settled);
                }
            }
            let done = self.take_over_some().and_then(|()| self.keep_time());
            self.check(done);
        }
    }

    /// How long to wait for work.
    fn patience(&self) -> Duration {
        if self.has_arrivals && self.desk.is_some() {
            return Duration::ZERO;
        }
        let settle = (!self.settled.is_empty()).then_some(SETTLE_PAUSE);
        let retry = self.retry_at.map(|at| at.saturating_duration_since(Instant::now()));
        settle.into_iter().chain(retry).min().unwrap_or(PATIENCE)
    }

    fn take(&mut self, work: Work) {
        let done = match work {
            Work::Arrived => {
                self.has_arrivals = true;
                Ok(())
            }
            Work::CaughtUp => {
                if let Start::Awaits { has_caught_up, .. } = &mut self.start {
                    *has_caught_up = true;
                }
                Ok(())
            }
            Work::ContactsChanged => self.read_contacts(),
            Work::Fate(fate) => self.on_fate(fate),
            Work::TakeOver(answer) => {
                let done = self.take_over_all();
                give_answer(done, &answer)
            }
            Work::Command(command, answer) => {
                let done = self.command(command);
                give_answer(done, &answer)
            }
            Work::Offer(offered, answer) => {
                let done = self.offer(*offered);
                give_answer(done, &answer)
            }
            Work::OfferToGroup(offered, answer) => {
                let done = self.offer_to_group(*offered);
                give_answer(done, &answer)
            }
            Work::GiveUp => self.give_up(),
            Work::Stop => Ok(()),
        };
        self.check(done);
    }

    /// Begins again from the store if it has failed: the machine may be ahead of it.
    fn check(&mut self, done: Result<(), ApiError>) {
        let Err(error) = done else { return };
        self.desk = None;
        // The engine is about to stop.
        if error.kind() == Some(ErrorKind::Unavailable) {
            return;
        }
        tracing::error!(%error, "can't go on with file transfers; trying again");
        self.retry_at = Some(Instant::now() + RETRY);
    }

    /// Makes the machine from what the store holds.
    pub(super) fn open(&mut self) {
        let opened = self.opened();
        self.check(opened);
    }

    fn opened(&mut self) -> Result<(), ApiError> {
        self.core.settle();
        self.core.write(SqliteClientStorage::tidy_transfers)?;
        self.read_contacts()?;
        let (known, sends, last) = self.core.read(|store| {
            Ok((store.known_transfers()?, store.unsettled_file_sends()?, store.last_arrival()?))
        })?;
        let origin = |kept: &kept::Origin| {
            let stamp = Stamp::from_bytes(&kept.stamp)?;
            Some(Origin { path: kept.path.clone(), stamp })
        };
        let sources = known
            .iter()
            .filter_map(|known| Some((known.id, origin(known.origin.as_ref()?)?)))
            .collect();
        let queued: Vec<_> = sends
            .iter()
            .filter(|send| {
                matches!(send.place, SendPlace::Draft | SendPlace::Outbox(_, Status::Queued))
            })
            .filter_map(|send| match send.name {
                Some(EventName::Piece(name)) => Some((send.id, name)),
                Some(EventName::Offer) | None => None,
            })
            .collect();
        self.sends = Sends::of(&sends);
        let folder = self.folder.as_deref().map_or_else(|| Ok(Folder::none()), Folder::open);
        let folder = folder.map_err(|error| self.folder_failed(&error))?;
        let records = known.into_iter().map(|known| (known.id, known.record));
        let desk = Desk::new(folder, records, sources, queued)
            .map_err(|error| self.folder_failed(&error))?;
        self.desk = Some(desk);
        self.has_arrivals = true;
        if let Start::Awaits { place, .. } = &mut self.start {
            *place = (*place).max(last);
        }
        self.send_unsent()?;
        self.give_up()
    }

    fn folder_failed(&self, error: &std::io::Error) -> ApiError {
        let folder = self.folder.as_deref().unwrap_or_else(|| Path::new("no folder"));
        ErrorKind::Storage
            .error(format_args!("can't use {} for received files: {error}", folder.display()))
    }

    /// Phone number of the contact whose pinned key this is.
    pub(super) fn phone_of(&mut self, key: &Fingerprint) -> Result<Option<Phone>, ApiError> {
        if !self.peers.contains_key(key) {
            // Nobody tells of a contact that is made by a first message.
            self.read_contacts()?;
        }
        Ok(self.peers.get(key).copied())
    }

    /// As [`phone_of`](Self::phone_of), of those contacts that were read.
    pub(super) fn known_phone_of(&self, key: &Fingerprint) -> Option<Phone> {
        self.peers.get(key).copied()
    }

    /// Who has which key.
    fn read_contacts(&mut self) -> Result<(), ApiError> {
        self.core.settle();
        let contacts = self.core.contacts()?;
        self.peers = contacts
            .iter()
            .map(|contact| (*contact.pinned.public_key.fingerprint(), contact.phone))
            .collect();
        Ok(())
    }

    /// Does what is due.
    fn keep_time(&mut self) -> Result<(), ApiError> {
        let is_due = self.retry_at.is_some_and(|at| at <= Instant::now());
        if is_due {
            self.retry_at = None;
        }
        let Some(desk) = &mut self.desk else {
            if is_due {
                self.open();
            }
            return Ok(());
        };
        if let Start::Awaits { place, has_caught_up: true } = self.start
            && !self.has_arrivals
            && self.core.hub.arrived_up_to() >= place.0
        {
            let effects = desk.start();
            self.start = Start::Done;
            self.carry_out(effects, None)?;
        } else if is_due {
            let effects = desk.handle(Input::Retry);
            self.carry_out(effects, None)?;
            self.send_unsent()?;
        }
        self.watch_pauses();
        Ok(())
    }

    /// Overwrites content that is not needed any more, if no step has done it.
    fn settle(&mut self) -> Result<(), ApiError> {
        if self.has_arrivals || self.settled.is_empty() {
            return Ok(());
        }
        self.carry_out(Vec::new(), None)
    }

    /// Sets the clock for what is paused.
    fn watch_pauses(&mut self) {
        let Some(desk) = &self.desk else { return };
        let files = desk.files();
        if self.retry_at.is_none() && files.records().any(|(id, _)| files.is_paused(id)) {
            self.retry_at = Some(Instant::now() + RETRY);
        }
    }
}

/// Answers a request. Returns its error if the machine may be ahead of the store because of it.
fn give_answer<T>(
    done: Result<T, ApiError>,
    answer: &SyncSender<Result<T, ApiError>>,
) -> Result<(), ApiError> {
    let of_store =
        [ErrorKind::Storage, ErrorKind::Unavailable, ErrorKind::Internal].map(ErrorKind::code);
    let failed = done.as_ref().err().filter(|error| of_store.contains(&error.code)).cloned();
    // Whoever asked may have gone away.
    let _ = answer.send(done);
    failed.map_or(Ok(()), Err)
}

/// Pause before what waits is tried again.
pub(super) const RETRY: Duration = Duration::from_secs(2);
/// Time for which content that is not needed any more may wait for the next step.
const SETTLE_PAUSE: Duration = Duration::from_millis(500);
/// Longest wait for work, when nothing is due.
const PATIENCE: Duration = Duration::from_hours(1);
