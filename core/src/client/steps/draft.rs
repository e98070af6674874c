//! Drafts: messages that wait, durably, for a session and for their recipient's key.

use alloc::vec;
use alloc::vec::Vec;

use crate::client::Client;
use crate::client::awaits::AwaitStore;
use crate::client::notice::{Notice, SendRefusal};
use crate::client::state::lookups::Asker;
use crate::client::store::{ClientOp, DraftId, Token};
use crate::frame::{Durable, StoreError};
use crate::ids::UserRef;

impl Client {
    /// Makes new drafts durable, one operation at a time.
    pub(in crate::client) fn keep_drafts(&mut self) {
        if self.store_rests() {
            return;
        }
        if let Some((drafts, ids)) = self.drafts.next_batch(self.config.limits.enqueue_batch) {
            self.out.store(ClientOp::KeepDrafts(drafts), AwaitStore::DraftsKept(ids));
        }
    }

    pub(in crate::client) fn on_drafts_kept(
        &mut self,
        kept: Result<Vec<Durable<DraftId>>, StoreError>,
    ) {
        match kept {
            Ok(ids) => {
                for id in ids {
                    if let Some(token) = self.drafts.kept(&id) {
                        self.out.notify(Notice::Kept { token });
                    }
                }
                self.number_drafts();
            }
            Err(StoreError::Busy | StoreError::Unavailable) => {
                self.drafts.retry_batch();
                self.rest_store();
            }
            // These pass only if somebody acts, so the application is told.
            Err(StoreError::DiskFull | StoreError::Io | StoreError::Corrupt) => {
                self.drafts.retry_batch();
                for draft in self.drafts.take_unkept() {
                    self.tell_refused(draft, SendRefusal::StoreFailed);
                }
            }
        }
    }

    /// Numbers every draft whose recipient is known, and asks for the others. A message gets its
    /// date soon after its number, so there must be a session, which has told the server's clock.
    pub(in crate::client) fn number_drafts(&mut self) {
        if self.link.session().is_none() || self.store_rests() {
            return;
        }
        // A message names the one before it, which must not have failed.
        if self.unrecorded.has_failures() {
            return;
        }
        // In the order of sending, under whichever name the recipient goes.
        for draft in self.drafts.take_for(|to| self.contacts.find(to).is_some()) {
            self.send_to_contact(draft);
        }
        for to in self.drafts.recipients() {
            self.lookups.want(to, Asker::Client);
        }
    }

    /// The server does not know a recipient, or names another key: nothing can be sealed.
    pub(in crate::client) fn refuse_drafts(&mut self, to: UserRef, refusal: SendRefusal) {
        for draft in self.drafts.take_for(|named| named == to) {
            self.refuse_message(draft, refusal);
        }
    }

    /// [`Command::Cancel`](crate::client::Command::Cancel).
    pub(in crate::client) fn cancel_draft(&mut self, token: Token) {
        if !self.drafts.cancel(token) {
            self.out.notify(Notice::NotCancelled { token });
        }
    }

    /// Has the store forget the drafts that were given up, one operation at a time. The application is
    /// told after that: what it was told is given up is not sent after a crash.
    pub(in crate::client) fn drop_cancelled(&mut self) {
        if self.store_rests() {
            return;
        }
        if let Some((drafts, ids)) = self.drafts.next_cancelled() {
            self.out.store(ClientOp::DropDrafts(drafts), AwaitStore::DraftsDropped(ids));
        }
    }

    pub(in crate::client) fn on_drafts_dropped(
        &mut self,
        dropped: Result<Vec<Durable<DraftId>>, StoreError>,
    ) {
        match dropped {
            Ok(ids) => {
                for id in ids {
                    if let Some(draft) = self.drafts.dropped(&id) {
                        self.tell_refused(draft, SendRefusal::Cancelled);
                    }
                }
            }
            Err(StoreError::Busy | StoreError::Unavailable) => {
                self.drafts.drop_again();
                self.rest_store();
            }
            // These pass only if somebody acts, so the application is told.
            Err(StoreError::DiskFull | StoreError::Io | StoreError::Corrupt) => {
                for token in self.drafts.keep_dropped() {
                    self.out.notify(Notice::NotCancelled { token });
                }
            }
        }
        self.number_drafts();
    }

    /// A draft is refused: the store is not to bring it again.
    pub(in crate::client) fn drop_draft(&mut self, id: DraftId) {
        self.pin(ClientOp::DropDrafts(vec![id]));
    }
}
