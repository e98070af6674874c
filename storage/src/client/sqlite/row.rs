//! Rows of a client's database as values.

use bytes::Bytes;
use rusqlite::Row;
use sealpost_core::client::store::{
    Arrival, Binding, Contact, Content, Continuity, Draft, DraftId, Failure, InboxId, InboxItem,
    IncomingMessage, QueuedMessage, ReceivedContent, Status, Token, Trust, Verification,
};
use sealpost_core::event::EncodedEvent;
use sealpost_core::ids::{MessageId, UserRef};
use sealpost_core::keys::Fingerprint;
use sealpost_core::wire::{Packet, Profile, RequestHash};

use crate::client::history::{Place, SentMessage};
use crate::engine::column::{Unreadable, id, optional, phone, public_key, timestamp, user_id};

/// Columns that [`contact`] reads, in its order.
pub(super) const CONTACT_COLUMNS: &str = "phone_number, user_id, public_key, verified, offered_user_id, offered_public_key, last_sent, \
     (SELECT min(sent_at) FROM outbox WHERE recipient_id = contacts.user_id AND status = 1)";

pub(super) fn contact(row: &Row<'_>) -> rusqlite::Result<Contact> {
    let verification = if row.get(3)? { Verification::Verified } else { Verification::FirstUse };
    let offered = match optional(row, 4, user_id)? {
        None => None,
        Some(user) => Some(Binding { user, public_key: public_key(row, 5)? }),
    };
    Ok(Contact {
        phone: phone(row, 0)?,
        pinned: Binding { user: user_id(row, 1)?, public_key: public_key(row, 2)? },
        verification,
        offered,
        last_sent: optional(row, 6, message_id)?,
        unanswered_since: optional(row, 7, timestamp)?,
    })
}

/// Columns that [`queued`] reads, in its order.
pub(super) const QUEUED_COLUMNS: &str = "message_id, recipient_id, packet";

pub(super) fn queued(profile: Profile, row: &Row<'_>) -> rusqlite::Result<QueuedMessage> {
    let packet = row.get_ref(2)?.as_blob().map_err(|_| Unreadable("packet"))?;
    let packet = Packet::parse(profile, Bytes::copy_from_slice(packet));
    Ok(QueuedMessage {
        id: message_id(row, 0)?,
        recipient: user_id(row, 1)?,
        packet: packet.ok_or(Unreadable("packet"))?,
    })
}

/// Columns that [`draft`] reads, in its order.
pub(super) const DRAFT_COLUMNS: &str =
    "draft_id, token, phone_number, user_id, kind, content, recipient_key";

pub(super) fn draft(row: &Row<'_>) -> rusqlite::Result<Draft> {
    let ReceivedContent::Opened(content) = content(row, 4)? else {
        return Err(Unreadable("content").into());
    };
    let to = match optional(row, 3, user_id)? {
        Some(user) => UserRef::Id(user),
        None => UserRef::Phone(phone(row, 2)?),
    };
    let key = row.get::<_, Option<[u8; 32]>>(6)?.map(Fingerprint);
    Ok(Draft { id: DraftId(id(row, 0)?), token: token(row, 1)?, to, key, content })
}

/// Columns that [`sent`] reads, in its order.
pub(super) const SENT_COLUMNS: &str =
    "place, message_id, recipient_id, phone_number, sent_at, status, kind, content, token";

pub(super) fn sent(row: &Row<'_>) -> rusqlite::Result<SentMessage> {
    let ReceivedContent::Opened(content) = content(row, 6)? else {
        return Err(Unreadable("content").into());
    };
    Ok(SentMessage {
        place: Place(id(row, 0)?),
        id: message_id(row, 1)?,
        token: token(row, 8)?,
        recipient: user_id(row, 2)?,
        phone: phone(row, 3)?,
        sent_at: timestamp(row, 4)?,
        status: status(row.get(5)?)?,
        content,
    })
}

/// Columns that [`received`] reads, in its order.
pub(super) const RECEIVED_COLUMNS: &str = "place, sender_id, phone_number, message_id, \
     previous_id, sent_at, received_at, trust, continuity, kind, content, arrival, packet_hash, signed_by";

pub(super) fn received(row: &Row<'_>) -> rusqlite::Result<InboxItem> {
    Ok(InboxItem {
        place: InboxId(id(row, 0)?),
        message: IncomingMessage {
            sender: user_id(row, 1)?,
            phone: phone(row, 2)?,
            signed_by: Fingerprint(row.get(13)?),
            id: message_id(row, 3)?,
            packet_hash: RequestHash(row.get(12)?),
            previous: optional(row, 4, message_id)?,
            sent_at: timestamp(row, 5)?,
            received_at: timestamp(row, 6)?,
            trust: trust(row.get(7)?)?,
            content: content(row, 9)?,
        },
        continuity: continuity(row.get(8)?)?,
        arrival: arrival(row.get(11)?)?,
    })
}

