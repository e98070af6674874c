//! Looking for messages that the application sends again: each is sent once for each token.

use alloc::vec::Vec;

use crate::client::Client;
use crate::client::awaits::AwaitStore;
use crate::client::notice::{Notice, SendRefusal};
use crate::client::state::drafts::Kept;
use crate::client::state::token_checks::Checked;
use crate::client::store::{ClientOp, Token, TokenUse};
use crate::frame::StoreError;

impl Client {
    /// Whether a message with this token is on its way into the outbox. What is in the outbox is
    /// durable, and the store knows of it.
    pub(in crate::client) fn was_sent_in_this_process(&mut self, token: Token) -> bool {
        match self.drafts.with_token(token) {
            Some(Kept::Durably) => self.out.notify(Notice::Kept { token }),
            Some(Kept::NotYet) => {}
            // The notice follows once it is known what becomes of the first one.
            None => return self.token_checks.has(token) || self.sealing.has(token),
        }
        true
    }

    /// Asks the store for tokens. Not while a draft is being dropped, which it would still find.
    pub(in crate::client) fn check_tokens(&mut self) {
        if self.store_rests() || !self.unrecorded.all_pinned() {
            return;
        }
        if let Some(tokens) = self.token_checks.next_batch(self.config.limits.enqueue_batch) {
            let awaited = AwaitStore::TokensFound { tokens: tokens.len() };
            self.out.store(ClientOp::FindTokens(tokens), awaited);
        }
    }

    pub(in crate::client) fn on_tokens_found(
        &mut self,
        found: Result<Vec<Option<TokenUse>>, StoreError>,
    ) {
        match found {
            Ok(named) => {
                for checked in self.token_checks.take_batch(named) {
                    match checked {
                        Checked::New(message) => self.accept_message(message),
                        Checked::Sent(token, TokenUse::Draft) => {
                            self.out.notify(Notice::Kept { token });
                        }
                        Checked::Sent(token, TokenUse::Message(id)) => {
                            self.out.notify(Notice::Queued { token, id });
                        }
                    }
                }
            }
            Err(StoreError::Busy | StoreError::Unavailable) => {
                self.token_checks.retry_batch();
                self.rest_store();
            }
            // These pass only if somebody acts, so the application is told.
            Err(StoreError::DiskFull | StoreError::Io | StoreError::Corrupt) => {
                for message in self.token_checks.take_all() {
                    self.tell_refused(message, SendRefusal::StoreFailed);
                }
            }
        }
    }
}
