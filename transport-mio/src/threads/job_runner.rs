//! Runners of cryptographic jobs.

use sealpost_core::crypto::{Crypto, Job, Outcome};
use sealpost_core::ids::Ticket;

/// Runs jobs on one thread. Implemented by [`Crypto`]; tests bring stand-ins.
pub trait JobRunner: Send + 'static {
    /// Runs jobs to their ends, and appends their outcomes in order.
    fn run_all(&mut self, jobs: &mut Vec<(Ticket, Job)>, outcomes: &mut Vec<(Ticket, Outcome)>);

    /// Creates an equivalent runner for another thread.
    #[must_use]
    fn fork(&mut self) -> Self;
}

impl JobRunner for Crypto {
    fn run_all(&mut self, jobs: &mut Vec<(Ticket, Job)>, outcomes: &mut Vec<(Ticket, Outcome)>) {
        Self::run_all(self, jobs, outcomes);
    }

    fn fork(&mut self) -> Self {
        Self::fork(self)
    }
}
