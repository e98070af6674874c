//! A server's store that tells the mark beside it which user ids are handed out.

use sealpost_core::frame::StoreError;
use sealpost_core::server::store::{CreateOutcome, StoreOp, StoreOutcome, StoreReply};

use crate::database_mark::{DatabaseMark, OpenMark, Remembered};
use crate::key_file::KeyFileError;
use crate::storage::Storage;

/// Records in a [`DatabaseMark`] which user ids the store inside hands out, so that an older copy of
/// its database is noticed and none of these ids is used again.
///
/// Ids are reserved before they are handed out, a few at a time and durably: so `reserved` is never
/// too low. What was handed out is noted after the commit, without a sync: so `handed_out` is never
/// too high, and an account costs no more than before.
#[derive(Debug)]
pub struct Marked<S> {
    store: S,
    mark: OpenMark,
    remembered: Remembered,
    /// The last id that the store may have handed out, whatever it has reported.
    last: u64,
    failure: Option<String>,
}

impl<S> Marked<S> {
    /// Wraps a store whose database has handed out ids up to `last` and belongs to this mark, which
    /// exists.
    pub fn new(
        store: S,
        mark: &DatabaseMark,
        remembered: Remembered,
        last: u64,
    ) -> Result<Self, KeyFileError> {
        let open =
            mark.open().map_err(|error| KeyFileError::Io(mark.path().to_path_buf(), error))?;
        Ok(Self { store, mark: open, remembered, last, failure: None })
    }

    /// The store inside, for what hands out no id.
    pub const fn inner(&mut self) -> &mut S {
        &mut self.store
    }

    /// Reserves as many ids as these requests may be given.
    fn reserve(&mut self, requests: &[StoreOp]) -> std::io::Result<()> {
        let accounts = requests.iter().filter(|request| creates(request)).count();
        let needed = self.last.saturating_add(accounts as u64);
        if needed <= self.remembered.reserved {
            return Ok(());
        }
        let reserved = needed.saturating_add(RESERVED_AT_ONCE - 1);
        let remembered = Remembered { reserved, ..self.remembered };
        self.mark.record(remembered)?;
        self.remembered = remembered;
        Ok(())
    }

    /// Notes what the store has handed out.
    fn note(&mut self, requests: &[StoreOp], outcomes: &[StoreOutcome]) {
        let before = self.remembered.handed_out;
        for (_, outcome) in requests.iter().zip(outcomes).filter(|(request, _)| creates(request)) {
            match outcome {
                Ok(StoreReply::Created(CreateOutcome::Created(id))) => {
                    self.last = self.last.max(id.value());
                    self.remembered.handed_out = id.value();
                }
                // It may have been created nevertheless.
                Err(_) => self.last = self.last.saturating_add(1),
                Ok(_) => {}
            }
        }
        if self.remembered.handed_out != before {
            // Without the note, an older copy is only noticed by those handed out later.
            let _ = self.mark.note(self.remembered);
        }
    }
}

impl<S: Storage<Op = StoreOp, Outcome = StoreOutcome>> Storage for Marked<S> {
    type Op = StoreOp;
    type Outcome = StoreOutcome;

    fn commit(&mut self, requests: &[StoreOp], outcomes: &mut Vec<StoreOutcome>) {
        if let Err(error) = self.reserve(requests) {
            outcomes.clear();
            outcomes.extend(requests.iter().map(|_| Err(StoreError::Io)));
            self.failure = Some(format!("can't reserve user ids: {error}"));
            return;
        }
        self.store.commit(requests, outcomes);
        self.note(requests, outcomes);
    }

    fn failure(&mut self) -> Option<String> {
        self.failure.take().or_else(|| self.store.failure())
    }
}

const fn creates(request: &StoreOp) -> bool {
    matches!(request, StoreOp::CreateUser { .. })
}

/// Each takes one sync. As many are lost at most whenever a backup is restored; a compact server has
/// 65,535 in all.
const RESERVED_AT_ONCE: u64 = 64;

#[cfg(test)]
mod tests {
    use sealpost_core::ids::UserId;
    use sealpost_core::server::store::Seq;
    use sealpost_core::wire::Profile;

    use super::*;
    use crate::conformance::{at, phone, public_key, wrapped_key};
    use crate::database_mark::DatabaseId;
    use crate::faulty::Faulty;
    use crate::server::{MemoryStorage, Quota};

    const EMPTY: Remembered = Remembered { id: DatabaseId([7; 16]), handed_out: 0, reserved: 0 };

    fn create(n: u16) -> StoreOp {
        StoreOp::CreateUser {
            phone: phone(n),
            public_key: public_key(n),
            aes_key: wrapped_key(1),
            at: at(0),
            max_id: 1_000,
            invitation: None,
        }
    }

    fn memory() -> MemoryStorage {
        MemoryStorage::new(Profile::Compact, Quota::default())
    }

    struct Bed<S> {
        _folder: tempfile::TempDir,
        mark: DatabaseMark,
        store: Marked<S>,
    }

    impl<S: Storage<Op = StoreOp, Outcome = StoreOutcome>> Bed<S> {
        fn new(store: S) -> Self {
            let folder = crate::engine::test_folder::folder();
            let mark = DatabaseMark::new(folder.path().join("database-id"));
            mark.write(EMPTY).unwrap();
            let store = Marked::new(store, &mark, EMPTY, 0).unwrap();
            Self { _folder: folder, mark, store }
        }

        /// Commits, and returns the outcomes with the ids that the mark remembers then.
        fn commit(&mut self, requests: &[StoreOp]) -> (Vec<StoreOutcome>, (u64, u64)) {
            let mut outcomes = Vec::new();
            self.store.commit(requests, &mut outcomes);
            let Remembered { handed_out, reserved, .. } = self.mark.read().unwrap().unwrap();
            (outcomes, (handed_out, reserved))
        }
    }

    fn created(id: u64) -> StoreReply {
        let id = UserId::new(id).unwrap();
        StoreReply::Created(CreateOutcome::Created(id))
    }

    #[test]
    fn ids_are_reserved_in_steps_and_noted_one_by_one() {
        let mut bed = Bed::new(memory());
        let count = StoreOp::BeginSession { user: UserId::new(1).unwrap(), place: Seq::START };
        assert_eq!(bed.commit(&[count]).1, (0, 0));
        assert_eq!(bed.commit(&[create(1)]), (vec![Ok(created(1))], (1, 64)));
        let taken = Ok(StoreReply::Created(CreateOutcome::PhoneTaken));
        assert_eq!(bed.commit(&[create(1), create(2)]), (vec![taken, Ok(created(2))], (2, 64)));
        let many: Vec<_> = (3..=64).map(create).collect();
        assert_eq!(bed.commit(&many).1, (64, 64));
        assert_eq!(bed.commit(&[create(65), create(66)]).1, (66, 129));
    }

    #[test]
    fn failed_accounts_are_reserved_and_not_noted() {
        let mut bed = Bed::new(Faulty::new(memory()));
        bed.store.store.fail_next(1, StoreError::Io);
        assert_eq!(bed.commit(&[create(1)]), (vec![Err(StoreError::Io)], (0, 64)));
        assert_eq!(bed.store.last, 1);
    }
}
