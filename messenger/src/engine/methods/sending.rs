//! Sending.

use std::sync::Arc;

use sealpost_core::client::store::Content;
use sealpost_core::client::{Command, Token};
use sealpost_core::event::{self, EncodedEvent, Event};
use sealpost_core::ids::{Phone, UserRef};
use sealpost_core::wire::Inner;
use sealpost_storage::client::conversations::{
    Body, EntryId, EntryRef, Idempotency, Made, NewCopy, NewEntry, Peer,
};
use sha2::{Digest, Sha256};

use super::journey::Journey;
use crate::api::{ApiError, ErrorKind, SendParams, SendResult};
use crate::engine::core::Core;
use crate::engine::hub::deadline_in;
use crate::engine::{changes, clock, entries};

/// Waits for what a sender wants to know.
pub(in crate::engine) type Sent = Box<dyn FnOnce() -> Result<SendResult, ApiError> + Send>;

impl Core {
    /// Sends a message to a person or to a group.
    pub(in crate::engine) fn send(self: &Arc<Self>, params: &SendParams) -> Result<Sent, ApiError> {
        Ok(match entries::kept_peer(&params.recipient) {
            Peer::Person(phone) => Box::new(self.send_to_person(phone, params)?),
            Peer::Group(group) => Box::new(self.send_to_group(group, params)?),
        })
    }

    /// Sends a message to a person.
    fn send_to_person(
        self: &Arc<Self>,
        phone: Phone,
        params: &SendParams,
    ) -> Result<impl FnOnce() -> Result<SendResult, ApiError> + use<>, ApiError> {
        let deadline = deadline_in(params.timeout_seconds);
        let idempotency = idempotency(params)?;
        let peer = Peer::Person(phone);
        let (new, content) = self.message(&peer, params)?;
        let token = token()?;
        let copy = NewCopy { token, phone, key: None, content: content.clone() };
        // Before the machine can answer.
        let watch = self.hub.watch();
        let at = clock::now().0;
        let made = self
            .write(move |store| store.append(&peer, (&new, at), &[copy], idempotency.as_ref()))?;
        let journey = match made {
            Made::New(entry) => {
                let to = UserRef::Phone(phone);
                self.handle.command(Command::Send { token, to, content });
                self.show_entry(entry);
                Journey::begins(entry, token, phone, params.wait_for)
            }
            Made::Before(entry) => self.journey_of(entry, phone, params.wait_for)?,
            Made::OtherRequest => {
                return Err(reused());
            }
        };
        let core = Arc::clone(self);
        Ok(move || core.follow(&watch, journey, deadline))
    }

    /// The entry and the content of a message. It is an event only if a plain message can't say it.
    fn message(&self, peer: &Peer, params: &SendParams) -> Result<(NewEntry, Content), ApiError> {
        let content = content(params)?;
        let reply_to = params.reply_to.map(|entry| self.name_in(peer, entry)).transpose()?;
        let owned = *peer;
        let found = self.read(|store| store.conversation(&owned))?;
        let expiry_secs = found.and_then(|found| found.expiry_secs);
        let plain = |body| NewEntry {
            body,
            event_id: None,
            event: None,
            reply_to: None,
            expiry_secs: None,
        };
        let text = match content {
            Content::Text(text)
                if reply_to.is_none() && expiry_secs.is_none() && params.mentions.is_empty() =>
            {
                return Ok((plain(Body::Text(text.clone())), Content::Text(text)));
            }
            Content::Text(text) => text,
            Content::Bytes(_) if reply_to.is_some() || !params.mentions.is_empty() => {
                return Err(ErrorKind::InvalidParams
                    .error("only a text can be an answer or mention people"));
            }
            Content::Bytes(bytes) => {
                return Ok((plain(Body::Bytes(bytes.clone())), Content::Bytes(bytes)));
            }
            Content::Event(_) => return Err(ApiError::internal("an event was made of nothing")),
        };
        let own = self.public_key.fingerprint();
        let body = event::Body::Text {
            text: self.annotated(&text, &params.mentions)?,
            reply_to: reply_to.map(|name| changes::reference(&name, own)),
        };
        let encoded = new_event(body, expiry_secs)?;
        let new = NewEntry {
            body: Body::Text(text),
            event_id: event_id(&encoded),
            event: Some(encoded.clone()),
            reply_to,
            expiry_secs,
        };
        Ok((new, Content::Event(encoded)))
    }

