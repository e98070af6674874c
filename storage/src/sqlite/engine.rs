//! A connection, and the one way in which requests are committed over it.

use rusqlite::{Connection, TransactionBehavior};
use sealpost_core::frame::StoreError;

use super::error::{spoils_one_request, store_error};

/// The connection that writes.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) connection: Connection,
    failure: Option<rusqlite::Error>,
}

impl Engine {
    pub(crate) const fn new(connection: Connection) -> Self {
        Self { connection, failure: None }
    }

    /// [`Storage::commit`](crate::Storage::commit) with `run` for each request. `run` returns `Err`
    /// if SQLite failed, and something may be half done.
    pub(crate) fn commit<Op, Reply>(
        &mut self,
        requests: &[Op],
        outcomes: &mut Vec<Result<Reply, StoreError>>,
        run: impl Fn(&Connection, &Op) -> rusqlite::Result<Result<Reply, StoreError>>,
    ) {
        outcomes.clear();
        if requests.is_empty() {
            return;
        }
        let done = match self.transact(requests, outcomes, &run, Isolation::Shared) {
            Err(error) if spoils_one_request(&error) => {
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

    /// [`Storage::failure`](crate::Storage::failure).
    pub(crate) fn failure(&mut self) -> Option<String> {
        self.failure.take().map(|error| error.to_string())
    }

    /// One transaction over all requests. `Err` if it failed and nothing happened.
    fn transact<Op, Reply>(
        &mut self,
        requests: &[Op],
        outcomes: &mut Vec<Result<Reply, StoreError>>,
        run: impl Fn(&Connection, &Op) -> rusqlite::Result<Result<Reply, StoreError>>,
        isolation: Isolation,
    ) -> rusqlite::Result<()> {
        outcomes.clear();
        self.leave_failed_transaction()?;
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
                        Err(error) if spoils_one_request(&error) => {
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

    /// A rollback may have failed after an earlier fault; without this every later `BEGIN` would.
    fn leave_failed_transaction(&self) -> rusqlite::Result<()> {
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.connection.execute_batch("ROLLBACK")
    }
}

/// Whether a request that fails half-way takes the others with it.
///
/// Savepoints cost every request a tenth of its time, and only damage needs them: so the second
/// attempt at a transaction has them, and the first has not.
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

    /// What comes of each request, in turn, and how often one was run.
    fn commit(requests: &[Request]) -> (Vec<Result<(), StoreError>>, usize) {
        let (mut outcomes, runs) = (Vec::new(), Cell::new(0));
        let mut engine = Engine::new(Connection::open_in_memory().unwrap());
        engine.commit(requests, &mut outcomes, |_, request| {
            runs.set(runs.get() + 1);
            let failure = |code| Err(Error::SqliteFailure(ffi::Error::new(code), None));
            match request {
                Good => Ok(Ok(())),
                MeetsDamage => failure(ffi::SQLITE_CORRUPT),
                FindsTheDiskFull => failure(ffi::SQLITE_FULL),
            }
        });
        (outcomes, runs.get())
    }

    #[derive(Clone, Copy)]
    enum Request {
        Good,
        MeetsDamage,
        FindsTheDiskFull,
    }
    use Request::{FindsTheDiskFull, Good, MeetsDamage};

    #[test]
    fn only_damage_is_worth_a_second_attempt() {
        let full = [Err(StoreError::DiskFull); 2];
        assert_eq!(commit(&[Good, Good]), (vec![Ok(()); 2], 2));
        assert_eq!(commit(&[Good, FindsTheDiskFull]), (full.to_vec(), 2));
        assert_eq!(commit(&[MeetsDamage, Good]), (vec![Err(StoreError::Corrupt), Ok(())], 1 + 2));
    }

    #[test]
    fn full_disk_fails_all_requests_in_the_second_attempt_too() {
        let (outcomes, _) = commit(&[MeetsDamage, FindsTheDiskFull, Good]);
        assert_eq!(outcomes, [Err(StoreError::DiskFull); 3]);
    }
}
