//! The connection that writes, and the one way to commit requests over it.

use rusqlite::{Connection, TransactionBehavior};
use sealpost_core::frame::StoreError;

use super::error::{affects_one_request, store_error};

/// The connection that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    failure: Option<rusqlite::Error>,
}

impl Writer {
    pub(crate) const fn new(connection: Connection) -> Self {
        Self { connection, failure: None }
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
            outcomes.clear();
            outcomes.extend(requests.iter().map(|_| Err(store_error(&error))));
            self.failure = Some(error);
        }
    }

    /// Implements [`Storage::failure`](crate::Storage::failure).
    pub(crate) fn failure(&mut self) -> Option<String> {
        self.failure.take().map(|error| error.to_string())
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
                            Err(store_error(self.failure.insert(error)))
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
}