    /// How others name an entry of a conversation.
    pub(in crate::engine) fn name_in(&self, peer: &Peer, entry: u64) -> Result<EntryRef, ApiError> {
        let owned = *peer;
        let (found, conversation) =
            self.read(|store| Ok((store.entry(EntryId(entry))?, store.conversation(&owned)?)))?;
        let found = found.filter(|found| {
            conversation.as_ref().is_some_and(|conversation| conversation.id == found.conversation)
        });
        found.ok_or_else(|| no_entry(entry))?.name.ok_or_else(|| unsent(entry))
    }
}

/// A new event of ours.
pub(in crate::engine) fn new_event(
    body: event::Body,
    expiry_secs: Option<u32>,
) -> Result<EncodedEvent, ApiError> {
    let id = random_event_id()?;
    let expiry = expiry_secs
        .map(|secs| event::ExpirySecs::new(u64::from(secs)))
        .transpose()
        .map_err(ApiError::internal)?;
    Ok(EncodedEvent::new(Event { id, group: None, expiry, body }))
}

/// An id for an event of ours.
pub(in crate::engine) fn random_event_id() -> Result<event::EventId, ApiError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(ApiError::internal)?;
    Ok(event::EventId(id))
}

/// A name for a message that no other has.
pub(in crate::engine) fn token() -> Result<Token, ApiError> {
    // The highest bit is for messages of earlier versions.
    Ok(Token(getrandom::u64().map_err(ApiError::internal)? >> 1))
}

/// Id of an event of ours.
pub(in crate::engine) fn event_id(encoded: &EncodedEvent) -> Option<event::EventId> {
    encoded.event().ok().map(|event| event.id)
}

/// The text of an event.
pub(in crate::engine) fn message_text(text: &str) -> Result<event::MessageText, ApiError> {
    event::MessageText::new(text)
        .map_err(|error| ErrorKind::TooLong.error(format_args!("the message is too long: {error}")))
}

/// There is no such entry.
pub(in crate::engine) fn no_entry(entry: u64) -> ApiError {
    ErrorKind::NotFound.error(format_args!("there is no entry {entry}"))
}

/// Others can't know an entry yet.
pub(in crate::engine) fn unsent(entry: u64) -> ApiError {
    ErrorKind::NotAllowed.error(format_args!("entry {entry} is not sent yet: try again later"))
}

/// The caller's name for a request.
pub(in crate::engine) fn idempotency(params: &SendParams) -> Result<Option<Idempotency>, ApiError> {
    let Some(key) = idempotency_key(params.idempotency_key.as_deref())? else { return Ok(None) };
    // What is sent to whom. How long the caller waits makes no other request of it.
    let SendParams { recipient, message, bytes_hex, mentions, reply_to, .. } = params;
    let request = serde_json::to_vec(&(recipient, message, bytes_hex, mentions, reply_to));
    let request_hash = Sha256::digest(request.map_err(ApiError::internal)?).into();
    Ok(Some(Idempotency { key, request_hash }))
}

/// A caller's name for its request.
pub(in crate::engine) fn idempotency_key(key: Option<&str>) -> Result<Option<String>, ApiError> {
    let Some(key) = key else { return Ok(None) };
    if !(1..=KEY_MAX).contains(&key.len()) {
        return Err(ErrorKind::InvalidParams
            .error(format_args!("an idempotencyKey has 1 to {KEY_MAX} bytes")));
    }
    Ok(Some(key.to_owned()))
}

/// The name belongs to another request.
pub(in crate::engine) fn reused() -> ApiError {
    ErrorKind::KeyReused.error(
        "another request was made with this idempotencyKey: choose a new key for each message",
    )
}

/// The text that is to be sent to a group.
pub(in crate::engine) fn text_of(params: &SendParams) -> Result<String, ApiError> {
    match content(params)? {
        Content::Text(text) => Ok(text),
        Content::Bytes(_) | Content::Event(_) => {
            Err(ErrorKind::InvalidParams.error("a group takes texts only: pass message"))
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

/// Longest idempotency key in bytes.
const KEY_MAX: usize = 64;
