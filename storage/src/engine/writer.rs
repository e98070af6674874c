//! The connection that writes, and the one way to commit requests over it.

use std::error::Error;

use rusqlite::{Connection, TransactionBehavior};
use sealpost_core::frame::StoreError;

use super::error::{affects_one_request, store_error};
use super::watch::FileWatch;

/// The connection that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    files: FileWatch,
    failure: Option<String>,
}

impl Writer {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { files: FileWatch::of(&connection), connection, failure: None }
    }

    /// Implements [`Storage::commit`](crate::Storage::commit); `run` carries out one request.
    ///
    /// `run` returns `Err` if SQLite failed, in which case the request may be half done, and
    /// otherwise `Ok` with an outcome.
    pub(crate) fn commit<Op, Reply>(
        &mut self,
        requests: &[Op],
        outcomes: &mut Vec<Result<Reply, StoreError>>,
        run: impl Fn(&Connection, &Op) -> rusqlite::Result<Result<Reply, StoreError>>,
    ) {
        outcomes.clear();
        // A transaction could fail, and no outcome would report it.
        if requests.is_empty() {
            return;
        }
        let done = match self.transact(requests, outcomes, &run, Isolation::Shared) {
            // The first attempt was rolled back as a whole, so its requests can run again.
            Err(error) if affects_one_request(&error) => {
                self.transact(requests, outcomes, &run, Isolation::Savepoints)
            }
            done => done,
        };
        if let Err(error) = done {
            return self.fail(requests.len(), outcomes, store_error(&error), &error);
        }
        // Looked for after the commit: what it wrote must be in the files that a restart will open.
        if let Err(removed) = self.files.check() {
            self.fail(requests.len(), outcomes, StoreError::Io, &removed);
        }
    }

    /// Gives every request the same error.
    fn fail<Reply>(
        &mut self,
        requests: usize,
        outcomes: &mut Vec<Result<Reply, StoreError>>,
        meaning: StoreError,
        cause: &dyn Error,
    ) {
        outcomes.clear();
        outcomes.extend((0..requests).map(|_| Err(meaning)));
        self.failure = Some(cause.to_string());
    }

    /// Implements [`Storage::failure`](crate::Storage::failure).
    pub(crate) fn failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    /// Runs all requests in one transaction. Returns `Err` if it failed and was rolled back.
    fn transact<Op, Reply>(
        &mut self,
        requests: &[Op],
        outcomes: &mut Vec<Result<Reply, StoreError>>,
        run: impl Fn(&Connection, &Op) -> rusqlite::Result<Result<Reply, StoreError>>,
        isolation: Isolation,
    ) -> rusqlite::Result<()> {
        outcomes.clear();
        self.roll_back_leftover()?;
        let mut transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for request in requests {
            outcomes.push(match isolation {
                Isolation::Shared => run(&transaction, request)?,
                Isolation::Savepoints => {
                    let savepoint = transaction.savepoint()?;
                    match run(&savepoint, request) {
                        Ok(outcome) => {
                            savepoint.commit()?;
                            outcome
                        }
                        Err(error) if affects_one_request(&error) => {
                            savepoint.finish()?;
                            self.failure = Some(error.to_string());
                            Err(store_error(&error))
                        }
                        Err(error) => return Err(error),
                    }
                }
            });
        }
        transaction.commit()
    }

    /// Ends a transaction whose own rollback failed. Otherwise every later `BEGIN` would fail too.
    fn roll_back_leftover(&self) -> rusqlite::Result<()> {
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.connection.execute_batch("ROLLBACK")
    }
}

/// Whether a request that fails halfway takes the others with it.
///
/// Savepoints add a tenth to the time of every request, and only damage needs them. So the first
/// attempt at a transaction does without, and only the second uses them.
#[derive(Clone, Copy, Debug)]
enum Isolation {
    Shared,
    Savepoints,
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use rusqlite::{Error, ffi};

    use super::*;

    /// Commits `requests`. Returns their outcomes, and how many times any request was run.
    fn commit(requests: &[Request]) -> (Vec<Result<(), StoreError>>, usize) {
        let (mut outcomes, runs) = (Vec::new(), Cell::new(0));
        let mut writer = Writer::new(Connection::open_in_memory().unwrap());
        writer.commit(requests, &mut outcomes, |_, request| {
            runs.set(runs.get() + 1);
            let failure = |code| Err(Error::SqliteFailure(ffi::Error::new(code), None));
            match request {
                Succeeds => Ok(Ok(())),
                MeetsDamage => failure(ffi::SQLITE_CORRUPT),
                MeetsFullDisk => failure(ffi::SQLITE_FULL),
            }
        });
        (outcomes, runs.get())
    }

    #[derive(Clone, Copy)]
    enum Request {
        Succeeds,
        MeetsDamage,
        MeetsFullDisk,
    }
    use Request::{MeetsDamage, MeetsFullDisk, Succeeds};

    #[test]
    fn only_damage_causes_a_second_attempt() {
        let full = [Err(StoreError::DiskFull); 2];
        assert_eq!(commit(&[Succeeds, Succeeds]), (vec![Ok(()); 2], 2));
        assert_eq!(commit(&[Succeeds, MeetsFullDisk]), (full.to_vec(), 2));
        let damaged = vec![Err(StoreError::Corrupt), Ok(())];
        assert_eq!(commit(&[MeetsDamage, Succeeds]), (damaged, 1 + 2));
    }

    #[test]
    fn full_disk_in_the_second_attempt_fails_all_requests() {
        let (outcomes, _) = commit(&[MeetsDamage, MeetsFullDisk, Succeeds]);
        assert_eq!(outcomes, [Err(StoreError::DiskFull); 3]);
    }

    /// A database with one table, and the result of a commit that adds a row.
    #[cfg(unix)]
    fn commit_one(writer: &mut Writer) -> Result<(), StoreError> {
        let mut outcomes = Vec::new();
        writer.commit(&[()], &mut outcomes, |connection, ()| {
            connection.execute("INSERT INTO notes VALUES ('stored')", ()).map(|_| Ok(()))
        });
        outcomes.remove(0)
    }

    #[cfg(unix)]
    #[test]
    fn database_whose_files_are_removed_or_replaced_stores_nothing_more() {
        use crate::engine::Schema;
        let schema = Schema { application_id: 5, migrations: &["CREATE TABLE notes (text TEXT)"] };
        for (name, replaced) in [("n.db", false), ("n.db", true), ("n.db-wal", false)] {
            let folder = crate::engine::test_folder::folder();
            let path = folder.path().join("n.db");
            let mut writer = Writer::new(schema.open(&path, |_| Ok(())).unwrap());
            assert_eq!(commit_one(&mut writer), Ok(()));
            let file = folder.path().join(name);
            std::fs::rename(&file, folder.path().join("away")).unwrap();
            if replaced {
                std::fs::copy(folder.path().join("away"), &file).unwrap();
            }
            for _ in 0..2 {
                assert_eq!(commit_one(&mut writer), Err(StoreError::Io), "{name}");
                let failure = writer.failure().unwrap();
                let told = format!("{name} was removed or replaced while it was in use");
                assert!(failure.contains(&told), "{failure}");
            }
            std::fs::rename(folder.path().join("away"), &file).unwrap();
            assert_eq!(commit_one(&mut writer), Ok(()), "the file is back");
        }
    }
}
