//! Ids of simulated processes.

use std::fmt;

/// Id of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ProcessId {
    /// A server. Those of one world share a store.
    Server(usize),
    Client(usize),
    /// An attacker whose packets are written by hand.
    Scripted(usize),
    /// A greedy user, whose packets are written by hand, too.
    Greedy(usize),
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(index) => write!(f, "server {index}"),
            Self::Client(index) => write!(f, "client {index}"),
            Self::Scripted(index) => write!(f, "attacker {index}"),
            Self::Greedy(index) => write!(f, "greedy user {index}"),
        }
    }
}

impl ProcessId {
    /// Whether it is a server.
    pub(super) const fn is_server(self) -> bool {
        matches!(self, Self::Server(_))
    }
}
