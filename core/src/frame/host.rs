//! What carries out a machine's actions, and the one `match` over them.

use bytes::Bytes;

use super::{Action, Deadline, Flow, Input, Machine};
use crate::crypto::Job;
use crate::ids::{ConnId, Ticket};
use crate::time::Now;

/// Sockets, a store, crypto, and an application: under mio, over `std::net`, or in a simulation.
///
/// Each method begins its work and returns; outcomes come back as events, later or never. None may
/// call the machine.
pub trait Host<M: Machine> {
    /// [`Action::Send`].
    fn send(&mut self, conn: ConnId, bytes: Bytes);
    /// [`Action::Store`].
    fn store(&mut self, ticket: Ticket, op: M::StoreOp);
    /// [`Action::Compute`].
    fn compute(&mut self, ticket: Ticket, job: Job);
    /// [`Action::Deliver`].
    fn deliver(&mut self, delivery: M::Delivery);
    /// [`Action::Notify`].
    fn notify(&mut self, notice: M::Notice);
    /// [`Action::Flow`].
    fn flow(&mut self, conn: ConnId, flow: Flow);
    /// [`Action::Close`].
    fn close(&mut self, conn: ConnId);
    /// [`Action::Dial`]. A host of servers is never asked.
    fn dial(&mut self, conn: ConnId);
}

/// Gives a machine one input, has the host carry out everything that follows, and returns when
/// and why the machine must be called again.
pub fn pump<M: Machine>(
    machine: &mut M,
    host: &mut impl Host<M>,
    now: Now,
    input: Input<'_, M>,
) -> Option<Deadline> {
    for action in machine.handle(now, input) {
        match action {
            Action::Send { conn, bytes } => host.send(conn, bytes),
            Action::Store { ticket, op } => host.store(ticket, op),
            Action::Compute { ticket, job } => host.compute(ticket, job),
            Action::Deliver(delivery) => host.deliver(delivery),
            Action::Notify(notice) => host.notify(notice),
            Action::Flow { conn, flow } => host.flow(conn, flow),
            Action::Close { conn } => host.close(conn),
            Action::Dial { conn } => host.dial(conn),
        }
    }
    machine.deadline()
}
