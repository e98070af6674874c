//! The contract that both machines keep: inputs, actions, deadlines.

use alloc::collections::VecDeque;
use core::fmt;

use bytes::Bytes;

use crate::crypto::{Job, Outcome};
use crate::ids::{ConnId, EndpointIndex, Ticket};
use crate::time::{Mono, Now};

/// A state machine that does no I/O. A host does it for the machine (see [`Host`](super::Host)).
///
/// Give the machine one [`Input`] at a time and carry out every [`Action`] that comes back, in
/// order, before the next input. Give it an [`Event::Tick`] when its [`deadline`](Self::deadline)
/// has been reached.
pub trait Machine {
    /// Operation that the machine asks of its store.
    type StoreOp: fmt::Debug;
    /// Outcome of a store operation.
    type StoreOutcome: fmt::Debug;
    /// Command of the application to the machine.
    type Command: fmt::Debug;
    /// Something that the machine hands over and that must not be lost on the way: a one-time
    /// password to be sent to its owner, a message for the application.
    type Delivery: fmt::Debug;
    /// News for logs, metrics and displays. A lost notice does no harm.
    type Notice: fmt::Debug;

    /// Takes one input and returns the actions that follow from it.
    ///
    /// The actions borrow the machine, so the next input cannot be given before they are drained or
    /// dropped. Actions that were dropped undrained are not lost: they come first the next time.
    fn handle(&mut self, now: Now, input: Input<'_, Self>) -> Actions<'_, Self>
    where
        Self: Sized;

    /// Time by which the machine needs an [`Event::Tick`], with the reason; `None` if only another
    /// input can change anything.
    fn deadline(&self) -> Option<Deadline>;

    /// Checks every invariant of the machine's state.
    ///
    /// The check walks the whole state, so it is meant for tests, simulations and fuzzers. Debug
    /// builds run it after every input.
    ///
    /// # Errors
    /// The invariant that does not hold, in words.
    fn is_consistent(&self) -> Result<(), &'static str>;
}

/// Time by which a machine must be called again, and the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// Latest time for the call. Calling earlier changes nothing.
    pub at: Mono,
    /// Purpose of the alarm that goes off at that time, in words for a log: "retry a refused store
    /// operation".
    pub why: &'static str,
}

/// One input of a machine.
#[derive(Debug)]
pub enum Input<'a, M: Machine> {
    /// Bytes arrived on a connection. They may be cut anywhere.
    Bytes {
        /// Connection that the bytes arrived on.
        conn: ConnId,
        /// Bytes in the order of the stream. The machine copies what it keeps.
        data: &'a [u8],
    },
    /// Anything else happened.
    Event(Event<M>),
}

/// Something that happened, as the host reports it.
#[derive(Debug)]
pub enum Event<M: Machine> {
    /// A connection was established, inbound or after [`Action::Dial`].
    Opened {
        /// Number of the connection: the one in the `Dial`, or one that was never used before.
        conn: ConnId,
        /// Address of the other end, without its port. Limits per address are counted by it.
        peer: core::net::IpAddr,
    },
    /// A connection was lost, or a [`Action::Dial`] failed. The host does not report connections
    /// that the machine closed itself.
    Closed {
        /// Connection that was lost.
        conn: ConnId,
    },
    /// More bytes are queued for a connection than the host's limit allows: the peer reads too
    /// slowly.
    Congested {
        /// Connection whose queue is over the limit.
        conn: ConnId,
    },
    /// The bytes that were queued for a congested connection have been sent.
    Writable {
        /// Connection that is no longer congested.
        conn: ConnId,
    },
    /// Outcome of an [`Action::Store`], under the ticket of that action. It is reported only once
    /// it is durable.
    Stored(Ticket, M::StoreOutcome),
    /// Outcome of an [`Action::Compute`], under the ticket of that action.
    Computed(Ticket, Outcome),
    /// The application gave a command.
    Command(M::Command),
    /// Time has passed: the deadline has been reached, or the host calls early.
    Tick,
    /// The process is about to end. The machine finishes what it has begun and then says so in a
    /// notice.
    Shutdown,
}

/// Something that a machine asks its host to do.
#[derive(Debug)]
pub enum Action<M: Machine> {
    /// Queue bytes for a connection.
    Send {
        /// Connection to send on.
        conn: ConnId,
        /// One whole packet.
        bytes: Bytes,
    },
    /// Run a store operation and report its outcome with [`Event::Stored`]. Operations reach the
    /// store in the order of their actions.
    Store {
        /// Number under which the outcome is reported.
        ticket: Ticket,
        /// Operation to run.
        op: M::StoreOp,
    },
    /// Run a job and report its outcome with [`Event::Computed`]. Jobs may finish in any order.
    Compute {
        /// Number under which the outcome is reported.
        ticket: Ticket,
        /// Job to run.
        job: Job,
    },
    /// Hand something over that must not be lost.
    Deliver(M::Delivery),
    /// Pass a notice on to logs, metrics and displays.
    Notify(M::Notice),
    /// Stop reading from a connection, or start again.
    Flow {
        /// Connection to stop or start reading from.
        conn: ConnId,
        /// Whether to read.
        flow: Flow,
    },
    /// Send what is queued for a connection, then close it. No [`Event::Closed`] follows.
    Close {
        /// Connection to close.
        conn: ConnId,
    },
    /// Open a connection to a server. [`Event::Opened`] or [`Event::Closed`] follows. Only the
    /// client machine dials.
    Dial {
        /// Number that the new connection gets.
        conn: ConnId,
        /// Server to connect to, of those that the address of the deployment names.
        endpoint: EndpointIndex,
    },
}

/// Whether the host reads from a connection. It reads from a new connection until told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Stop reading.
    Pause,
    /// Read again.
    Resume,
}

/// Actions that follow from one input, in order. The iterator takes them off the machine's queue.
#[must_use = "undrained actions are not carried out until the next input"]
pub struct Actions<'a, M: Machine>(&'a mut VecDeque<Action<M>>);

impl<'a, M: Machine> Actions<'a, M> {
    /// Drains `queue`.
    pub const fn new(queue: &'a mut VecDeque<Action<M>>) -> Self {
        Self(queue)
    }
}

impl<M: Machine> Iterator for Actions<'_, M> {
    type Item = Action<M>;

    fn next(&mut self) -> Option<Action<M>> {
        self.0.pop_front()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len(), Some(self.0.len()))
    }
}

impl<M: Machine> fmt::Debug for Actions<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actions").field("len", &self.0.len()).finish()
    }
}
