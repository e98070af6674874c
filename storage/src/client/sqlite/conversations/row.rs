//! Rows of the tables of conversations as values.

use bytes::Bytes;
use rusqlite::Row;
use sealpost_core::client::SendRefusal;
use sealpost_core::client::store::{InboxId, Status};
use sealpost_core::event::{EncodedEvent, EventId, GroupId, Target};
use sealpost_core::keys::Fingerprint;
use sealpost_core::time::Timestamp;

use crate::client::conversations::{
    Author, Body, Conversation, ConversationId, Copy, CopyFailure, Entry, EntryId, EntryRef, Mute,
    Originals, Peer, Progress, ReadMarks, Visibility, Written,
};
use crate::client::sqlite::row as machine;
use crate::engine::column::{Unreadable, id, optional, phone, timestamp};

/// Columns that [`entry`] reads, in its order.
pub(super) const ENTRY_COLUMNS: &str = "entry, conversation, place, author, phone_number, \
     event_id, message_id, sent_at, received_at, kind, text, data, reply_own, reply_author, \
     reply_event, reply_message, edited_at, deleted_at, trust, arrival, continuity, expiry_secs, \
     expires_at, written, repeats";

/// Reads an entry without its reactions and copies.
pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let author = author(row, 3)?;
    let (body, event) = body(row)?;
    let reply_to = match row.get::<_, Option<bool>>(12)? {
        None => None,
        Some(true) => reference(row, Author::Own, 14)?,
        Some(false) => reference(row, Author::Peer(Fingerprint(row.get(13)?)), 14)?,
    };
    Ok(Entry {
        id: EntryId(id(row, 0)?),
        conversation: ConversationId(id(row, 1)?),
        author,
        phone: optional(row, 4, phone)?,
        name: reference(row, author, 5)?,
        place: optional(row, 2, id)?.map(InboxId),
        sent_at: timestamp(row, 7)?,
        received_at: optional(row, 8, timestamp)?,
        body,
        event,
        reply_to,
        edited_at: optional(row, 16, timestamp)?,
        deleted_at: optional(row, 17, timestamp)?,
        trust: row.get::<_, Option<i64>>(18)?.map(machine::trust).transpose()?,
        arrival: row.get::<_, Option<i64>>(19)?.map(machine::arrival).transpose()?,
        continuity: machine::continuity(row.get(20)?)?,
        expiry_secs: row.get(21)?,
        expires_at: optional(row, 22, timestamp)?,
        written: written(row.get(23)?)?,
        repeats: row.get(24)?,
        reactions: Vec::new(),
        copies: Vec::new(),
    })
}

const fn written(code: i64) -> Result<Written, Unreadable> {
    Ok(match code {
        0 => Written::Current,
        1 => Written::Older,
        2 => Written::BeforeRemoval,
        3 => Written::OtherState,
        4.. | ..0 => return Err(Unreadable("state of the group")),
    })
}

/// The column `written`.
pub(super) const fn written_code(written: Written) -> i64 {
    match written {
        Written::Current => 0,
        Written::Older => 1,
        Written::BeforeRemoval => 2,
        Written::OtherState => 3,
    }
}

/// Reads an author, whose column is NULL for our own entries.
fn author(row: &Row<'_>, column: usize) -> rusqlite::Result<Author> {
    let key: Option<[u8; 32]> = row.get(column)?;
    Ok(key.map_or(Author::Own, |key| Author::Peer(Fingerprint(key))))
}

/// Reads an author of a reaction, whose column is empty for our own.
pub(super) fn reactor(row: &Row<'_>, column: usize) -> rusqlite::Result<Author> {
    let key: Vec<u8> = row.get(column)?;
    if key.is_empty() {
        return Ok(Author::Own);
    }
    let key = key.try_into().map_err(|_| Unreadable("author"))?;
    Ok(Author::Peer(Fingerprint(key)))
}

/// The key of an author in the column of reactions.
pub(super) fn reactor_key(author: &Author) -> &[u8] {
    match author {
        Author::Own => &[],
        Author::Peer(key) => &key.0,
    }
}

/// The key of an author in the timeline; `None` for our own.
pub(super) const fn author_key(author: &Author) -> Option<[u8; 32]> {
    match author {
        Author::Own => None,
        Author::Peer(key) => Some(key.0),
    }
}

