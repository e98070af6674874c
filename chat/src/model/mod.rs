//! What is shown: a pure value, which [`update`](crate::update()) changes and [`view`](crate::view())
//! draws.

mod composer;
mod gallery;
mod group;
mod mention;
mod overlay;
mod roster;
mod thread;

pub(crate) use composer::{Composer, Edit};
pub(crate) use gallery::{Gallery, picture_of};
pub(crate) use group::{
    Deed, GroupRow, InvitedTo, MemberDeed, People, deeds, group_rows, is_invitation, is_owner,
    member_deeds, needs_successor, successors,
};
pub(crate) use mention::Completion;
pub(crate) use overlay::{Confirm, GroupChange, Overlay, Search};
pub(crate) use roster::{Candidate, unread};
pub(crate) use thread::{Position, Step, Thread};

use std::collections::{BTreeMap, BTreeSet};

use ratatui::layout::Size;
use sealpost_messenger::api::{
    Body, Connection, Contact, Conversation, Entry, GroupId, Mute, Peer, PhoneNumber, Progress,
    Time, failures,
};

use crate::text::one_line;
use crate::{Keeping, Pictures, Request, Theme, Zone};

/// What is shown.
#[derive(Clone, Debug)]
pub struct Model {
    pub(crate) size: Size,
    pub(crate) now: Time,
    pub(crate) zone: Zone,
    pub(crate) theme: Theme,
    /// Whether the user looks at the terminal, as far as the terminal says.
    pub(crate) has_focus: bool,
    pub(crate) account: Option<PhoneNumber>,
    pub(crate) connection: Option<Connection>,
    /// Count of messages that wait to be sent.
    pub(crate) queued: u64,
    /// The conversations, the one with the latest entry first.
    pub(crate) conversations: Vec<Conversation>,
    /// Groups to which the user was invited when the conversations were listed last; `None` before
    /// the first list.
    pub(crate) invitations: Option<BTreeSet<GroupId>>,
    /// The last entry of each conversation that mentions the user, as far as it is known.
    pub(crate) mentions: BTreeMap<Peer, u64>,
    /// Whether what was not seen may have mentions that are not known.
    pub(crate) has_unknown_mentions: bool,
    pub(crate) contacts: BTreeMap<PhoneNumber, Contact>,
    pub(crate) thread: Option<Thread>,
    pub(crate) composer: Composer,
    pub(crate) purpose: Purpose,
    pub(crate) overlay: Option<Overlay>,
    /// What the program has to say until the next key.
    pub(crate) remark: Option<String>,
    /// What the user should know and has not dismissed.
    pub(crate) warning: Option<String>,
    /// The number of the latest entry that is known.
    pub(crate) latest: u64,
    pub(crate) stale: Stale,
    pub(crate) draft: DraftState,
    pub(crate) prefix: Prefix,
    pub(crate) rang_at: Option<Time>,
    pub(crate) gallery: Gallery,
    pub(crate) keeping: Keeping,
}

/// What is written is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A new message.
    #[default]
    New,
    /// An answer to an entry.
    Reply { entry: u64 },
    /// Another text for an entry.
    Edit { entry: u64 },
}

/// Which lists are asked for again, once the answer to the last question has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stale {
    pub(crate) conversations: Freshness,
    pub(crate) contacts: Freshness,
    pub(crate) status: Freshness,
}

/// How current a list is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Freshness {
    #[default]
    Fresh,
    Stale,
    Asked,
    /// It has changed since it was asked for.
    AskedAndStale,
}

/// What was kept of the text that is being written.
#[derive(Clone, Debug, Default)]
pub(crate) struct DraftState {
    pub(crate) saved: String,
    /// Since when it differs from what is written.
    pub(crate) since: Option<Time>,
}

/// Keys that are the beginning of a command of two keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Prefix {
    #[default]
    None,
    /// Ctrl-X.
    ControlX,
    /// Ctrl-C, which quits if it is repeated.
    ControlC,
}

impl Model {
    /// An empty screen.
    pub fn new(size: Size, now: Time, zone: Zone, theme: Theme) -> Self {
        Self {
            size,
            now,
            zone,
            theme,
            has_focus: true,
            account: None,
            connection: None,
            queued: 0,
            conversations: Vec::new(),
            invitations: None,
            mentions: BTreeMap::new(),
            has_unknown_mentions: false,
            contacts: BTreeMap::new(),
            thread: None,
            composer: Composer::default(),
            purpose: Purpose::New,
            overlay: None,
            remark: None,
            warning: None,
            latest: 0,
            stale: Stale::default(),
            draft: DraftState::default(),
            prefix: Prefix::None,
            rang_at: None,
            gallery: Gallery::new(Pictures::Hidden),
            keeping: Keeping::Everything,
        }
    }