pub(super) fn message_id(row: &Row<'_>, column: usize) -> rusqlite::Result<MessageId> {
    Ok(MessageId(id(row, column)?))
}

pub(super) fn token(row: &Row<'_>, column: usize) -> rusqlite::Result<Token> {
    Ok(Token(id(row, column)?))
}

/// Encodes the content of a sent message for columns `kind` and `content`.
pub(super) fn content_columns(content: &Content) -> (i64, &[u8]) {
    match content {
        Content::Text(text) => (0, text.as_bytes()),
        Content::Bytes(bytes) => (1, bytes.as_slice()),
        Content::Event(event) => (3, event.as_bytes()),
    }
}

/// Encodes the content of a received message for columns `kind` and `content`.
pub(super) fn received_columns(content: &ReceivedContent) -> (i64, &[u8]) {
    match content {
        ReceivedContent::Opened(content) => content_columns(content),
        ReceivedContent::Undecryptable => (2, &[]),
    }
}

pub(super) fn content(row: &Row<'_>, kind: usize) -> rusqlite::Result<ReceivedContent> {
    let bytes: Vec<u8> = row.get(kind + 1)?;
    Ok(match row.get(kind)? {
        0 => {
            let text = String::from_utf8(bytes).map_err(|_| Unreadable("text"))?;
            ReceivedContent::Opened(Content::Text(text))
        }
        1 => ReceivedContent::Opened(Content::Bytes(bytes)),
        2 => ReceivedContent::Undecryptable,
        3 => {
            let event = EncodedEvent::parse(bytes.into()).map_err(|_| Unreadable("event"))?;
            ReceivedContent::Opened(Content::Event(event))
        }
        4.. | ..0 => return Err(Unreadable("content").into()),
    })
}

pub(super) const fn status_code(status: Status) -> i64 {
    match status {
        Status::Queued => QUEUED,
        Status::Stored => 1,
        Status::Delivered => 2,
        Status::Failed(Failure::UnknownUser) => 3,
        Status::Failed(Failure::Refused) => 4,
        Status::Failed(Failure::Expired) => 5,
        Status::Failed(Failure::KeyReplaced) => 6,
    }
}

pub(super) const fn status(code: i64) -> Result<Status, Unreadable> {
    Ok(match code {
        QUEUED => Status::Queued,
        1 => Status::Stored,
        2 => Status::Delivered,
        3 => Status::Failed(Failure::UnknownUser),
        4 => Status::Failed(Failure::Refused),
        5 => Status::Failed(Failure::Expired),
        6 => Status::Failed(Failure::KeyReplaced),
        _ => return Err(Unreadable("status")),
    })
}

/// The only status code that appears in SQL text too.
const QUEUED: i64 = 0;

pub(super) const fn trust_code(trust: Trust) -> i64 {
    match trust {
        Trust::FirstUse => 0,
        Trust::Verified => 1,
        Trust::Changed => 2,
    }
}

pub(super) const fn trust(code: i64) -> Result<Trust, Unreadable> {
    match code {
        0 => Ok(Trust::FirstUse),
        1 => Ok(Trust::Verified),
        2 => Ok(Trust::Changed),
        _ => Err(Unreadable("trust")),
    }
}

pub(super) const fn continuity_code(continuity: Continuity) -> i64 {
    match continuity {
        Continuity::Next => 0,
        Continuity::AfterGap => 1,
    }
}

pub(super) const fn continuity(code: i64) -> Result<Continuity, Unreadable> {
    match code {
        0 => Ok(Continuity::Next),
        1 => Ok(Continuity::AfterGap),
        _ => Err(Unreadable("continuity")),
    }
}

pub(super) const fn arrival_code(arrival: Arrival) -> i64 {
    match arrival {
        Arrival::InOrder => 0,
        Arrival::Late => 1,
        Arrival::FillsGap => 2,
        Arrival::ReusedId => 3,
    }
}

pub(super) const fn arrival(code: i64) -> Result<Arrival, Unreadable> {
    match code {
        0 => Ok(Arrival::InOrder),
        1 => Ok(Arrival::Late),
        2 => Ok(Arrival::FillsGap),
        3 => Ok(Arrival::ReusedId),
        _ => Err(Unreadable("arrival")),
    }
}
