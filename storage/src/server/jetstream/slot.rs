//! Messages that the engine keeps, and writes of new ones.

use async_nats::jetstream::message::StreamMessage;
use async_nats::{HeaderMap, Message, header};
use bytes::Bytes;
use sealpost_core::time::Timestamp;

use super::failure::Failure;

/// A subject, and the stream that keeps its last message.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) stream: String,
    pub(super) subject: String,
}

/// What is stored under a key.
#[derive(Debug)]
pub(super) struct Slot {
    /// Sequence of the last message, even if it is a removal; 0 if there is none. It grows with
    /// every write, so two writes never leave the same one.
    pub(super) revision: u64,
    pub(super) entry: Option<Entry>,
}

/// A message that has not been removed.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) subject: String,
    pub(super) revision: u64,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// One write of a transaction.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) key: Key,
    /// Revision that the write replaces; 0 if nothing may be stored there.
    pub(super) replaces: u64,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A record.
    Record(Vec<u8>),
    /// An item of a mailbox, and when it arrived.
    Item(Bytes, Timestamp),
    /// Nothing any more. An empty message stays for a moment and deletes itself.
    Removed,
}

impl Key {
    /// A write of a record to it.
    pub(super) fn write(&self, replaces: u64, value: Value) -> Write {
        Write { key: self.clone(), replaces, value }
    }
}

impl Entry {
    /// When an item arrived.
    pub(super) fn stored_at(&self) -> Result<Timestamp, Failure> {
        let secs = self.headers.get(STORED_AT).and_then(|secs| secs.as_str().parse().ok());
        secs.map(Timestamp::from_unix_secs).ok_or(Failure::Damaged("time"))
    }
}

impl Write {
    /// Headers of the message at a place in a transaction.
    pub(super) fn headers(&self, batch: &str, place: usize) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_BATCH_ID, batch);
        headers.insert(header::NATS_BATCH_SEQUENCE, place.to_string());
        headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, self.replaces.to_string());
        match &self.value {
            Value::Record(_) => {}
            Value::Item(_, at) => headers.insert(STORED_AT, at.unix_secs().to_string()),
            Value::Removed => headers.insert(header::NATS_MESSAGE_TTL, REMOVAL_TTL),
        }
        headers
    }

    pub(super) fn body(&self) -> Bytes {
        match &self.value {
            Value::Record(record) => record.clone().into(),
            Value::Item(packet, _) => packet.clone(),
            Value::Removed => Bytes::new(),
        }
    }
}

impl From<StreamMessage> for Slot {
    fn from(message: StreamMessage) -> Self {
        let StreamMessage { subject, sequence: revision, headers, payload: body, .. } = message;
        let entry = Entry { subject: subject.to_string(), revision, headers, body };
        Self { revision, entry: Some(entry).filter(|entry| !entry.body.is_empty()) }
    }
}

/// Reads a message of a listing. Removals have no entry.
pub(super) fn listed(message: Message) -> Result<(u64, Option<Entry>), Failure> {
    let headers = message.headers.ok_or(Failure::Damaged("listing"))?;
    let text = |name| headers.get(name).map(|value| value.as_str().to_owned());
    let subject = text(header::NATS_SUBJECT).ok_or(Failure::Damaged("listing"))?;
    let revision = text(header::NATS_SEQUENCE).and_then(|sequence| sequence.parse().ok());
    let revision = revision.ok_or(Failure::Damaged("listing"))?;
    let entry = Entry { subject, revision, headers, body: message.payload };
    Ok((revision, Some(entry).filter(|entry| !entry.body.is_empty())))
}

/// Header with the time of arrival of an item, in seconds since 1970.
const STORED_AT: &str = "Sealpost-Stored-At";
/// How long a removal is kept. Nothing relies on it: every transaction that writes an item also
/// replaces the record of the mailbox, whose revision is never used twice. It must not be zero.
const REMOVAL_TTL: &str = "1s";
