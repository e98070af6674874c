//! What the application asks of the client.

use super::store::{Content, InboxId};
use crate::ids::{Phone, UserRef};
use crate::keys::Fingerprint;
use crate::wire::Otp;

/// A wish of the application. What comes of it is told in notices.
#[derive(Clone, Debug)]
pub enum Command {
    /// Go online and stay so: resume the account's session, and dial again whenever the connection
    /// is lost.
    Connect,
    /// Send what is due, take leave of the server in order, and stay offline.
    Disconnect,
    /// Register the account's phone number, and then be online. A one-time password that comes in
    /// band is used at once; for any other the client waits for [`Command::Confirm`].
    Register,
    /// The one-time password that reached the user.
    Confirm {
        /// Six digits.
        otp: Otp,
    },
    /// Send a message. It is answered with [`Notice::Queued`](super::Notice::Queued) once it is
    /// durable, or with [`Notice::SendRefused`](super::Notice::SendRefused), which gives the content
    /// back. Somebody who is no contact yet is looked up first, which waits until we are online.
    Send {
        /// The application's name for it, until it has an id.
        token: Token,
        /// To whom.
        to: UserRef,
        /// What.
        content: Content,
    },
    /// Ask the server, once we are online, who has this phone number, and pin the key on first
    /// contact.
    Lookup {
        /// Whose.
        phone: Phone,
    },
    /// Trust the key that the server offers for a contact in place of the pinned one. What is
    /// queued under the old key fails, for it could not be read.
    AcceptKey {
        /// Whose.
        phone: Phone,
        /// Of the key offered, as the people saw it.
        fingerprint: Fingerprint,
    },
    /// The people compared safety numbers.
    MarkVerified {
        /// Whose.
        phone: Phone,
        /// Of the pinned key.
        fingerprint: Fingerprint,
    },
    /// The application has taken over every message up to this place. The others are delivered
    /// again when the client starts the next time.
    MarkShown {
        /// The last one.
        up_to: InboxId,
    },
}

/// The application's name for something that it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);
