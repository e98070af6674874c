//! Sending.

use std::sync::Arc;

use sealpost_core::client::store::Content;
use sealpost_core::client::{Command, Notice, SendRefusal, Token};
use sealpost_core::ids::{MessageId, Phone, UserRef};
use sealpost_core::wire::Inner;

use super::people::unknown_recipient;
use crate::api::{
    ApiError, ErrorKind, GroupId, Peer, PhoneNumber, Progress, SendParams, SendResult, WaitFor,
};
use crate::engine::core::{Core, stopping};
use crate::engine::hub::{Vain, Watch, deadline_in};

impl Core {
    pub(in crate::engine) fn send(
        self: &Arc<Self>,
        params: SendParams,
    ) -> Result<impl FnOnce() -> Result<SendResult, ApiError> + use<>, ApiError> {
        let content = content(&params)?;
        let phone = match params.recipient {
            Peer::Person(PhoneNumber(phone)) => phone,
            Peer::Group(GroupId(_)) => {
                return Err(ErrorKind::NotFound.error("there is no such group"));
            }
        };
        let watch = self.hub.watch();
        let token = Token(getrandom::u64().map_err(ApiError::internal)? >> 1);
        self.handle.command(Command::Send { token, to: UserRef::Phone(phone), content });
        let core = Arc::clone(self);
        let journey =
            Journey { token, phone, wait: params.wait_for, id: None, kept: false, stored: false };
        let deadline = deadline_in(params.timeout_seconds);
        Ok(move || core.follow(&watch, journey, deadline))
    }

    fn follow(
        &self,
        watch: &Watch,
        mut journey: Journey,
        deadline: std::time::Instant,
    ) -> Result<SendResult, ApiError> {
        let arrived = watch.until(deadline, |notice| journey.step(notice).transpose());
        let progress = match arrived {
            Ok(progress) => progress?,
            Err(Vain::Stopped) => return Err(stopping()),
            Err(Vain::TimedOut) if !journey.kept => return Err(self.unanswered(Vain::TimedOut)),
            Err(Vain::TimedOut) => return Err(self.kept_for_later(&journey)),
        };
        Ok(SendResult { entry: journey.token.0, message_id: journey.id.map(|id| id.0), progress })
    }

    fn kept_for_later(&self, journey: &Journey) -> ApiError {
        let error = if journey.stored {
            ErrorKind::KeptForLater.error("the message is stored, but not delivered in time")
        } else {
            let why = self.hub.trouble();
            ErrorKind::KeptForLater.error(format_args!(
                "the server at {} did not acknowledge the message in time{why}; it is kept, and \
                 sent later",
                self.identity.host_port
            ))
        };
        error.with_entry(journey.token.0)
    }
}

/// Progress of a message.
struct Journey {
    token: Token,
    phone: Phone,
    wait: WaitFor,
    /// The message's id, once it is in the outbox.
    id: Option<MessageId>,
    /// Whether the message is durable.
    kept: bool,
    stored: bool,
}

impl Journey {
    #[expect(clippy::wildcard_enum_match_arm, reason = "few of the notices matter here")]
    fn step(&mut self, notice: &Notice) -> Result<Option<Progress>, ApiError> {
        let is_ours = |ids: &[MessageId]| self.id.is_some_and(|id| ids.contains(&id));
        let queued = (self.wait == WaitFor::Queued).then_some(Progress::Queued);
        match notice {
            Notice::Kept { token } if *token == self.token => {
                self.kept = true;
                Ok(queued)
            }
            Notice::Queued { token, id } if *token == self.token => {
                self.kept = true;
                self.id = Some(*id);
                Ok(queued)
            }
            Notice::SendRefused { token, refusal, .. } if *token == self.token => {
                Err(refused(*refusal, self.phone))
            }
            Notice::Stored { ids } if is_ours(ids) => {
                self.stored = true;
                Ok((self.wait != WaitFor::Delivered).then_some(Progress::Stored))
            }
            Notice::Delivered { ids, .. } if is_ours(ids) => Ok(Some(Progress::Delivered)),
            Notice::Failed { ids, failure } if is_ours(ids) => {
                Err(ErrorKind::Refused.error(failure))
            }
            Notice::KeyChanged { phone, .. } if *phone == self.phone && self.kept => {
                Err(refused(SendRefusal::KeyChanged, self.phone))
            }
            _ => Ok(None),
        }
    }
}

/// What is to be sent.
fn content(params: &SendParams) -> Result<Content, ApiError> {
    let content =
        match (&params.message, &params.bytes_hex) {
            (Some(text), None) => Content::Text(text.clone()),
            (None, Some(digits)) => Content::Bytes(hex::decode(digits).map_err(|error| {
                ErrorKind::InvalidParams.error(format_args!("bytesHex: {error}"))
            })?),
            (None, None) | (Some(_), Some(_)) => {
                return Err(ErrorKind::InvalidParams.error("pass either message or bytesHex"));
            }
        };
    if content.as_bytes().is_empty() {
        return Err(ErrorKind::InvalidParams.error("the message is empty"));
    }
    if content.as_bytes().len() > Inner::MAX_CONTENT {
        return Err(ErrorKind::TooLong.error(format_args!(
            "the message is too long: it has {} bytes, and at most {} can be sent",
            content.as_bytes().len(),
            Inner::MAX_CONTENT
        )));
    }
    Ok(content)
}

/// The error for a message that was not accepted for sending.
fn refused(refusal: SendRefusal, to: Phone) -> ApiError {
    match refusal {
        SendRefusal::UnknownUser => unknown_recipient(to),
        SendRefusal::KeyChanged => ErrorKind::KeyChanged.error(format_args!(
            "the key of {to} has changed; compare the safety number with sealpost verify {to}, \
             then add --accept, and send the message again"
        )),
        SendRefusal::NotRegistered => ErrorKind::NotRegistered.error(refusal),
        SendRefusal::OutboxFull => ErrorKind::OutboxFull.error(refusal).with_retry_after(60),
        SendRefusal::TooLong => ErrorKind::TooLong.error(refusal),
        SendRefusal::LookupFailed => ErrorKind::Unavailable.error(refusal),
        SendRefusal::StoreFailed => ErrorKind::Storage.error(refusal),
        SendRefusal::SealFailed => ErrorKind::Internal.error(refusal),
    }
}
