//! Removes notices when what they tell of is over.

use std::collections::BTreeSet;

use sealpost_core::ids::{MessageId, Phone};
use sealpost_storage::client::conversations::{EntryId, Peer};

use super::core::Core;
use super::entries;
use super::groups::causes;
use crate::api::{ApiError, Changed};

impl Core {
    /// The server has messages: their recipients are reached.
    pub(super) fn reached(&self, ids: &[MessageId]) {
        let causes = self.read(|store| {
            let mut recipients: BTreeSet<Phone> = BTreeSet::new();
            for id in ids {
                recipients.extend(store.recipient_of(*id)?);
            }
            for phone in &recipients {
                self.held.release(*phone);
            }
            Ok(recipients.into_iter().map(causes::unreached).collect())
        });
        self.are_over(causes);
    }

    /// A person has one key again.
    pub(super) fn key_settled(&self, phone: Phone) {
        self.are_over(Ok(vec![causes::other_key(phone)]));
    }

    /// Removes the notices of causes, if there are any.
    fn are_over(&self, causes: Result<Vec<String>, ApiError>) {
        let removed = causes.and_then(|causes| {
            let noted = self.read(|store| {
                let mut noted = Vec::new();
                for cause in causes {
                    if store.has_notices_of(&cause)? {
                        noted.push(cause);
                    }
                }
                Ok(noted)
            })?;
            if noted.is_empty() {
                return Ok(Vec::new());
            }
            self.write(move |store| store.settle(&noted))
        });
        match removed {
            Ok(removed) => self.show_removed(&removed),
            // They stay until the next time.
            Err(error) => tracing::error!(%error, "can't remove a notice whose cause is over"),
        }
    }

    /// Shows that entries are gone.
    pub(super) fn show_removed(&self, removed: &[(Peer, EntryId)]) {
        for (peer, entry) in removed {
            let conversation = entries::peer(peer);
            self.hub.show(&Changed::EntryRemoved { conversation, entry: entry.0 });
            self.hub.show(&Changed::Conversation { with: conversation });
        }
    }
}
