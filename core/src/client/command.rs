//! What the application asks of the client.

use super::store::{Content, InboxId, Token};
use crate::ids::{Phone, UserRef};
use crate::keys::Fingerprint;
use crate::wire::{Invitation, Otp};

/// A request of the application. [Notices](super::Notice) tell what came of it.
#[derive(Clone, Debug)]
pub enum Command {
    /// Go online and stay online: begin a session for the account, and dial again whenever the
    /// connection is lost.
    Connect,
    /// Send what is due, end the session in an orderly way, and stay offline.
    Disconnect,
    /// Register the account's phone number, then go online. A one-time password that arrives in the
    /// server's answer is used at once; for any other, the client waits for [`Command::Confirm`].
    ///
    /// If there is an account, the server is asked whether it knows it. If it does, the client goes
    /// online. If not, the phone number is registered again with the same key; contacts, and messages
    /// that wait, stay, and the account gets another user id.
    Register {
        /// Code of the invitation, for a server that asks for one.
        invitation: Option<Invitation>,
    },
    /// The one-time password that reached the user.
    Confirm {
        /// Six digits.
        otp: Otp,
    },
    /// Send a message. The answer is [`Notice::Queued`](super::Notice::Queued) once the message is
    /// durable, or [`Notice::SendRefused`](super::Notice::SendRefused), which returns the content.
    /// While the client is offline, and for a recipient who has to be looked up first,
    /// [`Notice::Kept`](super::Notice::Kept) comes before: the message is durable, and is sealed
    /// later.
    ///
    /// A message is sent once for each token, however often the command is repeated, before a crash
    /// and after it: if a message with the token is durable, whatever has become of it, nothing
    /// changes, and the answer is the notice that it got. Its recipient and content are not compared.
    Send {
        /// The application's name for the message, which no other message of the account has.
        token: Token,
        /// Recipient of the message.
        to: UserRef,
        /// Content of the message.
        content: Content,
    },
    /// Send a message to the owner of a key, and to nobody else: as [`Send`](Self::Send), but if the
    /// phone number has another key when the message is to be sealed, it is refused with
    /// [`SendRefusal::OtherKey`](super::SendRefusal::OtherKey). Members of a group are keys; a server
    /// that answers a look-up with a key of its own reads nothing.
    SendToKey {
        /// The application's name for the message, which no other message of the account has.
        token: Token,
        /// Phone number of the recipient.
        phone: Phone,
        /// Fingerprint of the recipient's key.
        key: Fingerprint,
        /// Content of the message.
        content: Content,
    },
    /// Give up a message that is kept and has no id yet. The answer is
    /// [`Notice::SendRefused`](super::Notice::SendRefused) with
    /// [`SendRefusal::Cancelled`](super::SendRefusal::Cancelled) once the store has forgotten it, or
    /// [`Notice::NotCancelled`](super::Notice::NotCancelled): what has its id is on its way.
    Cancel {
        /// The application's name for the message.
        token: Token,
    },
    /// Ask the server, once online, who has this phone number, and pin the key on first contact.
    Lookup {
        /// Phone number to look up.
        phone: Phone,
    },
    /// Trust the key that the server offers for a contact in place of the pinned one. Messages
    /// queued under the old key fail, because the contact could not decrypt them.
    AcceptKey {
        /// Phone number of the contact.
        phone: Phone,
        /// Fingerprint of the offered key, as the users saw it.
        fingerprint: Fingerprint,
    },
    /// Mark a contact as verified: the users compared safety numbers.
    MarkVerified {
        /// Phone number of the contact.
        phone: Phone,
        /// Fingerprint of the pinned key.
        fingerprint: Fingerprint,
    },
    /// Forget a contact: the pinned key, the offered one, and whether it was verified. Messages to it
    /// that have no id yet are refused as cancelled; those on their way still go, and what the contact
    /// has signed for them counts. The next message to or from the phone number makes it a contact
    /// again, trusted on first use. The answer is [`Notice::Forgotten`](super::Notice::Forgotten).
    Forget {
        /// Phone number of the contact.
        phone: Phone,
    },
    /// The application has taken over every message up to this place. Later ones are delivered
    /// again the next time the client starts.
    MarkShown {
        /// Place of the last message taken over.
        up_to: InboxId,
    },
}
