//! The contract that both machines keep, and the one queue through which they speak.

use alloc::collections::VecDeque;
use core::fmt;

use bytes::Bytes;

use crate::crypto::{Job, Outcome};
use crate::ids::{ConnId, Ticket};
use crate::time::{Mono, Now};

/// A state machine without input or output of its own.
///
/// Give it one [`Input`] at a time, carry out every [`Action`] that comes back, in order, then
/// give it the next. Call it with [`Event::Tick`] when [`deadline`](Machine::deadline) has come.
pub trait Machine {
    /// What it asks of its store.
    type StoreOp: fmt::Debug;
    /// What the store answers.
    type StoreOutcome: fmt::Debug;
    /// What the application asks of it.
    type Command: fmt::Debug;
    /// What it hands to people or to the application, and what must not be lost on the way.
    type Delivery: fmt::Debug;
    /// What it lets be known: for logs, metrics and displays.
    type Notice: fmt::Debug;

    /// Takes one input and returns the actions that follow from it. They borrow the machine, so
    /// the next input can't be given before they are drained or dropped; what is dropped undrained
    /// comes first the next time.
    fn handle(&mut self, now: Now, input: Input<'_, Self>) -> Actions<'_, Self>
    where
        Self: Sized;

    /// When the machine needs an [`Event::Tick`] at the latest, and why; `None` if only another
    /// input can change anything.
    fn deadline(&self) -> Option<Deadline>;

    /// Whether everything that the machine holds fits together. It looks at all of it, so it is for
    /// tests, simulations and fuzzers; debug builds ask after every input.
    ///
    /// # Errors
    /// The invariant that does not hold, in words.
    fn is_consistent(&self) -> Result<(), &'static str>;
}

/// When a machine must be called again, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The latest moment; calling earlier changes nothing.
    pub at: Mono,
    /// The alarm that goes off then, in words for a log: "retry a refused store operation".
    pub why: &'static str,
}

/// What happens to a machine.
#[derive(Debug)]
pub enum Input<'a, M: Machine> {
    /// Bytes arrived on a connection, cut anywhere.
    Bytes {
        /// Where.
        conn: ConnId,
        /// In the order of the stream. The machine copies what it keeps.
        data: &'a [u8],
    },
    /// Anything else.
    Event(Event<M>),
}

/// A fact that a machine is told.
#[derive(Debug)]
pub enum Event<M: Machine> {
    /// A connection stands: accepted, or dialled at the machine's wish.
    Opened {
        /// Its number, never used before.
        conn: ConnId,
        /// The other end's address, without port: what limits per address count.
        peer: core::net::IpAddr,
    },
    /// A connection is gone, or could not be made. Not told of a connection that the machine
    /// closed itself.
    Closed {
        /// Which.
        conn: ConnId,
    },
    /// More is queued for a connection than it takes at the moment: the peer reads too slowly.
    Congested {
        /// Which.
        conn: ConnId,
    },
    /// What was queued for a congested connection has gone out.
    Writable {
        /// Which.
        conn: ConnId,
    },
    /// The outcome of an [`Action::Store`].
    Stored(Ticket, M::StoreOutcome),
    /// The outcome of an [`Action::Compute`].
    Computed(Ticket, Outcome),
    /// The application's wish.
    Command(M::Command),
    /// Time has passed.
    Tick,
    /// The process is to end: finish what was begun, and say so with a notice.
    Shutdown,
}

/// What a machine wants done.
#[derive(Debug)]
pub enum Action<M: Machine> {
    /// Queue bytes for a connection.
    Send {
        /// Where to.
        conn: ConnId,
        /// One whole packet.
        bytes: Bytes,
    },
    /// Ask the store; the answer comes as [`Event::Stored`] with the same ticket. Requests reach
    /// the store in the order of their actions.
    Store {
        /// Names the request.
        ticket: Ticket,
        /// What to do.
        op: M::StoreOp,
    },
    /// Run a job; the answer comes as [`Event::Computed`] with the same ticket, in any order.
    Compute {
        /// Names the job.
        ticket: Ticket,
        /// What to run.
        job: Job,
    },
    /// Hand something over that must not be lost.
    Deliver(M::Delivery),
    /// Let something be known.
    Notify(M::Notice),
    /// Stop or go on reading from a connection.
    Flow {
        /// Which.
        conn: ConnId,
        /// Stop or go on.
        flow: Flow,
    },
    /// Send what is queued for a connection, then close it. No event follows.
    Close {
        /// Which.
        conn: ConnId,
    },
    /// Open a connection to the server, under this number. [`Event::Opened`] or
    /// [`Event::Closed`] follows. Only the client machine dials.
    Dial {
        /// The number that the connection will have.
        conn: ConnId,
    },
}

/// Whether the host reads from a connection. A connection starts resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Read no more for now.
    Pause,
    /// Read again.
    Resume,
}

/// The actions that follow from one input, in order. An iterator that takes them off the queue.
#[must_use = "undrained actions are not carried out until the next input"]
pub struct Actions<'a, M: Machine>(&'a mut VecDeque<Action<M>>);

impl<'a, M: Machine> Actions<'a, M> {
    /// The actions that stand in `queue`.
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
