//! What lies over the conversation: lists and questions.

use sealpost_messenger::api::{Entry, Peer, PhoneNumber};

use super::Composer;

/// What lies over the conversation.
#[derive(Clone, Debug)]
pub(crate) enum Overlay {
    /// Chooses a conversation by a part of its name.
    Switcher { query: Composer, chosen: usize },
    /// Finds messages.
    Search(Search),
    /// Lists the keys.
    Help { scrolled: usize },
    /// Shows the safety number of a contact, or both after its key has changed, and asks.
    Key { phone: PhoneNumber },
    /// Shows the members of a group, and asks about an invitation.
    Members { with: Peer },
    /// Chooses until when the conversation is silent.
    Mute { chosen: usize },
    /// Chooses an emoji for an entry.
    React { entry: u64, emoji: Composer },
    /// Asks for the name of a contact.
    Name { phone: PhoneNumber, name: Composer },
    /// Asks for the path of a file to be sent.
    File { path: Composer },
    /// Asks before something is done that can't be undone.
    Confirm(Confirm),
}

/// A search over the history.
#[derive(Clone, Debug, Default)]
pub(crate) struct Search {
    pub(crate) query: Composer,
    /// What was asked for, of which the results are.
    pub(crate) asked: String,
    pub(crate) results: Vec<Entry>,
    pub(crate) more: bool,
    pub(crate) is_running: bool,
    pub(crate) chosen: usize,
}

/// What is done after a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Confirm {
    /// Takes a message back.
    Delete { entry: u64 },
    /// Opens a web address.
    Open { link: String },
}
