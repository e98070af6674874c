//! The way out of a machine: its queue of actions, and what waits for their outcomes.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytes::Bytes;

use super::{Action, Actions, Completed, Flow, Machine, Misuse, Slab};
use crate::crypto::{Draft, Job, Outcome};
use crate::ids::{ConnId, Ticket};

/// Actions that were not drained yet, and the continuations of jobs (`J`) and of store operations
/// (`S`), by ticket. A continuation holds exactly what its machine goes on with.
pub(crate) struct Out<M: Machine, J, S> {
    actions: VecDeque<Action<M>>,
    /// One slab for both kinds, so that no two tickets are alike.
    awaited: Slab<Await<J, S>>,
}

#[derive(Debug)]
enum Await<J, S> {
    Job(J),
    /// A job under way whose outcome nobody needs any more.
    Abandoned,
    Store(S),
}

impl<M: Machine, J, S> Out<M, J, S> {
    pub(crate) const fn new() -> Self {
        Self { actions: VecDeque::new(), awaited: Slab::new() }
    }

    pub(crate) fn send(&mut self, conn: ConnId, bytes: Bytes) {
        self.actions.push_back(Action::Send { conn, bytes });
    }

    pub(crate) fn close(&mut self, conn: ConnId) {
        self.actions.push_back(Action::Close { conn });
    }

    pub(crate) fn dial(&mut self, conn: ConnId) {
        self.actions.push_back(Action::Dial { conn });
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

    /// Asks the store; `then` goes on with its answer.
    pub(crate) fn store(&mut self, op: M::StoreOp, then: S) {
        let ticket = Ticket(self.awaited.insert(Await::Store(then)));
        self.actions.push_back(Action::Store { ticket, op });
    }

    /// Has a job run; `then` goes on with its outcome.
    pub(crate) fn compute(&mut self, job: Job, then: J) {
        let ticket = Ticket(self.awaited.insert(Await::Job(then)));
        self.actions.push_back(Action::Compute { ticket, job });
    }

    /// Has a packet sealed and signed; `then` goes on with it.
    pub(crate) fn emit(&mut self, draft: Draft, then: J) {
        self.compute(Job::Emit(Box::new(draft)), then);
    }

    /// The outcome of a job: what waited for it, and the outcome as a completion. `None` if the
    /// job was abandoned.
    ///
    /// # Errors
    /// [`Misuse`] if no job is under way with this ticket. A store operation that is goes on
    /// waiting.
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
            Some(Await::Abandoned | Await::Store(_)) | None => None,
        })
    }

    /// The answer of the store: what waited for it, and the answer as a completion.
    ///
    /// # Errors
    /// [`Misuse`] if no store operation is under way with this ticket. A job that is goes on
    /// waiting.
    pub(crate) fn stored(
        &mut self,
        ticket: Ticket,
        outcome: M::StoreOutcome,
    ) -> Result<(S, Completed<M::StoreOutcome>), Misuse> {
        if let None | Some(Await::Job(_) | Await::Abandoned) = self.awaited.get(ticket.0) {
            return Err(Misuse::UnexpectedOutcome);
        }
        match self.awaited.remove(ticket.0) {
            Some(Await::Store(store)) => Ok((store, Completed::new(outcome))),
            Some(Await::Job(_) | Await::Abandoned) | None => Err(Misuse::UnexpectedOutcome),
        }
    }

    /// Jobs and store operations whose outcome is awaited.
    pub(crate) const fn awaited(&self) -> usize {
        self.awaited.len()
    }

    /// Continuations of jobs under way.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = &J> {
        self.awaited.iter().filter_map(|(_, awaited)| match awaited {
            Await::Job(job) => Some(job),
            Await::Abandoned | Await::Store(_) => None,
        })
    }

    /// Continuations of store operations under way.
    pub(crate) fn stores(&self) -> impl Iterator<Item = &S> {
        self.awaited.iter().filter_map(|(_, awaited)| match awaited {
            Await::Store(store) => Some(store),
            Await::Job(_) | Await::Abandoned => None,
        })
    }

    /// Abandons the jobs for which `keep` does not hold: their outcomes, which still come, do
    /// nothing.
    pub(crate) fn retain_jobs(&mut self, mut keep: impl FnMut(&J) -> bool) {
        for awaited in self.awaited.values_mut() {
            if let Await::Job(job) = awaited
                && !keep(job)
            {
                *awaited = Await::Abandoned;
            }
        }
    }

    /// What the machine returns from `handle`.
    pub(crate) const fn actions(&mut self) -> Actions<'_, M> {
        Actions::new(&mut self.actions)
    }
}
