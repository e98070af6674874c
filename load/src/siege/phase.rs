//! A part of a siege, with the latencies of the messages that were due in it.

use std::time::Instant;

use sealpost_programs::Failure;
use serde::Serialize;

use crate::clients::pair::Span;
use crate::figures::{Latencies, Latency};

/// A part of a siege.
pub(crate) struct Phase {
    span: Span,
    pub(crate) live: Latencies,
    pub(crate) stored: Latencies,
}

/// Latencies in one phase.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct PhaseRun {
    /// From the time at which a message was due to its arrival at a connected recipient.
    pub(crate) live: Latency,
    /// From the time at which a message to an absent recipient was due to the server's
    /// acknowledgement that it is stored.
    pub(crate) stored: Latency,
}

impl Phase {
    pub(crate) fn new(span: Span) -> Result<Self, Failure> {
        Ok(Self { span, live: Latencies::new()?, stored: Latencies::new()? })
    }

    /// The phase in which a message was due.
    pub(crate) fn of(phases: &mut [Self], due: Instant) -> Option<&mut Self> {
        phases.iter_mut().find(|phase| phase.span.contains(due))
    }

    pub(crate) fn summary(&self) -> PhaseRun {
        PhaseRun { live: self.live.summary(), stored: self.stored.summary() }
    }
}
