//! Conversations and their history.

use sealpost_core::client::store::Content;
use sealpost_core::event;
use sealpost_core::frame::StoreError;
use sealpost_core::groups::GroupCommand;
use sealpost_storage::client::SqliteClientStorage;
use sealpost_storage::client::conversations::{
    self as kept, Author, Conversation as KeptConversation, ConversationId, EntryId, Made, NewCopy,
    NewEntry, OwnChange, Peer as KeptPeer, ReadMarks, Visibility,
};

use super::sending::{event_id, new_event, token};
use crate::api::{
    ApiError, Changed, Conversation, ConversationParams, ConversationsResult, DraftParams, Empty,
    ErrorKind, Group, HistoryParams, HistoryResult, MarkReadParams, Mute, Peer, SearchParams, Time,
};
use crate::engine::core::Core;
use crate::engine::entries::{self, Entries};
use crate::engine::{changes, clock};

impl Core {
    pub(in crate::engine) fn list_conversations(&self) -> Result<ConversationsResult, ApiError> {
        let contacts = self.contacts()?;
        let mut conversations = self.read(|store| {
            let mut entries = self.entries(store);
            let found = store.conversations(CONVERSATIONS_MAX)?.into_iter().map(|found| {
                let contact =
                    contacts.iter().find(|contact| found.peer == KeptPeer::Person(contact.phone));
                shown(found, contact, &mut entries)
            });
            found.collect::<Result<Vec<_>, _>>()
        })?;
        let groups = self.list_groups()?.groups;
        for conversation in &mut conversations {
            let is_with = |group: &&Group| conversation.with == Peer::Group(group.group_id);
            conversation.group = groups.iter().find(is_with).cloned().map(Box::new);
        }
        Ok(ConversationsResult { conversations })
    }

    pub(in crate::engine) fn history(
        &self,
        params: &HistoryParams,
    ) -> Result<HistoryResult, ApiError> {
        let limit = limited(params.limit)?;
        // One more tells whether there are more.
        let asked = limit.saturating_add(1);
        let (before, after) = (params.before.map(EntryId), params.after.map(EntryId));
        if before.is_some() && after.is_some() {
            return Err(ErrorKind::InvalidParams.error("pass either before or after"));
        }
        self.read(|store| {
            let found = match (conversation(store, params.with.as_ref())?, after) {
                (Scope::Nobody, _) => Vec::new(),
                (Scope::One(id), None) => store.entries_before(id, before, asked)?,
                (Scope::One(id), Some(after)) => store.entries_after(id, after, asked)?,
                (Scope::All, None) => store.all_before(before, asked)?,
                (Scope::All, Some(after)) => store.all_after(after, asked)?,
            };
            let more = found.len() > usize::try_from(limit).unwrap_or(usize::MAX);
            let skipped = usize::from(more && after.is_none());
            let kept = usize::try_from(limit).unwrap_or(usize::MAX);
            let mut shown = self.entries(store);
            let page = found.into_iter().skip(skipped).take(kept);
            let entries: Result<Vec<_>, _> = page.map(|entry| shown.shown(entry)).collect();
            Ok(HistoryResult { entries: entries?, more })
        })
    }

    pub(in crate::engine) fn search(
        &self,
        params: &SearchParams,
    ) -> Result<HistoryResult, ApiError> {
        let limit = limited(params.limit)?;
        let before = params.before.map(EntryId);
        self.read(|store| {
            let within = match conversation(store, params.with.as_ref())? {
                Scope::Nobody => return Ok(HistoryResult::default()),
                Scope::One(id) => Some(id),
                Scope::All => None,
            };
            let asked = limit.saturating_add(1);
            let found = store.search(&params.query, within, before, asked)?;
            let kept = usize::try_from(limit).unwrap_or(usize::MAX);
            let more = found.len() > kept;
            let mut shown = self.entries(store);
            let page = found.into_iter().take(kept);
            let entries: Result<Vec<_>, _> = page.map(|entry| shown.shown(entry)).collect();
            Ok(HistoryResult { entries: entries?, more })
        })
    }