/// Reads the columns of an event id and, behind it, a message id. `None` if both are NULL.
fn reference(row: &Row<'_>, author: Author, column: usize) -> rusqlite::Result<Option<EntryRef>> {
    let event: Option<[u8; 16]> = row.get(column)?;
    let target = match event {
        Some(event) => Some(Target::Event(EventId(event))),
        None => optional(row, column + 1, machine::message_id)?.map(Target::Message),
    };
    Ok(target.map(|target| EntryRef { author, target }))
}

/// The columns of an event id and a message id.
pub(super) const fn target_columns(target: &Target) -> (Option<[u8; 16]>, Option<i64>) {
    match target {
        Target::Event(id) => (Some(id.0), None),
        Target::Message(id) => (None, Some(id.0.cast_signed())),
    }
}

fn body(row: &Row<'_>) -> rusqlite::Result<(Body, Option<EncodedEvent>)> {
    let text = || row.get::<_, Option<String>>(10).map(Option::unwrap_or_default);
    let body = match row.get(9)? {
        TEXT => Body::Text(text()?),
        BYTES => {
            let bytes = row.get::<_, Option<Vec<u8>>>(11)?;
            return Ok((Body::Bytes(bytes.unwrap_or_default()), None));
        }
        UNDECRYPTABLE => Body::Undecryptable,
        FILE => Body::File(text()?),
        NOTICE => Body::Notice(text()?),
        INVITATION => Body::Invitation(text()?),
        NEEDS_NEWER_VERSION => Body::NeedsNewerVersion,
        DELETED => Body::Deleted,
        EXPIRED => Body::Expired,
        _ => return Err(Unreadable("entry").into()),
    };
    let event: Option<Vec<u8>> = row.get(11)?;
    let event = event.map(|bytes| EncodedEvent::parse(Bytes::from(bytes))).transpose();
    Ok((body, event.map_err(|_| Unreadable("event"))?))
}

/// The columns `kind`, `text` and `data` of an entry.
pub(super) fn body_columns<'a>(
    body: &'a Body,
    event: Option<&'a EncodedEvent>,
) -> (i64, Option<&'a str>, Option<&'a [u8]>) {
    let data = event.map(EncodedEvent::as_bytes);
    match body {
        Body::Text(text) => (TEXT, Some(text), data),
        Body::Bytes(bytes) => (BYTES, None, Some(bytes)),
        Body::Undecryptable => (UNDECRYPTABLE, None, data),
        Body::File(text) => (FILE, Some(text), data),
        Body::Notice(text) => (NOTICE, Some(text), data),
        Body::Invitation(text) => (INVITATION, Some(text), data),
        Body::NeedsNewerVersion => (NEEDS_NEWER_VERSION, None, data),
        Body::Deleted => (DELETED, None, None),
        Body::Expired => (EXPIRED, None, None),
    }
}

/// Columns that [`conversation`] reads, in its order.
pub(super) const CONVERSATION_COLUMNS: &str = "conversation, phone_number, group_id, name, blocked, \
     muted_until, expiry_secs, keeps_originals, read_marks, draft, read_up_to, unread, last_entry, \
     accepted_files";

/// Reads a conversation without its last entry, whose id is beside it.
pub(super) fn conversation(row: &Row<'_>) -> rusqlite::Result<(Conversation, i64)> {
    let peer = match row.get::<_, Option<[u8; 16]>>(2)? {
        Some(group) => Peer::Group(GroupId(group)),
        None => Peer::Person(phone(row, 1)?),
    };
    let conversation = Conversation {
        id: ConversationId(id(row, 0)?),
        peer,
        name: row.get(3)?,
        visibility: if row.get(4)? { Visibility::Blocked } else { Visibility::Shown },
        mute: match row.get::<_, Option<i64>>(5)? {
            None => Mute::Off,
            Some(ALWAYS) => Mute::Always,
            Some(_) => Mute::Until(timestamp(row, 5)?),
        },
        expiry_secs: row.get(6)?,
        originals: if row.get(7)? { Originals::Kept } else { Originals::Forgotten },
        read_marks: if row.get(8)? { ReadMarks::Exchanged } else { ReadMarks::Withheld },
        accepted_files: id(row, 13)?,
        draft: row.get(9)?,
        read_up_to: Some(id(row, 10)?).filter(|entry| *entry > 0).map(EntryId),
        unread: id(row, 11)?,
        last: None,
    };
    Ok((conversation, row.get(12)?))
}

