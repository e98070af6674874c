//! Whether the server is live and ready.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::running::Running;
use crate::size::Size;
use crate::store::ReadAccess;

/// Whether the thread that serves all connections answers.
///
/// # Errors
/// The reason why not, for people.
pub(super) fn live(server: &Running) -> Result<(), String> {
    answer(&server.handle.with_machine(|_| ()), "the thread that serves connections")
}

/// Whether the server serves, its store works, and new messages to absent users can be stored.
///
/// # Errors
/// The reason why not, for people.
pub(crate) fn ready(server: &Running) -> Result<(), String> {
    if server.vitals.is_stopping() {
        return Err("the server is stopping".into());
    }
    live(server)?;
    if let ReadAccess::Engine(reader) = &server.reading {
        // First, because the storage thread waits for an engine that does not answer.
        reader.probe(PATIENCE).map_err(|failure| format!("the store can't be used: {failure}"))?;
    }
    answer(&server.store.with_store(|_| ()), "the storage thread")?;
    let ReadAccess::Database(data) = &server.reading else { return Ok(()) };
    let inspected = data.inspect().and_then(|inspector| Ok(inspector.stats()?));
    inspected.map_err(|failure| format!("the database can't be read: {failure}"))?;
    enough_disk(data.ballast().free_bytes(), server.quota.current().disk_reserve_bytes)
}

/// Waits for the answer of a thread.
pub(super) fn answer<T>(answered: &Receiver<T>, whose: &str) -> Result<T, String> {
    answered.recv_timeout(PATIENCE).map_err(|error| match error {
        RecvTimeoutError::Timeout => {
            format!("{whose} has not answered within {} s", PATIENCE.as_secs())
        }
        RecvTimeoutError::Disconnected => "the server has stopped".into(),
    })
}

/// Whether the disk has more than its reserve. Nothing is known of a disk that does not tell.
fn enough_disk(free: Option<u64>, reserve: u64) -> Result<(), String> {
    match free {
        Some(free) if free < reserve => Err(format!(
            "the disk has {} left, less than the reserve of {}: new messages to absent users are \
             refused",
            Size(free),
            Size(reserve)
        )),
        Some(_) | None => Ok(()),
    }
}

/// Longest wait for a thread: a healthy one answers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn thread_that_does_not_answer_is_named() {
        let (sender, answered) = mpsc::channel();
        assert_eq!(
            answer(&answered, "the clerk"),
            Err("the clerk has not answered within 1 s".into())
        );
        sender.send(7).unwrap();
        assert_eq!(answer(&answered, "the clerk"), Ok(7));
        drop(sender);
        assert_eq!(answer(&answered, "the clerk"), Err("the server has stopped".into()));
    }

    #[test]
    fn disk_below_its_reserve_is_not_ready() {
        assert!(enough_disk(Some(99), 100).is_err());
        assert_eq!(enough_disk(Some(100), 100), Ok(()));
        assert_eq!(enough_disk(None, 100), Ok(()));
    }
}