    /// Records what the user has seen, and tells the authors.
    pub(in crate::engine) fn mark_read(&self, params: MarkReadParams) -> Result<Empty, ApiError> {
        let MarkReadParams { with, up_to } = params;
        let found = self.conversation_with(&with)?;
        let (id, up_to, at) = (found.id, EntryId(up_to), clock::now().0);
        let before = self.write(move |store| store.read_up_to(id, up_to, at))?;
        self.hub.show(&Changed::Conversation { with });
        let after = before.unwrap_or(EntryId(0));
        let is_told = found.read_marks == ReadMarks::Exchanged;
        if up_to <= after || found.visibility == Visibility::Blocked || !is_told {
            return Ok(Empty {});
        }
        let seen =
            self.read(|store| store.entries_before(id, Some(EntryId(up_to.0 + 1)), READ_MAX))?;
        let seen: Vec<_> = seen
            .into_iter()
            .filter(|entry| entry.id > after && matches!(entry.author, Author::Peer(_)))
            .collect();
        let own = self.public_key.fingerprint();
        let names = seen.iter().filter_map(|entry| entry.name);
        let references = names.map(|name| changes::reference(&name, own)).collect();
        if let (Some(last), Ok(entries)) = (seen.last(), event::References::new(references)) {
            match self.change(last, event::Body::Read { entries }, |_| OwnChange::Read) {
                // Nobody is told by somebody who has left the group, or is alone in it.
                Err(error) if error.kind() == Some(ErrorKind::NotAllowed) => {}
                told => drop(told?),
            }
        }
        Ok(Empty {})
    }

    pub(in crate::engine) fn save_draft(&self, params: DraftParams) -> Result<Empty, ApiError> {
        let DraftParams { with, text } = params;
        if text.len() > DRAFT_MAX {
            return Err(
                ErrorKind::TooLong.error(format_args!("a draft has at most {DRAFT_MAX} bytes"))
            );
        }
        let peer = self.addressable(&with)?;
        self.write(move |store| {
            let id = store.open_conversation(&peer)?;
            store.set_draft(id, &text)
        })?;
        self.hub.show(&Changed::Conversation { with });
        Ok(Empty {})
    }

    pub(in crate::engine) fn update_conversation(
        &self,
        params: &ConversationParams,
    ) -> Result<Empty, ApiError> {
        let peer = self.addressable(&params.with)?;
        let id = self.write(move |store| store.open_conversation(&peer))?;
        if let Some(mute) = params.mute {
            let mute = match mute {
                Mute::Off => kept::Mute::Off,
                Mute::Until(Time(time)) => kept::Mute::Until(time),
                Mute::Always => kept::Mute::Always,
            };
            self.write(move |store| store.set_mute(id, mute))?;
        }
        if let Some(are_on) = params.read_receipts {
            let read_marks = if are_on { ReadMarks::Exchanged } else { ReadMarks::Withheld };
            self.write(move |store| store.set_read_marks(id, read_marks))?;
        }
        if let Some(bytes) = params.accept_files_up_to {
            // What is more is as good as any file.
            let bytes = bytes.min(ACCEPTED_MAX);
            self.write(move |store| store.set_accepted_files(id, bytes))?;
        }
        if let Some(secs) = params.expiry_seconds {
            self.set_expiry(id, peer, secs)?;
        }
        self.hub.show(&Changed::Conversation { with: params.with });
        Ok(Empty {})
    }

