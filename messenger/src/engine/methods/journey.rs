//! Following a message to a person: how far it is, or why it gets no further.

use std::time::Instant;

use sealpost_core::client::store::Failure;
use sealpost_core::client::{Notice, SendRefusal, Token};
use sealpost_core::ids::{MessageId, Phone};
use sealpost_storage::client::conversations::{EntryId, Progress as Kept};

use super::people::unknown_recipient;
use super::sending::no_entry;
use crate::api::{ApiError, ErrorKind, Progress, SendResult, WaitFor};
use crate::engine::core::{Core, stopping};
use crate::engine::entries;
use crate::engine::hub::{Vain, Watch};

impl Core {
    /// Where a message is that was sent before.
    pub(in crate::engine) fn journey_of(
        &self,
        entry: EntryId,
        phone: Phone,
        wait: WaitFor,
    ) -> Result<Journey, ApiError> {
        let found = self.read(|store| store.entry(entry))?.ok_or_else(|| no_entry(entry.0))?;
        let copy = *found.copies.first().ok_or_else(|| no_entry(entry.0))?;
        let mut journey = Journey::begins(entry, copy.token, phone, wait);
        journey.id = copy.message;
        journey.reached = Some(copy.progress);
        Ok(journey)
    }

    /// Follows a message until it has got as far as requested.
    pub(in crate::engine) fn follow(
        &self,
        watch: &Watch,
        mut journey: Journey,
        deadline: Instant,
    ) -> Result<SendResult, ApiError> {
        while !journey.is_over() {
            if self.hub.has_given_up() && journey.reached.is_some() {
                return Err(self.kept_for_later(&journey));
            }
            match watch.until(deadline, |notice| journey.step(notice).then_some(())) {
                Ok(()) => {}
                Err(Vain::Stopped) => return Err(stopping().with_entry(journey.entry.0)),
                // It is durable, whether or not the machine has said so.
                Err(Vain::TimedOut) if journey.wait == WaitFor::Queued => break,
                Err(Vain::TimedOut) => return Err(self.kept_for_later(&journey)),
            }
        }
        if let Some(error) = journey.error {
            let error = match error.kind() {
                Some(ErrorKind::KeyChanged) => self.key_changed(journey.phone)?,
                _ => error,
            };
            return Err(error.with_entry(journey.entry.0));
        }
        Ok(SendResult {
            entry: journey.entry.0,
            message_id: journey.id.map(|id| id.0),
            progress: journey.reached.map_or(Progress::Queued, entries::progress),
            copies: Vec::new(),
        })
    }

    fn kept_for_later(&self, journey: &Journey) -> ApiError {
        let error = if journey.reached >= Some(Kept::Stored) {
            ErrorKind::KeptForLater.error("the message is stored, but not delivered in time")
        } else {
            let held = self.held.why(journey.phone).map(|why| format!(": {why}"));
            let why = held.unwrap_or_else(|| self.hub.trouble());
            ErrorKind::KeptForLater.error(format_args!(
                "the server at {} did not acknowledge the message in time{why}; it is kept, and \
                 sent later",
                self.identity.endpoints
            ))
        };
        error.with_entry(journey.entry.0)
    }
}

/// Progress of a message.
pub(in crate::engine) struct Journey {
    entry: EntryId,
    token: Token,
    phone: Phone,
    wait: WaitFor,
    /// The message's id, once it is in the outbox.
    id: Option<MessageId>,
    /// How far it has come; `None` until the machine has accepted it.
    reached: Option<Kept>,
    /// Why it gets no further.
    error: Option<ApiError>,
}

impl Journey {
    pub(in crate::engine) const fn begins(
        entry: EntryId,
        token: Token,
        phone: Phone,
        wait: WaitFor,
    ) -> Self {
        Self { entry, token, phone, wait, id: None, reached: None, error: None }
    }

    /// Whether there is nothing more to wait for.
    fn is_over(&self) -> bool {
        let enough = match self.wait {
            WaitFor::Queued => Kept::Queued,
            WaitFor::Stored => Kept::Stored,
            WaitFor::Delivered => Kept::Delivered,
        };
        self.error.is_some()
            || self
                .reached
                .is_some_and(|reached| reached >= enough || matches!(reached, Kept::Failed(_)))
    }

    /// Takes note of a notice. Returns whether it is about this message.
    #[expect(clippy::wildcard_enum_match_arm, reason = "few of the notices matter here")]
    fn step(&mut self, notice: &Notice) -> bool {
        let is_ours = |ids: &[MessageId]| self.id.is_some_and(|id| ids.contains(&id));
        match notice {
            Notice::Kept { token } if *token == self.token => self.reach(Kept::Queued),
            Notice::Queued { token, id } if *token == self.token => {
                self.id = Some(*id);
                self.reach(Kept::Queued);
            }
            Notice::SendRefused { token, refusal, .. } if *token == self.token => {
                self.error = Some(refused(*refusal, self.phone));
            }
            Notice::Stored { ids } if is_ours(ids) => self.reach(Kept::Stored),
            Notice::Delivered { ids, .. } if is_ours(ids) => self.reach(Kept::Delivered),
            Notice::Failed { ids, failure } if is_ours(ids) => self.error = Some(failed(*failure)),
            // The hub knows whether it is tried again.
            Notice::Offline { retry_in: None, .. } => {}
            Notice::KeyChanged { phone, .. } if *phone == self.phone && self.id.is_some() => {
                self.error = Some(refused(SendRefusal::KeyChanged, self.phone));
            }
            _ => return false,
        }
        true
    }

    fn reach(&mut self, progress: Kept) {
        self.reached = self.reached.max(Some(progress));
    }
}

/// The error for a message that was not accepted for sending.
fn refused(refusal: SendRefusal, to: Phone) -> ApiError {
    match refusal {
        SendRefusal::UnknownUser => unknown_recipient(to),
        // The numbers are added to it.
        SendRefusal::KeyChanged => ErrorKind::KeyChanged.error(refusal),
        SendRefusal::OtherKey => ErrorKind::KeyChanged
            .error(format_args!("{to} has another key than the one that the message is for")),
        SendRefusal::NotRegistered => ErrorKind::NotRegistered.error(refusal),
        SendRefusal::OutboxFull => ErrorKind::OutboxFull.error(refusal).with_retry_after(60),
        SendRefusal::TooLong => ErrorKind::TooLong.error(refusal),
        SendRefusal::LookupFailed => ErrorKind::Unavailable.error(refusal),
        SendRefusal::StoreFailed => ErrorKind::Storage.error(refusal),
        SendRefusal::SealFailed => ErrorKind::Internal.error(refusal),
        SendRefusal::Cancelled => ErrorKind::NotAllowed.error(refusal),
    }
}

fn failed(failure: Failure) -> ApiError {
    match failure {
        Failure::UnknownUser => ErrorKind::UnknownRecipient.error(failure),
        Failure::Refused | Failure::Expired | Failure::KeyReplaced => {
            ErrorKind::Refused.error(failure)
        }
    }
}
