//! The other side of the contract: the host, which carries out a machine's actions, and the one
//! `match` over them.

use bytes::Bytes;

use super::{Action, Deadline, Flow, Input, Machine};
use crate::crypto::Job;
use crate::ids::{ConnId, EndpointIndex, Ticket};
use crate::time::Now;

/// Surroundings of a machine: sockets, a store, crypto workers and an application. There are hosts
/// over mio, over `std::net`, in a simulation and in fuzzers.
///
/// Each method starts its work and returns. Outcomes come back later as events, in separate inputs;
/// no method may call the machine.
pub trait Host<M: Machine> {
    /// Queues bytes for a connection ([`Action::Send`]).
    fn send(&mut self, conn: ConnId, bytes: Bytes);
    /// Starts a store operation ([`Action::Store`]).
    fn store(&mut self, ticket: Ticket, op: M::StoreOp);
    /// Starts a job ([`Action::Compute`]).
    fn compute(&mut self, ticket: Ticket, job: Job);
    /// Hands a delivery over ([`Action::Deliver`]). It must not be lost; a server's is answered
    /// with a command.
    fn deliver(&mut self, delivery: M::Delivery);
    /// Passes a notice on ([`Action::Notify`]).
    fn notify(&mut self, notice: M::Notice);
    /// Stops reading from a connection, or starts again ([`Action::Flow`]).
    fn flow(&mut self, conn: ConnId, flow: Flow);
    /// Closes a connection once everything queued for it has been sent ([`Action::Close`]).
    fn close(&mut self, conn: ConnId);
    /// Opens a connection to the server at an endpoint ([`Action::Dial`]). A server never dials.
    fn dial(&mut self, conn: ConnId, endpoint: EndpointIndex);
    /// Sees what goes into the machine and comes out of it, to record it. Most hosts record nothing.
    fn watch(&mut self, _seen: &Seen<'_, '_, M>) {}
}

/// What [`pump`] shows its host, in this order: the input, each action before it is carried out, and
/// the new deadline.
#[derive(Debug)]
pub enum Seen<'a, 'b, M: Machine> {
    /// The machine is about to be given this input.
    Input(Now, &'a Input<'b, M>),
    /// The host is about to carry out this action.
    Action(&'a Action<M>),
    /// The machine has handled the input, and needs its next tick by then.
    Handled(Option<Deadline>),
}

/// Gives a machine one input, has the host carry out every action that follows, and returns the
/// machine's new deadline.
pub fn pump<M: Machine>(
    machine: &mut M,
    host: &mut impl Host<M>,
    now: Now,
    input: Input<'_, M>,
) -> Option<Deadline> {
    host.watch(&Seen::Input(now, &input));
    for action in machine.handle(now, input) {
        host.watch(&Seen::Action(&action));
        match action {
            Action::Send { conn, bytes } => host.send(conn, bytes),
            Action::Store { ticket, op } => host.store(ticket, op),
            Action::Compute { ticket, job } => host.compute(ticket, job),
            Action::Deliver(delivery) => host.deliver(delivery),
            Action::Notify(notice) => host.notify(notice),
            Action::Flow { conn, flow } => host.flow(conn, flow),
            Action::Close { conn } => host.close(conn),
            Action::Dial { conn, endpoint } => host.dial(conn, endpoint),
        }
    }
    let deadline = machine.deadline();
    host.watch(&Seen::Handled(deadline));
    deadline
}
