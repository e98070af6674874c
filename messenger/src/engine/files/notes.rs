//! What is shown of transfers beyond their records.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sealpost_core::files::TransferId;

/// Why transfers wait, and when their progress was shown last.
#[derive(Debug, Default)]
pub(in crate::engine) struct Notes(Mutex<BTreeMap<TransferId, Note>>);

#[derive(Debug, Default)]
struct Note {
    waits_for: Option<String>,
    shown: Option<Instant>,
}

impl Notes {
    /// Why a transfer does not go on; `None` if it does.
    pub(in crate::engine) fn waits_for(&self, id: TransferId) -> Option<String> {
        self.lock().get(&id).and_then(|note| note.waits_for.clone())
    }

    /// Notes why a transfer does not go on. Returns whether that is news.
    pub(super) fn wait(&self, id: TransferId, reason: String) -> bool {
        let mut notes = self.lock();
        let note = notes.entry(id).or_default();
        let is_new = note.waits_for.as_ref() != Some(&reason);
        note.waits_for = Some(reason);
        is_new
    }

    /// Notes that a transfer goes on. Returns whether its progress is to be shown: not too often.
    pub(super) fn go_on(&self, id: TransferId) -> bool {
        let mut notes = self.lock();
        let note = notes.entry(id).or_default();
        note.waits_for = None;
        let is_due = note.shown.is_none_or(|shown| shown.elapsed() >= PAUSE);
        if is_due {
            note.shown = Some(Instant::now());
        }
        is_due
    }

    /// Forgets a transfer that is over.
    pub(super) fn forget(&self, id: TransferId) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TransferId, Note>> {
        // No code that holds the lock can leave the notes half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shortest pause between two looks at the progress of a transfer.
const PAUSE: Duration = Duration::from_millis(200);
