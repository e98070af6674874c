//! The way out: the queue of actions, and what waits for the outcome of each.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytes::Bytes;

use super::awaits::Await;
use super::{Notice, OtpDelivery, Server};
use crate::crypto::{Draft, Job};
use crate::frame::legacy::Awaiting;
use crate::frame::{Action, Flow};
use crate::ids::{ConnId, Ticket};
use crate::server::store::StoreOp;

/// Actions not yet drained, and continuations not yet resumed.
#[derive(Debug)]
pub(super) struct Out {
    pub(super) actions: VecDeque<Action<Server>>,
    awaiting: Awaiting<Await>,
}

impl Out {
    pub(super) const fn new() -> Self {
        Self { actions: VecDeque::new(), awaiting: Awaiting::new() }
    }

    pub(super) fn send(&mut self, conn: ConnId, bytes: Bytes) {
        self.actions.push_back(Action::Send { conn, bytes });
    }

    pub(super) fn close(&mut self, conn: ConnId) {
        self.actions.push_back(Action::Close { conn });
    }

    pub(super) fn flow(&mut self, conn: ConnId, flow: Flow) {
        self.actions.push_back(Action::Flow { conn, flow });
    }

    pub(super) fn notify(&mut self, notice: Notice) {
        self.actions.push_back(Action::Notify(notice));
    }

    pub(super) fn deliver(&mut self, delivery: OtpDelivery) {
        self.actions.push_back(Action::Deliver(delivery));
    }

    /// Asks the store; `then` goes on with its answer.
    pub(super) fn store(&mut self, op: StoreOp, then: Await) {
        let ticket = self.awaiting.insert(then);
        self.actions.push_back(Action::Store { ticket, op });
    }

    /// Has a job run; `then` goes on with its outcome.
    pub(super) fn compute(&mut self, job: Job, then: Await) {
        let ticket = self.awaiting.insert(then);
        self.actions.push_back(Action::Compute { ticket, job });
    }

    /// Has a packet made; `then` goes on with it.
    pub(super) fn emit(&mut self, draft: Draft, then: Await) {
        self.compute(Job::Emit(Box::new(draft)), then);
    }

    /// How many tickets are out.
    pub(super) const fn awaited(&self) -> usize {
        self.awaiting.len()
    }

    /// Takes back what waits for a ticket.
    pub(super) fn resume(&mut self, ticket: Ticket) -> Option<Await> {
        self.awaiting.take(ticket)
    }
}