    /// The model with pictures, in the colours that the terminal has.
    #[must_use]
    pub fn with_pictures(self, pictures: Pictures) -> Self {
        // Without colours they would be noise.
        let pictures = if self.theme == Theme::Plain { Pictures::Hidden } else { pictures };
        Self { gallery: Gallery::new(pictures), ..self }
    }

    /// The model of an account that is kept, or not.
    #[must_use]
    pub fn with_keeping(self, keeping: Keeping) -> Self {
        Self { keeping, ..self }
    }

    /// The time that is shown as now.
    pub const fn now(&self) -> Time {
        self.now
    }

    /// The open conversation, if there is anything in it.
    pub(crate) fn open_conversation(&self) -> Option<&Conversation> {
        self.conversation(self.thread.as_ref()?.with)
    }

    pub(crate) fn conversation(&self, with: Peer) -> Option<&Conversation> {
        self.conversations.iter().find(|conversation| conversation.with == with)
    }

    /// The name of a person or a group, on one line: phone number or id if there is none.
    pub(crate) fn name(&self, peer: Peer) -> String {
        let name = self.conversation(peer).and_then(|known| known.name.as_deref());
        match (name, peer) {
            (Some(name), _) if !name.trim().is_empty() => one_line(name),
            (_, Peer::Person(phone)) => {
                let contact = self.contacts.get(&phone).and_then(|known| known.name.as_deref());
                contact.map_or_else(|| phone.to_string(), one_line)
            }
            (_, Peer::Group(_)) => {
                format!("group {}", peer.to_string().chars().skip(6).take(8).collect::<String>())
            }
        }
    }

    /// The name of the author of an entry.
    pub(crate) fn author(&self, from: Option<PhoneNumber>) -> String {
        from.map_or_else(|| "You".to_owned(), |phone| self.name(Peer::Person(phone)))
    }

    pub(crate) fn is_muted(&self, conversation: &Conversation) -> bool {
        match conversation.mute {
            Mute::Off => false,
            Mute::Until(end) => end > self.now,
            Mute::Always => true,
        }
    }

    /// The entry that an answer or another text is written for.
    pub(crate) fn purpose_entry(&self) -> Option<&Entry> {
        match self.purpose {
            Purpose::New => None,
            Purpose::Reply { entry } | Purpose::Edit { entry } => {
                self.thread.as_ref()?.entry(entry)
            }
        }
    }
}

impl Stale {
    /// Nothing is known.
    pub(crate) const fn all() -> Self {
        Self {
            conversations: Freshness::Stale,
            contacts: Freshness::Stale,
            status: Freshness::Stale,
        }
    }

    /// The list that a request asks for.
    pub(crate) const fn of(&mut self, request: &Request) -> Option<&mut Freshness> {
        if let Request::Conversations(_) = request {
            Some(&mut self.conversations)
        } else if let Request::Contacts(_) = request {
            Some(&mut self.contacts)
        } else if let Request::Status(_) = request {
            Some(&mut self.status)
        } else {
            None
        }
    }
}

/// The text of a message, if it has one.
pub(crate) fn text_of(body: &Body) -> Option<&str> {
    match body {
        Body::Text { text } | Body::File { text, .. } => Some(text),
        Body::Bytes { .. }
        | Body::Deleted
        | Body::Expired
        | Body::Undecryptable
        | Body::NeedsNewerVersion
        | Body::Invitation { .. }
        | Body::Notice { .. }
        | Body::Unknown => None,
    }
}

/// Whether a message was not sent, or not to every member of a group.
pub(crate) fn has_failed(entry: &Entry) -> bool {
    entry.progress.as_ref().is_some_and(Progress::has_failed)
        || failures(&entry.copies).next().is_some()
}

impl Freshness {
    pub(crate) const fn spoil(&mut self) {
        *self = match self {
            Self::Fresh | Self::Stale => Self::Stale,
            Self::Asked | Self::AskedAndStale => Self::AskedAndStale,
        };
    }

    /// Whether it has to be asked for now.
    pub(crate) fn ask(&mut self) -> bool {
        let is_due = *self == Self::Stale;
        if is_due {
            *self = Self::Asked;
        }
        is_due
    }

    pub(crate) const fn answered(&mut self) {
        *self = match self {
            Self::Fresh | Self::Asked => Self::Fresh,
            Self::Stale | Self::AskedAndStale => Self::Stale,
        };
    }
}
