//! What lies over the conversation: lists and questions.

use sealpost_messenger::api::{Entry, GroupId, Peer, PhoneNumber};

use super::{Composer, People};

/// What lies over the conversation.
#[derive(Clone, Debug)]
pub(crate) enum Overlay {
    /// Chooses a conversation by a part of its name.
    Switcher { query: Composer, chosen: usize },
    /// Finds messages.
    Search(Search),
    /// Lists the keys, over what was asked before.
    Help { scrolled: usize, under: Option<Box<Overlay>> },
    /// Shows the safety number of a contact, or both after its key has changed, and asks.
    Key { phone: PhoneNumber },
    /// Shows a group and its members, and what can be done with them.
    Group { group_id: GroupId, chosen: usize },
    /// Asks for the name of a new group, or another name of one that there is.
    GroupName { group_id: Option<GroupId>, name: Composer },
    /// Chooses people to be invited to a group.
    People(People),
    /// Chooses after what time messages of the conversation disappear.
    Expiry { chosen: usize },
    /// Chooses until when the conversation is silent.
    Mute { chosen: usize },
    /// Chooses an emoji for an entry.
    React { entry: u64, emoji: Composer, chosen: usize },
    /// Asks for the name of a contact.
    Name { phone: PhoneNumber, name: Composer },
    /// Asks for the path of a file to be sent; again, if it could not be sent.
    File { path: Composer, error: Option<String> },
    /// Asks before something is done that can't be undone.
    Confirm(Confirm),
}

impl Overlay {
    /// The place of what is chosen in a list, or the first row that is shown.
    pub(crate) const fn chosen(&mut self) -> Option<&mut usize> {
        match self {
            Self::Switcher { chosen, .. }
            | Self::Search(Search { chosen, .. })
            | Self::Help { scrolled: chosen, .. }
            | Self::Group { chosen, .. }
            | Self::People(People { chosen, .. })
            | Self::React { chosen, .. }
            | Self::Expiry { chosen }
            | Self::Mute { chosen } => Some(chosen),
            Self::Key { .. }
            | Self::Name { .. }
            | Self::GroupName { .. }
            | Self::File { .. }
            | Self::Confirm(_) => None,
        }
    }
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
    /// Drops what comes from a person, or leaves a group for good.
    Block { with: Peer },
    /// Opens a web address.
    Open { link: String },
    /// Ends the program, with everything that it has not kept.
    Quit,
    /// Does something to a group, of which a row was chosen.
    Group { group_id: GroupId, chosen: usize, change: GroupChange },
}

/// A change of a group that can't be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupChange {
    /// Removes a member.
    Remove(PhoneNumber),
    /// Makes a member the owner.
    HandOver(PhoneNumber),
    /// Makes the user the owner.
    TakeOver,
    Leave,
    Forget,
}
