//! The contract between a machine's host and its store.

/// Carries out what a machine asks of its store.
///
/// The types say whose store it is: the server's takes [`StoreOp`] and answers [`StoreOutcome`].
///
/// An engine that several servers share fits behind this trait: requests are intentions with
/// idempotent effects, so two servers may race, and what a second server appends to a mailbox would
/// reach the first as an event of its own, next to the outcomes. None exists yet.
///
/// [`StoreOp`]: sealpost_core::server::store::StoreOp
/// [`StoreOutcome`]: sealpost_core::server::store::StoreOutcome
pub trait Storage {
    /// One request.
    type Op;
    /// What became of it.
    type Outcome;

    /// Carries out `requests`, in order, in one transaction. Blocks until the disk has it: call it
    /// on a thread that may wait, with all that has gathered meanwhile.
    ///
    /// `outcomes` is cleared, then gets exactly one outcome for each request, in order.
    ///
    /// - **Durable.** Whatever has an `Ok` outcome survives the process and a loss of power from
    ///   the moment that `commit` returns. Nothing is acknowledged earlier.
    /// - **In order.** A request sees the effects of those before it, in this call and in earlier
    ///   ones.
    /// - **Each whole.** A request has happened entirely or not at all. One that can't be carried
    ///   out (damaged rows; a packet that is no item of the mailbox it is meant for, or in another
    ///   profile) gets its own error, `Corrupt`, and the others stand.
    /// - **All or nothing.** If the transaction fails, every request gets the error, and none has
    ///   happened. `Busy` and `DiskFull` may pass: repeat later. `Io` is for the operator. After
    ///   `Io`, and only if the store is opened again before the next commit that changes something,
    ///   the transaction may be found complete.
    /// - **Idempotent.** So a repeat is always safe: it changes nothing more. It may be answered
    ///   differently (`Duplicate`, `PhoneTaken`, `NotNewer`).
    /// - **Numbers are used once.** No user id and no place in a mailbox is ever given again, not
    ///   after a deletion and not after reopening.
    /// - **Bounded.** A mailbox takes messages up to its [`Quota`](crate::Quota); receipts are
    ///   taken whatever it says.
    fn commit(&mut self, requests: &[Self::Op], outcomes: &mut Vec<Self::Outcome>);

    /// What the last failed `commit` failed of, in the engine's words, for the log. Told once;
    /// names no user and quotes no data.
    fn failure(&mut self) -> Option<String> {
        None
    }
}

impl<S: Storage + ?Sized> Storage for Box<S> {
    type Op = S::Op;
    type Outcome = S::Outcome;

    fn commit(&mut self, requests: &[Self::Op], outcomes: &mut Vec<Self::Outcome>) {
        (**self).commit(requests, outcomes);
    }

    fn failure(&mut self) -> Option<String> {
        (**self).failure()
    }
}

#[cfg(test)]
mod tests {
    use sealpost_core::wire::Profile;

    use super::*;
    use crate::{MemoryStorage, Quota};

    /// Answers requests with themselves.
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
    fn engine_in_a_box_answers_and_tells_its_failure() {
        let echo = Echo { failure: Some("worn out".into()) };
        let mut boxed: Box<dyn Storage<Op = u8, Outcome = u8>> = Box::new(echo);
        let mut outcomes = vec![9];
        boxed.commit(&[1, 2], &mut outcomes);
        assert_eq!(outcomes, [1, 2]);
        assert_eq!(boxed.failure().as_deref(), Some("worn out"));
        assert_eq!(boxed.failure(), None);
    }

    #[test]
    fn engine_that_never_fails_has_no_failure_to_tell() {
        let mut memory = MemoryStorage::new(Profile::Compact, Quota::default());
        assert_eq!(memory.failure(), None);
    }
}
