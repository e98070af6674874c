//! The client's alarms.

use crate::frame;
use crate::ids::{UserId, UserRef};

/// The name of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Alarm {
    /// The pause before the next attempt to connect is over.
    Redial,
    /// A connection, or an answer before the session, is overdue.
    Progress,
    /// The session has lasted long enough to count as a success.
    Stable,
    /// The acknowledgement of what is in flight is overdue.
    Acknowledgement,
    /// Receipts taken have been gathered for long enough.
    ReceiptsTaken,
    /// The server has not answered our 222 in time.
    Goodbye,
    /// The answer to a look-up is overdue.
    LookupAnswer(UserRef),
    /// A look-up that the server could not answer may be asked again.
    LookupRetry(UserRef),
    /// The messages to a recipient have been held back for long enough.
    Hold(UserId),
    /// The store may be asked again after a failure.
    StoreRest,
}

impl frame::Alarm for Alarm {
    fn why(self) -> &'static str {
        match self {
            Self::Redial => "dial the server again",
            Self::Progress => "give up a connection on which the server does not answer",
            Self::Stable => "reset the pause before dialling: the session has lasted",
            Self::Acknowledgement => "give up a connection on which nothing is acknowledged",
            Self::ReceiptsTaken => "tell the server which receipts have been taken",
            Self::Goodbye => "close without waiting any longer for the answer to a 222",
            Self::LookupAnswer(_) => "give up a connection on which a look-up is not answered",
            Self::LookupRetry(_) => "repeat a look-up that the server could not answer",
            Self::Hold(_) => "try a recipient again whose messages were held back",
            Self::StoreRest => "repeat store operations that failed",
        }
    }
}
