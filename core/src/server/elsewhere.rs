//! What other servers do to a store that they share with this one.

use super::store::Seq;
use crate::ids::UserId;

/// What another server has done to the store that it shares with this one.
///
/// Each is a hint, which may come late, more than once, or never. It lets what is stored take effect
/// at once, which it does without hints when the server
/// [looks again](super::config::Servers::Several::look_again).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// Something was appended to the mailbox of a user whose session is here.
    Appended {
        /// The owner of the mailbox.
        owner: UserId,
    },
    /// A session of a user began there. It displaces those that began before it.
    SessionBegun {
        /// The user.
        user: UserId,
        /// The place of the session, as in [`Recorded`](super::store::ReconnectOutcome::Recorded).
        place: Seq,
    },
    /// An account was deleted or suspended there.
    AccountChanged {
        /// The user.
        user: UserId,
        /// What was done.
        change: AccountChange,
    },
    /// Hints may have been lost: this server was out of touch with the others.
    Missed,
}

/// What an operator has done to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// The account is gone, for good.
    Deleted,
    /// The account is suspended until the operator resumes it.
    Suspended,
}
