//! Which fields each type of event has, and their numbers (the tables of PROTOCOL 5.4).

use alloc::vec::Vec;

use super::cbor::{Fields, MapWriter};
use super::{
    AnnotatedText, Body, Emoji, Event, ExpirySecs, FileAnswer, FileOffer, FilePiece, GroupRequest,
    LimitedText, LimitedUint, NotAnEvent, Reference, UnknownEvent,
};

/// Reads the map of an event.
pub(super) fn read(fields: &Fields<'_>) -> Result<Result<Event, UnknownEvent>, NotAnEvent> {
    let kind = fields.required(KIND)?;
    let (id, group) = (fields.required(ID)?, fields.optional(GROUP)?);
    let expiry = fields.optional(EXPIRY)?;
    Ok(match read_body(kind, fields)? {
        Some(body) => Ok(Event { id, group, expiry, body }),
        None => Err(UnknownEvent { id, group, expiry, kind }),
    })
}

/// Returns the map of an event.
pub(super) fn write(event: &Event) -> Vec<u8> {
    let mut fields = MapWriter::default();
    fields.put(KIND, &kind(&event.body));
    fields.put(ID, &event.id);
    fields.put_some(GROUP, event.group.as_ref());
    fields.put_some(EXPIRY, event.expiry.as_ref());
    write_body(&event.body, &mut fields);
    fields.finish()
}

/// Reads the fields of one type. `None` if the type, or a code in it, is not known.
fn read_body(kind: u64, fields: &Fields<'_>) -> Result<Option<Body>, NotAnEvent> {
    Ok(Some(match kind {
        TEXT => Body::Text { text: read_text(fields)?, reply_to: fields.optional(REFERENCE)? },
        EDIT => Body::Edit { target: fields.required(REFERENCE)?, text: read_text(fields)? },
        DELETE => Body::Delete { target: fields.required(REFERENCE)? },
        REACTION => {
            Body::Reaction { target: fields.required(REFERENCE)?, emoji: read_emoji(fields)? }
        }
        READ => Body::Read { entries: fields.required(REFERENCES)? },
        CONVERSATION_EXPIRY => Body::Expiry { expiry: read_seconds(fields)? },
        FILE_OFFER => Body::FileOffer(FileOffer {
            file: fields.required(FILE)?,
            name: fields.required(NAME)?,
            media_type: fields.required(MEDIA_TYPE)?,
            size: fields.required(SIZE)?,
            sha256: fields.required(SHA256)?,
            piece_len: fields.required(PIECE_LEN)?,
            caption: fields.required(TEXT_FIELD)?,
        }),
        FILE_PIECE => Body::FilePiece(FilePiece {
            file: fields.required(FILE)?,
            index: fields.required(INDEX)?,
            data: fields.required(DATA)?,
        }),
        FILE_ANSWER => {
            let file = fields.required(FILE)?;
            let answer = match fields.required(CODE)? {
                ACCEPTED => FileAnswer::Accepted { next: fields.required(INDEX)? },
                RECEIVED => FileAnswer::Received,
                REFUSED => FileAnswer::Refused,
                CANCELLED => FileAnswer::Cancelled,
                PROGRESS => FileAnswer::Progress { next: fields.required(INDEX)? },
                _ => return Ok(None),
            };
            Body::FileAnswer { file, answer }
        }
        GROUP_STATE => Body::GroupState(fields.required(DATA)?),
        GROUP_REQUEST => {
            let group = fields.required(GROUP_ID)?;
            let Some(request) = GroupRequest::from_code(fields.required(CODE)?) else {
                return Ok(None);
            };
            Body::GroupRequest { group, request }
        }
        _ => return Ok(None),
    }))
}