/// The column `muted_until`.
pub(super) const fn mute_column(mute: Mute) -> Option<i64> {
    match mute {
        Mute::Off => None,
        Mute::Until(at) => Some(Timestamp::unix_secs(at)),
        Mute::Always => Some(ALWAYS),
    }
}

/// Columns that [`copy`] reads, in its order, of `copies` and what `outbox` has for it.
pub(super) const COPY_COLUMNS: &str = "copies.token, copies.phone_number, outbox.message_id, \
     outbox.status, copies.refused, copies.read_at, copies.recipient_key";

pub(super) fn copy(row: &Row<'_>) -> rusqlite::Result<Copy> {
    let read_at = optional(row, 5, timestamp)?;
    let status = row.get::<_, Option<i64>>(3)?.map(machine::status).transpose()?;
    let refused = row.get::<_, Option<i64>>(4)?.map(copy_failure).transpose()?;
    let progress = match (status, refused) {
        (Some(Status::Failed(_)), Some(CopyFailure::Cancelled)) => {
            Progress::Failed(CopyFailure::Cancelled)
        }
        (Some(Status::Failed(failure)), _) => Progress::Failed(CopyFailure::GivenUp(failure)),
        (Some(Status::Queued | Status::Stored | Status::Delivered), _) if read_at.is_some() => {
            Progress::Read
        }
        (Some(Status::Delivered), _) => Progress::Delivered,
        (Some(Status::Stored), _) => Progress::Stored,
        (None, Some(failure)) => Progress::Failed(failure),
        (Some(Status::Queued), _) | (None, None) => Progress::Queued,
    };
    Ok(Copy {
        token: machine::token(row, 0)?,
        phone: phone(row, 1)?,
        key: row.get::<_, Option<[u8; 32]>>(6)?.map(Fingerprint),
        message: optional(row, 2, machine::message_id)?,
        progress,
        read_at,
    })
}

/// The column `refused`.
pub(super) const fn refused_column(refusal: SendRefusal) -> i64 {
    match refusal {
        SendRefusal::NotRegistered => 1,
        SendRefusal::OutboxFull => 2,
        SendRefusal::TooLong => 3,
        SendRefusal::UnknownUser => 4,
        SendRefusal::KeyChanged => 5,
        SendRefusal::LookupFailed => 6,
        SendRefusal::StoreFailed => 7,
        SendRefusal::SealFailed => 8,
        SendRefusal::OtherKey => 9,
        SendRefusal::Cancelled => CANCELLED,
    }
}

const fn copy_failure(code: i64) -> Result<CopyFailure, Unreadable> {
    Ok(CopyFailure::Refused(match code {
        CANCELLED => return Ok(CopyFailure::Cancelled),
        1 => SendRefusal::NotRegistered,
        2 => SendRefusal::OutboxFull,
        3 => SendRefusal::TooLong,
        4 => SendRefusal::UnknownUser,
        5 => SendRefusal::KeyChanged,
        6 => SendRefusal::LookupFailed,
        7 => SendRefusal::StoreFailed,
        8 => SendRefusal::SealFailed,
        9 => SendRefusal::OtherKey,
        _ => return Err(Unreadable("refusal")),
    }))
}

/// Kinds of entries. The first three are those of the inbox; SQL text knows 4 too.
pub(super) const TEXT: i64 = 0;
const BYTES: i64 = 1;
const UNDECRYPTABLE: i64 = 2;
pub(super) const FILE: i64 = 3;
const NOTICE: i64 = 4;
const NEEDS_NEWER_VERSION: i64 = 5;
pub(super) const DELETED: i64 = 6;
pub(super) const EXPIRED: i64 = 7;
const INVITATION: i64 = 8;

/// What copies carry: the entry itself, or a change of it.
pub(super) const ENTRY: i64 = 0;
pub(super) const CHANGE: i64 = 1;

/// Mark of a copy that was withdrawn, among the reasons of the machine.
pub(super) const CANCELLED: i64 = 0;

const ALWAYS: i64 = i64::MAX;
