//! Keeping the timeline as the machine's outputs say.

use sealpost_core::client::store::{Content, InboxItem};
use sealpost_core::client::{Command, SendRefusal, Token};
use sealpost_core::ids::{MessageId, UserRef};
use sealpost_storage::client::SqliteClientStorage;
use sealpost_storage::client::conversations::{
    Applied, Change, EntryId, Peer, UnsentCopy, Visibility,
};

use super::core::Core;
use super::entries::Entries;
use super::{changes, clock};
use crate::api::{ApiError, Changed};

impl Core {
    /// Takes over a message that arrived. A message that was taken over before changes nothing.
    pub(super) fn receive(&self, item: &InboxItem) -> Result<(), ApiError> {
        let change = changes::of(item, self.public_key.fingerprint());
        let peer = Peer::Person(item.message.phone);
        let received = item.clone();
        let is_for_files = matches!(change, Change::File(_));
        let applied = self.write(move |store| {
            let found = store.conversation(&peer)?;
            let is_blocked = found.is_some_and(|found| found.visibility == Visibility::Blocked);
            let change = if is_blocked { Change::Nothing } else { change };
            store.apply(&received, &peer, &change)
        })?;
        self.handle.command(Command::MarkShown { up_to: item.place });
        if is_for_files && applied != Applied::Before {
            self.files.arrived();
        }
        self.hub.arrived(item.place.0);
        match applied {
            Applied::Added(_, entry) | Applied::Changed(_, entry) => self.show_entry(entry),
            Applied::Ignored | Applied::Before => {}
        }
        Ok(())
    }

    /// Shows that messages have got further.
    pub(super) fn progressed(&self, ids: &[MessageId]) {
        if !self.hub.has_displays() {
            return;
        }
        for id in ids {
            match self.read(|store| store.entry_of_message(*id)) {
                Ok(Some(entry)) => self.show_entry(entry),
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "can't read the entry of a message"),
            }
        }
    }

    /// Shows that a message has got its id.
    pub(super) fn token_progressed(&self, token: Token) {
        if !self.hub.has_displays() {
            return;
        }
        match self.read(|store| store.entry_of_copy(token)) {
            Ok(Some((_, entry))) => self.show_entry(entry),
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "can't read the entry of a message"),
        }
    }

    /// Records that the machine has refused a message.
    pub(super) fn refused(&self, token: Token, refusal: SendRefusal, content: Content) {
        let recorded = self.write(move |store| store.refuse_copy(token, refusal, &content));
        if let Err(error) = recorded {
            // The message is sent again at the next start, and refused again.
            tracing::error!(%error, "can't record that a message was refused");
        }
        self.token_progressed(token);
    }

    /// Gives the machine the messages that it does not have: those that were being sent when an
    /// earlier process ended.
    pub(super) fn send_unsent(&self) -> Result<(), ApiError> {
        for UnsentCopy { copy, .. } in self.read(|store| store.unsent_copies(UNSENT_MAX))? {
            let (token, to) = (copy.token, UserRef::Phone(copy.phone));
            self.handle.command(Command::Send { token, to, content: copy.content });
        }
        Ok(())
    }

    /// Overwrites what has expired.
    pub(super) fn expire(&self) -> Result<(), ApiError> {
        let now = clock::now().0;
        let begun = self.read(SqliteClientStorage::next_expiry)?;
        self.write(move |store| store.begin_expiry_of_delivered(now))?;
        if begun.is_none_or(|next| next > now) {
            return Ok(());
        }
        for (_, entry) in self.write(move |store| store.expire(now, EXPIRED_AT_ONCE))? {
            self.show_entry(entry);
        }
        Ok(())
    }

    /// Shows an entry as it is now, and that its conversation has changed.
    pub(super) fn show_entry(&self, entry: EntryId) {
        if !self.hub.has_displays() {
            return;
        }
        match self.read(|store| Entries::of(store).with_notes(&self.files.notes).find(entry)) {
            Ok(Some(entry)) => {
                let with = entry.conversation;
                self.hub.show(&Changed::Entry { entry: Box::new(entry) });
                self.hub.show(&Changed::Conversation { with });
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "can't read an entry"),
        }
    }
}

/// Most messages that are given to the machine again at the start. There are more only if a process
/// ended in the middle of as many requests.
const UNSENT_MAX: u32 = 10_000;
/// Most entries that are overwritten in one transaction.
const EXPIRED_AT_ONCE: u32 = 100;