/// Writes the fields of one type, in the order of their numbers.
fn write_body(body: &Body, fields: &mut MapWriter) {
    match body {
        Body::Text { text, reply_to } => write_text(text, reply_to.as_ref(), fields),
        Body::Edit { target, text } => write_text(text, Some(target), fields),
        Body::Delete { target } => fields.put(REFERENCE, target),
        Body::Reaction { target, emoji } => {
            match emoji {
                Some(emoji) => fields.put(TEXT_FIELD, emoji),
                None => fields.put(TEXT_FIELD, &TakenBack::default()),
            }
            fields.put(REFERENCE, target);
        }
        Body::Read { entries } => fields.put(REFERENCES, entries),
        Body::Expiry { expiry } => fields.put(SECONDS, &expiry.map_or(0, LimitedUint::value)),
        Body::FileOffer(offer) => {
            fields.put(TEXT_FIELD, &offer.caption);
            fields.put(FILE, &offer.file);
            fields.put(NAME, &offer.name);
            fields.put(MEDIA_TYPE, &offer.media_type);
            fields.put(SIZE, &offer.size);
            fields.put(SHA256, &offer.sha256);
            fields.put(PIECE_LEN, &offer.piece_len);
        }
        Body::FilePiece(piece) => {
            fields.put(FILE, &piece.file);
            fields.put(INDEX, &piece.index);
            fields.put(DATA, &piece.data);
        }
        Body::FileAnswer { file, answer } => {
            let (code, next) = match answer {
                FileAnswer::Accepted { next } => (ACCEPTED, Some(next)),
                FileAnswer::Received => (RECEIVED, None),
                FileAnswer::Refused => (REFUSED, None),
                FileAnswer::Cancelled => (CANCELLED, None),
                FileAnswer::Progress { next } => (PROGRESS, Some(next)),
            };
            fields.put(FILE, file);
            fields.put_some(INDEX, next);
            fields.put(CODE, &code);
        }
        Body::GroupState(state) => fields.put(DATA, state),
        Body::GroupRequest { group, request } => {
            fields.put(CODE, &request.code());
            fields.put(GROUP_ID, group);
        }
    }
}

/// The number of a body's type.
const fn kind(body: &Body) -> u64 {
    match body {
        Body::Text { .. } => TEXT,
        Body::Edit { .. } => EDIT,
        Body::Delete { .. } => DELETE,
        Body::Reaction { .. } => REACTION,
        Body::Read { .. } => READ,
        Body::Expiry { .. } => CONVERSATION_EXPIRY,
        Body::FileOffer(_) => FILE_OFFER,
        Body::FilePiece(_) => FILE_PIECE,
        Body::FileAnswer { .. } => FILE_ANSWER,
        Body::GroupState(_) => GROUP_STATE,
        Body::GroupRequest { .. } => GROUP_REQUEST,
    }
}

fn read_text(fields: &Fields<'_>) -> Result<AnnotatedText, NotAnEvent> {
    let (text, mentions) = (fields.required(TEXT_FIELD)?, fields.optional(MENTIONS)?);
    AnnotatedText::new(text, mentions).map_err(|_| NotAnEvent)
}

fn write_text(text: &AnnotatedText, reference: Option<&Reference>, fields: &mut MapWriter) {
    fields.put(TEXT_FIELD, text.text_field());
    fields.put_some(REFERENCE, reference);
    fields.put_some(MENTIONS, text.mentions_field());
}

/// Reads a reaction, which is empty where it was taken back.
fn read_emoji(fields: &Fields<'_>) -> Result<Option<Emoji>, NotAnEvent> {
    let is_taken_back = fields.optional::<TakenBack>(TEXT_FIELD).is_ok_and(|text| text.is_some());
    if is_taken_back { Ok(None) } else { fields.required(TEXT_FIELD).map(Some) }
}

/// Reads the seconds of an expiry, where 0 means none.
fn read_seconds(fields: &Fields<'_>) -> Result<Option<ExpirySecs>, NotAnEvent> {
    match fields.required(SECONDS)? {
        0 => Ok(None),
        seconds => Ok(Some(ExpirySecs::new(seconds)?)),
    }
}

/// Text of a reaction that was taken back: none.
type TakenBack = LimitedText<0, 0>;

// Fields of every type. Numbers up to 7 are kept for such fields.
const KIND: u64 = 0;
const ID: u64 = 1;
const GROUP: u64 = 2;
const EXPIRY: u64 = 3;

// Fields of some types. A number means the same in each of them.
const TEXT_FIELD: u64 = 8;
const REFERENCE: u64 = 9;
const MENTIONS: u64 = 10;
const REFERENCES: u64 = 11;
const SECONDS: u64 = 12;
const FILE: u64 = 13;
const NAME: u64 = 14;
const MEDIA_TYPE: u64 = 15;
const SIZE: u64 = 16;
const SHA256: u64 = 17;
const PIECE_LEN: u64 = 18;
const INDEX: u64 = 19;
const DATA: u64 = 20;
const CODE: u64 = 21;
const GROUP_ID: u64 = 22;

// Types.
const TEXT: u64 = 1;
const EDIT: u64 = 2;
const DELETE: u64 = 3;
const REACTION: u64 = 4;
const READ: u64 = 5;
const CONVERSATION_EXPIRY: u64 = 6;
const FILE_OFFER: u64 = 7;
const FILE_PIECE: u64 = 8;
const FILE_ANSWER: u64 = 9;
const GROUP_STATE: u64 = 10;
const GROUP_REQUEST: u64 = 11;

// Codes of a file answer.
const ACCEPTED: u64 = 0;
const RECEIVED: u64 = 1;
const REFUSED: u64 = 2;
const CANCELLED: u64 = 3;
const PROGRESS: u64 = 4;
