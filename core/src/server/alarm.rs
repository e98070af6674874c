//! The server's alarms.

use crate::frame;
use crate::ids::{ConnId, UserId};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    /// A connection has no session yet.
    Handshake(ConnId),
    /// A connection that was slowed down may be read again.
    Flow(ConnId),
    /// A recipient is slow, or a mailbox may ask the store again.
    Mailbox(UserId),
    /// A client may have taken nothing for too long.
    Unresponsive(ConnId),
    /// Other servers may have stored something for a user.
    LookAgain(UserId),
    /// Store operations that failed are repeated.
    Retry,
    /// Items past retention are deleted.
    Expire,
    /// The orderly stop has taken too long.
    Shutdown,
}

impl frame::Alarm for Alarm {
    fn why(self) -> &'static str {
        match self {
            Self::Handshake(_) => "close a connection that has no session yet",
            Self::Flow(_) => "resume reading from a connection that was slowed down",
            Self::Mailbox(_) => "store what a slow recipient holds, or ask the store again",
            Self::Unresponsive(_) => "close the connection of a client that takes nothing",
            Self::LookAgain(_) => "read a mailbox that other servers store in",
            Self::Retry => "repeat store operations that failed",
            Self::Expire => "delete items past retention",
            Self::Shutdown => "end an orderly stop that takes too long",
        }
    }
}
