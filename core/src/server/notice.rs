//! What the server tells its host, for logs, metrics and displays.

use crate::frame::{InvalidLimits, Misuse, StoreError};
use crate::ids::{ConnId, UserId};
use crate::time::Timestamp;
use crate::wire::ErrorCode;

/// Something that happened in the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A new user registered.
    Registered {
        /// The user's id.
        user: UserId,
    },
    /// A session began.
    SessionOpened {
        /// The user whose session it is.
        user: UserId,
        /// The connection it is on.
        conn: ConnId,
    },
    /// A session ended.
    SessionClosed {
        /// The user whose session it was.
        user: UserId,
        /// The connection it was on.
        conn: ConnId,
    },
    /// A packet was answered with an error.
    Refused {
        /// The connection that the packet came on.
        conn: ConnId,
        /// The error in the answer.
        code: ErrorCode,
    },
    /// Strangers were disconnected without an answer, because they were too many, or asked too
    /// often. At most one notice in ten seconds reports them.
    StrangersShed {
        /// Count of strangers since the last of these notices.
        count: u64,
    },
    /// Connections were closed because all together held too much memory, and they the most of it. At
    /// most one notice in ten seconds reports them.
    ConnectionsShed {
        /// Count of connections since the last of these notices.
        count: u64,
    },
    /// A store operation failed.
    StoreFailed {
        /// The store's error.
        error: StoreError,
    },
    /// The store or its disk is full: a message or, because of the disk, a registration was refused,
    /// and its sender will try again. Receipts and sessions still fit.
    StoreFull,
    /// A client took nothing of what waits for it for too long: its connection was closed.
    Unresponsive {
        /// The user whose client it is.
        user: UserId,
        /// The connection that was closed.
        conn: ConnId,
    },
    /// The wall clock is implausible: behind the newest time in the store, or far ahead of it.
    /// Nothing expires while it is.
    ClockImplausible {
        /// Time on the clock.
        clock: Timestamp,
        /// The newest time in the store.
        newest: Timestamp,
    },
    /// The settings of a [`Command::Reconfigure`](super::Command::Reconfigure) are in force.
    Reconfigured,
    /// The server could not work within the limits of a
    /// [`Command::Reconfigure`](super::Command::Reconfigure). All its settings are as before.
    ReconfigurationRefused {
        /// The limit that is out of its bounds.
        error: InvalidLimits,
    },
    /// The host made a mistake.
    Misuse {
        /// The mistake.
        misuse: Misuse,
    },
    /// The orderly stop is complete: everything acknowledged is durable, and everyone was told.
    Stopped,
}
