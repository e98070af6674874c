//! The contract between a machine's host and its store.

use std::sync::Arc;

use sealpost_core::ids::Ticket;

/// Carries out the requests of a machine.
///
/// The associated types tell the server's store from the client's: the server's takes [`StoreOp`]
/// and answers [`StoreOutcome`].
///
/// Several servers can share a store whose engine is a service of its own. Requests are intentions
/// with idempotent effects, so two servers may race.
///
/// [`StoreOp`]: sealpost_core::server::store::StoreOp
/// [`StoreOutcome`]: sealpost_core::server::store::StoreOutcome
pub trait Storage {
    /// One request.
    type Op;
    /// The outcome of one request.
    type Outcome;

    /// Carries out `requests`, in order, in one transaction. Blocks until it is on disk: call it on
    /// a thread that may wait, with all requests that arrived during the previous call.
    ///
    /// `outcomes` is cleared, and then receives exactly one outcome for each request, in order.
    ///
    /// - **Durable.** From the moment that `commit` returns, the effects of a request whose outcome
    ///   is `Ok` survive the end of the process and a loss of power. Nothing is acknowledged
    ///   earlier.
    /// - **In order.** A request sees the effects of those before it, in this call and in earlier
    ///   ones.
    /// - **Each atomic.** A request takes effect entirely or not at all. One that cannot be carried
    ///   out (a damaged row; a packet that is not an item of the mailbox it is meant for, or has
    ///   another profile) fails alone, with `Corrupt`, and the others take effect.
    /// - **All or nothing.** A shared store carries out each request by itself, so each has an outcome
    ///   of its own; after `Unavailable`, it may have taken effect. In every other store, if the transaction fails, every request gets the error and none takes
    ///   effect. `Busy` and `DiskFull` may pass: repeat the requests later. `Io` needs the
    ///   operator. After `Io`, the transaction may turn out to be complete after all, but only if
    ///   the store is reopened before the next commit that changes something.
    /// - **Idempotent.** A repeated request changes nothing more, so repeating is always safe. Its
    ///   outcome may differ (`Duplicate`, `PhoneTaken`, `NotNewer`).
    /// - **Ids are used once.** No user id and no place in a mailbox is ever given out again, even
    ///   after a deletion or reopening.
    /// - **Bounded.** Mailboxes and the store accept messages up to the [`Quota`](crate::Quota), and
    ///   all receipts.
    fn commit(&mut self, requests: &[Self::Op], outcomes: &mut Vec<Self::Outcome>);

    /// Begins to carry out a request, and returns without waiting, if the store can: then `report` is
    /// called with the outcome, on any thread. Otherwise returns the request, which is to be committed.
    ///
    /// Requests that name a user in common take effect in the order in which they were begun. Others take
    /// effect in any order, and none waits for another. The outcomes mean what those of `commit` mean.
    fn begin(
        &mut self,
        _ticket: Ticket,
        request: Self::Op,
        _report: &Report<Self::Outcome>,
    ) -> Option<Self::Op> {
        Some(request)
    }

    /// Returns the cause of the last failure, for the log, and forgets it. The text names
    /// no user and quotes no data.
    fn failure(&mut self) -> Option<String> {
        None
    }
}

/// Takes the outcomes of requests that have [begun](Storage::begin).
pub type Report<Outcome> = Arc<dyn Fn(Ticket, Outcome) + Send + Sync>;

impl<S: Storage + ?Sized> Storage for Box<S> {
    type Op = S::Op;
    type Outcome = S::Outcome;

    fn commit(&mut self, requests: &[Self::Op], outcomes: &mut Vec<Self::Outcome>) {
        (**self).commit(requests, outcomes);
    }

    fn begin(
        &mut self,
        ticket: Ticket,
        request: Self::Op,
        report: &Report<Self::Outcome>,
    ) -> Option<Self::Op> {
        (**self).begin(ticket, request, report)
    }

    fn failure(&mut self) -> Option<String> {
        (**self).failure()
    }
}

#[cfg(test)]
mod tests {
    use sealpost_core::wire::Profile;

    use super::*;
    use crate::server::{MemoryStorage, Quota};

    /// Returns requests as their own outcomes.
    struct Echo {
        failure: Option<String>,
    }

    impl Storage for Echo {
        type Op = u8;
        type Outcome = u8;

        fn commit(&mut self, requests: &[u8], outcomes: &mut Vec<u8>) {
            outcomes.clear();
            outcomes.extend_from_slice(requests);
        }

        fn failure(&mut self) -> Option<String> {
            self.failure.take()
        }
    }

    #[test]
    fn boxed_store_commits_and_reports_its_failure() {
        let echo = Echo { failure: Some("disk worn out".into()) };
        let mut boxed: Box<dyn Storage<Op = u8, Outcome = u8>> = Box::new(echo);
        let mut outcomes = vec![9];
        boxed.commit(&[1, 2], &mut outcomes);
        assert_eq!(outcomes, [1, 2]);
        assert_eq!(boxed.failure().as_deref(), Some("disk worn out"));
        assert_eq!(boxed.failure(), None);
    }

    #[test]
    fn store_that_never_fails_reports_no_failure() {
        let mut memory = MemoryStorage::new(Profile::Compact, Quota::default());
        assert_eq!(memory.failure(), None);
    }
}
