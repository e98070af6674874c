//! The output of a machine: its queue of actions, and the continuations that wait for outcomes.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytes::Bytes;

use super::{Action, Actions, Completed, Flow, Machine, Misuse, Slab};
use crate::crypto::{Draft, Job, Lane, Outcome};
use crate::ids::{ConnId, EndpointIndex, Ticket};

/// Actions that are not drained yet, and the continuations of jobs (`J`) and store operations (`S`)
/// by ticket. A continuation holds exactly what the machine needs to go on with the outcome.
pub(crate) struct Out<M: Machine, J, S> {
    actions: VecDeque<Action<M>>,
    /// One slab for both kinds, so that a job and a store operation never share a ticket.
    awaited: Slab<Await<J, S>>,
    /// Count of the jobs in [`Lane::Stranger`] whose outcome is awaited.
    stranger_jobs: usize,
}

#[derive(Debug)]
enum Await<J, S> {
    Job(J),
    /// A job in [`Lane::Stranger`].
    StrangerJob(J),
    /// A running job whose outcome is no longer needed. The entry distinguishes that outcome, which
    /// will still come, from one under a wrong ticket.
    Abandoned,
    Store(S),
}

impl<M: Machine, J, S> Out<M, J, S> {
    pub(crate) const fn new() -> Self {
        Self { actions: VecDeque::new(), awaited: Slab::new(), stranger_jobs: 0 }
    }

    pub(crate) fn send(&mut self, conn: ConnId, bytes: Bytes) {
        self.actions.push_back(Action::Send { conn, bytes });
    }

    pub(crate) fn close(&mut self, conn: ConnId) {
        self.actions.push_back(Action::Close { conn });
    }

    pub(crate) fn dial(&mut self, conn: ConnId, endpoint: EndpointIndex) {
        self.actions.push_back(Action::Dial { conn, endpoint });
    }

    pub(crate) fn flow(&mut self, conn: ConnId, flow: Flow) {
        self.actions.push_back(Action::Flow { conn, flow });
    }

    pub(crate) fn notify(&mut self, notice: M::Notice) {
        self.actions.push_back(Action::Notify(notice));
    }

    pub(crate) fn deliver(&mut self, delivery: M::Delivery) {
        self.actions.push_back(Action::Deliver(delivery));
    }

    /// Starts a store operation; `then` is its continuation.
    pub(crate) fn store(&mut self, op: M::StoreOp, then: S) {
        let ticket = Ticket(self.awaited.insert(Await::Store(then)));
        self.actions.push_back(Action::Store { ticket, op });
    }

    /// Starts a job; `then` is its continuation.
    pub(crate) fn compute(&mut self, job: Job, then: J) {
        let then = if job.lane() == Lane::Stranger {
            self.stranger_jobs += 1;
            Await::StrangerJob(then)
        } else {
            Await::Job(then)
        };
        let ticket = Ticket(self.awaited.insert(then));
        self.actions.push_back(Action::Compute { ticket, job });
    }

    /// Starts the job that seals and signs a packet; `then` is its continuation.
    pub(crate) fn emit(&mut self, draft: Draft, then: J) {
        self.compute(Job::Emit(Box::new(draft)), then);
    }

    /// Takes the continuation of a job, with the outcome as a completion. `None` if the job was
    /// abandoned.
    ///
    /// # Errors
    /// [`Misuse`] if no job is running under this ticket. A store operation under it keeps waiting,
    /// so that a host that confuses the two loses no message.
    pub(crate) fn computed(
        &mut self,
        ticket: Ticket,
        outcome: Outcome,
    ) -> Result<Option<(J, Completed<Outcome>)>, Misuse> {
        if let None | Some(Await::Store(_)) = self.awaited.get(ticket.0) {
            return Err(Misuse::UnexpectedOutcome);
        }
        Ok(match self.awaited.remove(ticket.0) {
            Some(Await::Job(job)) => Some((job, Completed::new(outcome))),
            Some(Await::StrangerJob(job)) => {
                self.stranger_jobs -= 1;
                Some((job, Completed::new(outcome)))
            }
            Some(Await::Abandoned | Await::Store(_)) | None => None,
        })
    }

    /// Takes the continuation of a store operation, with the outcome as a completion.
    ///
    /// # Errors
    /// [`Misuse`] if no store operation is running under this ticket. A job under it keeps waiting.
    pub(crate) fn stored(
        &mut self,
        ticket: Ticket,
        outcome: M::StoreOutcome,
    ) -> Result<(S, Completed<M::StoreOutcome>), Misuse> {
        if let None | Some(Await::Job(_) | Await::StrangerJob(_) | Await::Abandoned) =
            self.awaited.get(ticket.0)
        {
            return Err(Misuse::UnexpectedOutcome);
        }
        match self.awaited.remove(ticket.0) {
            Some(Await::Store(store)) => Ok((store, Completed::new(outcome))),
            Some(Await::Job(_) | Await::StrangerJob(_) | Await::Abandoned) | None => {
                Err(Misuse::UnexpectedOutcome)
            }
        }
    }

    /// Count of jobs in [`Lane::Stranger`] whose outcome is awaited.
    pub(crate) const fn stranger_jobs(&self) -> usize {
        self.stranger_jobs
    }

    /// Count of jobs and store operations whose outcome is awaited.
    pub(crate) const fn awaited(&self) -> usize {
        self.awaited.len()
    }

    /// Continuations of the running jobs.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = &J> {
        self.awaited.iter().filter_map(|(_, awaited)| match awaited {
            Await::Job(job) | Await::StrangerJob(job) => Some(job),
            Await::Abandoned | Await::Store(_) => None,
        })
    }

    /// Continuations of the running store operations.
    pub(crate) fn stores(&self) -> impl Iterator<Item = &S> {
        self.awaited.iter().filter_map(|(_, awaited)| match awaited {
            Await::Store(store) => Some(store),
            Await::Job(_) | Await::StrangerJob(_) | Await::Abandoned => None,
        })
    }

    /// Abandons the jobs for which `keep` returns false. Their outcomes, which will still come, are
    /// ignored. Jobs for strangers stay: only a server has any, and it abandons no job.
    pub(crate) fn retain_jobs(&mut self, mut keep: impl FnMut(&J) -> bool) {
        for awaited in self.awaited.values_mut() {
            if let Await::Job(job) = awaited
                && !keep(job)
            {
                *awaited = Await::Abandoned;
            }
        }
    }

    /// Queued actions, as `handle` returns them.
    pub(crate) const fn actions(&mut self) -> Actions<'_, M> {
        Actions::new(&mut self.actions)
    }
}
