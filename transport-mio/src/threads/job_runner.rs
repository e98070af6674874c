//! Runners of cryptographic jobs.

use sealpost_core::crypto::{Crypto, Job, Outcome};

/// Runs jobs on one thread. Implemented by [`Crypto`]; tests bring stand-ins.
pub trait JobRunner: Send + 'static {
    /// Runs one job to its end.
    fn run(&mut self, job: Job) -> Outcome;

    /// Creates an equivalent runner for another thread.
    #[must_use]
    fn fork(&mut self) -> Self;
}

impl JobRunner for Crypto {
    fn run(&mut self, job: Job) -> Outcome {
        Self::run(self, job)
    }

    fn fork(&mut self) -> Self {
        Self::fork(self)
    }
}
