//! A store that fails on demand, for simulations and tests of hosts.

use sealpost_core::frame::StoreError;

use crate::storage::Storage;

/// A store around another one that fails commits on demand. A failed commit has no effect.
#[derive(Clone, Debug)]
pub struct Faulty<S> {
    inner: S,
    failing: u32,
    error: StoreError,
}

impl<S> Faulty<S> {
    /// Wraps a store; no commit fails yet.
    pub const fn new(inner: S) -> Self {
        Self { inner, failing: 0, error: StoreError::Busy }
    }

    /// Makes the next `commits` calls of [`Storage::commit`] fail with `error`. Later calls succeed
    /// again. 0 ends an earlier fault.
    pub const fn fail_next(&mut self, commits: u32, error: StoreError) {
        self.failing = commits;
        self.error = error;
    }

    /// Returns the wrapped store.
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    /// Returns the wrapped store, which does not fail on demand.
    pub const fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }
}

impl<R, S: Storage<Outcome = Result<R, StoreError>>> Storage for Faulty<S> {
    type Op = S::Op;
    type Outcome = S::Outcome;

    fn commit(&mut self, requests: &[S::Op], outcomes: &mut Vec<S::Outcome>) {
        if self.failing == 0 {
            return self.inner.commit(requests, outcomes);
        }
        self.failing -= 1;
        outcomes.clear();
        outcomes.extend(requests.iter().map(|_| Err(self.error)));
    }

    fn failure(&mut self) -> Option<String> {
        self.inner.failure()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{MemoryStorage, Quota};
    use sealpost_core::ids::UserId;
    use sealpost_core::server::store::{Seq, SessionOutcome, StoreOp, StoreReply, Waiting};
    use sealpost_core::wire::Profile;

    const NOTHING: StoreReply = StoreReply::SessionBegun(SessionOutcome::Begun(Waiting {
        items: 0,
        receipt_bytes: 0,
        undeliverable: 0,
    }));

    #[test]
    fn requested_number_of_commits_fails() {
        let mut storage = Faulty::new(MemoryStorage::new(Profile::Compact, Quota::default()));
        let mut outcomes = Vec::new();
        let requests = [1, 2]
            .map(|id| StoreOp::BeginSession { user: UserId::new(id).unwrap(), place: Seq::START });
        storage.fail_next(2, StoreError::DiskFull);
        for _ in 0..2 {
            storage.commit(&requests, &mut outcomes);
            assert_eq!(outcomes, [Err(StoreError::DiskFull), Err(StoreError::DiskFull)]);
        }
        storage.commit(&requests, &mut outcomes);
        assert_eq!(outcomes, [const { Ok(NOTHING) }; 2]);
    }
}