    /// Lets new messages of a conversation live so long, on both sides.
    fn set_expiry(&self, id: ConversationId, peer: KeptPeer, secs: u32) -> Result<(), ApiError> {
        let phone = match peer {
            KeptPeer::Person(phone) => phone,
            KeptPeer::Group(group) => {
                return self.command_group(group, vec![GroupCommand::Expire(secs)]);
            }
        };
        let secs = (secs > 0).then_some(secs);
        let expiry =
            secs.map(|secs| event::ExpirySecs::new(u64::from(secs))).transpose().map_err(|_| {
                ErrorKind::InvalidParams.error("expirySeconds is at most 31622400, 366 days")
            })?;
        let encoded = new_event(event::Body::Expiry { expiry }, None)?;
        let new = NewEntry {
            body: kept::Body::Notice(changes::expiry_notice(secs)),
            event_id: event_id(&encoded),
            event: Some(encoded.clone()),
            reply_to: None,
            expiry_secs: None,
        };
        let copy = NewCopy { token: token()?, phone, key: None, content: Content::Event(encoded) };
        let (sent, at) = (copy.clone(), clock::now().0);
        let made = self.write(move |store| {
            store.set_expiry(id, secs)?;
            store.append(&peer, (&new, at), &[sent], None)
        })?;
        self.command_send(copy);
        match made {
            Made::New(entry) | Made::Before(entry) => self.show_entry(entry),
            Made::OtherRequest => {}
        }
        Ok(())
    }

    /// A person, of whom nothing need be known yet, or a group of which something is.
    fn addressable(&self, with: &Peer) -> Result<KeptPeer, ApiError> {
        match with {
            Peer::Person(_) => Ok(entries::kept_peer(with)),
            Peer::Group(_) => self.conversation_with(with).map(|found| found.peer),
        }
    }

    pub(in crate::engine) fn conversation_with(
        &self,
        with: &Peer,
    ) -> Result<KeptConversation, ApiError> {
        let peer = entries::kept_peer(with);
        self.read(|store| store.conversation(&peer))?.ok_or_else(|| {
            ErrorKind::NotFound.error(format_args!("there is no conversation with {with}"))
        })
    }
}

/// Which entries a request is about.
enum Scope {
    All,
    One(ConversationId),
    /// A peer with whom there is no conversation.
    Nobody,
}

fn conversation(store: &SqliteClientStorage, with: Option<&Peer>) -> Result<Scope, StoreError> {
    let Some(with) = with else { return Ok(Scope::All) };
    let found = store.conversation(&entries::kept_peer(with))?;
    Ok(found.map_or(Scope::Nobody, |found| Scope::One(found.id)))
}

fn shown(
    found: KeptConversation,
    contact: Option<&sealpost_core::client::store::Contact>,
    entries: &mut Entries<'_>,
) -> Result<Conversation, StoreError> {
    use sealpost_core::client::store::Verification;
    Ok(Conversation {
        with: entries::peer(&found.peer),
        name: found.name,
        unread: found.unread,
        read_up_to: found.read_up_to.map_or(0, |entry| entry.0),
        last: found.last.map(|last| entries.shown(last)).transpose()?,
        mute: match found.mute {
            kept::Mute::Off => Mute::Off,
            kept::Mute::Until(time) => Mute::Until(Time(time)),
            kept::Mute::Always => Mute::Always,
        },
        blocked: found.visibility == Visibility::Blocked,
        key_changed: contact.is_some_and(|contact| contact.offered.is_some()),
        verified: contact.is_some_and(|contact| contact.verification == Verification::Verified),
        expiry_seconds: found.expiry_secs.unwrap_or(0),
        read_receipts: found.read_marks == ReadMarks::Exchanged,
        group: None,
        accept_files_up_to: found.accepted_files,
        draft: found.draft,
    })
}

pub(in crate::engine) fn limited(limit: u32) -> Result<u32, ApiError> {
    if (1..=LIMIT_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(ErrorKind::InvalidParams.error(format_args!("limit is from 1 to {LIMIT_MAX}")))
}

/// Most conversations in a list.
const CONVERSATIONS_MAX: u32 = 10_000;
/// Most entries in a page.
const LIMIT_MAX: u32 = 1_000;
/// Most entries that one read receipt names.
const READ_MAX: u32 = 256;
/// Most bytes that are accepted without asking: 1 TiB.
const ACCEPTED_MAX: u64 = 1 << 40;
/// Longest draft in bytes.
const DRAFT_MAX: usize = 65_536;
