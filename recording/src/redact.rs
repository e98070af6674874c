//! Inputs of the machine as lines of a recording.

use std::collections::BTreeMap;

use sealpost_core::crypto::{Job, OpenedRequest, Outcome, RequestKind};
use sealpost_core::frame::Event;
use sealpost_core::ids::Ticket;
use sealpost_core::keys::Plaintext;
use sealpost_core::server::store::{
    CreateOutcome, LookupOutcome, Page, ReconnectOutcome, Seq, SessionOutcome, StoreOutcome,
    StoreReply, User, Waiting,
};
use sealpost_core::server::{Command, Elsewhere, Server};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{
    ConfirmRequest, Lookup, Op, ReceiptsTaken, ReconnectRequest, RegisterRequest,
};

use crate::line::{
    CommandRecord, ContentRecord, ElsewhereRecord, InputRecord, JobRecord, LookupRecord,
    NotCreated, OpenedRecord, RequestRecord, StoreRecord, UserRecord,
};
use crate::names::Names;
use crate::packet::PacketRecord;
use crate::settings::SettingsRecord;
use crate::words::Word;

/// What the plaintexts are that running jobs will open.
#[derive(Debug, Default)]
pub(crate) struct Opening(BTreeMap<Ticket, Content>);

/// What a plaintext is to be read as.
#[derive(Clone, Copy, Debug)]
enum Content {
    Lookup,
    ReceiptsTaken,
    Request(RequestKind),
}

impl Opening {
    /// A job begins.
    pub(crate) fn begin(&mut self, ticket: Ticket, job: &Job) {
        let content = match job {
            Job::OpenSealed { packet, .. } if packet.op() == Op::DeliveryAck => {
                Content::ReceiptsTaken
            }
            Job::OpenSealed { .. } => Content::Lookup,
            Job::OpenRequest { kind, .. } => Content::Request(*kind),
            Job::Verify { .. } | Job::OpenGrant { .. } | Job::OpenMessage { .. } | Job::Emit(_) => {
                return;
            }
        };
        self.0.insert(ticket, content);
    }
}

/// Redacts an event.
pub(crate) fn event(
    event: &Event<Server>,
    opening: &mut Opening,
    names: &mut impl Names,
) -> InputRecord {
    match event {
        Event::Opened { conn, peer } => {
            InputRecord::Opened { conn: conn.0, peer: names.peer(*peer) }
        }
        Event::Closed { conn } => InputRecord::Closed { conn: conn.0 },
        Event::Congested { conn } => InputRecord::Congested { conn: conn.0 },
        Event::Writable { conn } => InputRecord::Writable { conn: conn.0 },
        Event::Stored(ticket, answer) => {
            InputRecord::Stored { ticket: ticket.0, outcome: stored(answer, names) }
        }
        Event::Computed(ticket, outcome) => {
            let content = opening.0.remove(ticket);
            InputRecord::Computed { ticket: ticket.0, outcome: computed(outcome, content, names) }
        }
        Event::Command(given) => InputRecord::Command(command(given, names)),
        Event::Tick => InputRecord::Tick,
        Event::Shutdown => InputRecord::Shutdown,
    }
}

fn command(command: &Command, names: &mut impl Names) -> CommandRecord {
    match command {
        Command::Reconfigure(change) => {
            CommandRecord::Reconfigure(Box::new(SettingsRecord::of_change(change)))
        }
        Command::OtpDelivery { id, outcome } => {
            CommandRecord::OtpDelivery { id: id.0, outcome: Word(*outcome) }
        }
        Command::EndSession { user, why } => {
            CommandRecord::EndSession { user: names.user(*user), why: Word(*why) }
        }
        Command::Elsewhere(what) => CommandRecord::Elsewhere(elsewhere(what, names)),
    }
}

fn elsewhere(what: &Elsewhere, names: &mut impl Names) -> ElsewhereRecord {
    match what {
        Elsewhere::Appended { owner } => ElsewhereRecord::Appended { owner: names.user(*owner) },
        Elsewhere::SessionBegun { user, place } => {
            ElsewhereRecord::SessionBegun { user: names.user(*user), place: place.0 }
        }
        Elsewhere::AccountChanged { user, change } => {
            ElsewhereRecord::AccountChanged { user: names.user(*user), change: Word(*change) }
        }
        Elsewhere::Missed => ElsewhereRecord::Missed,
    }
}

fn stored(answer: &StoreOutcome, names: &mut impl Names) -> StoreRecord {
    let reply = match answer {
        Ok(reply) => reply,
        Err(error) => return StoreRecord::Failed(Word(*error)),
    };
    match reply {
        StoreReply::Created(CreateOutcome::Created(user)) => {
            StoreRecord::Created(names.user(*user))
        }
        StoreReply::Created(CreateOutcome::PhoneTaken) => {
            StoreRecord::NotCreated(NotCreated::PhoneTaken)
        }
        StoreReply::Created(CreateOutcome::InvitationRejected) => {
            StoreRecord::NotCreated(NotCreated::InvitationRejected)
        }
        StoreReply::Created(CreateOutcome::NoIdLeft) => {
            StoreRecord::NotCreated(NotCreated::NoIdLeft)
        }
        StoreReply::Created(CreateOutcome::StoreFull) => {
            StoreRecord::NotCreated(NotCreated::StoreFull)
        }
        StoreReply::InvitationChecked(outcome) => StoreRecord::InvitationChecked(Word(*outcome)),
        StoreReply::Found(found) => {
            StoreRecord::Found(found.as_ref().map(|found| user(found, names)))
        }
        StoreReply::LookedUp(LookupOutcome::Found(found)) => {
            StoreRecord::LookedUp(LookupRecord::Found(user(found, names)))
        }
        StoreReply::LookedUp(LookupOutcome::NotFound) => {
            StoreRecord::LookedUp(LookupRecord::NotFound)
        }
        StoreReply::LookedUp(LookupOutcome::OverBudget) => {
            StoreRecord::LookedUp(LookupRecord::OverBudget)
        }
        StoreReply::ReconnectRecorded(ReconnectOutcome::Recorded(place)) if *place > Seq::START => {
            StoreRecord::ReconnectRecordedAt(place.0)
        }
        StoreReply::ReconnectRecorded(outcome) => StoreRecord::ReconnectRecorded(Word(*outcome)),
        StoreReply::SessionBegun(SessionOutcome::Begun(waiting)) => {
            let Waiting { items, receipt_bytes, undeliverable } = *waiting;
            StoreRecord::SessionBegun { items, receipt_bytes, undeliverable }
        }
        StoreReply::SessionBegun(SessionOutcome::Overtaken) => StoreRecord::SessionOvertaken,
        StoreReply::AnswersRecorded => StoreRecord::AnswersRecorded,
        StoreReply::Undeliverable(messages) => StoreRecord::Undeliverable(messages.len()),
        StoreReply::UndeliverableForgotten => StoreRecord::UndeliverableForgotten,
        StoreReply::Appended(each) => {
            StoreRecord::Appended(each.iter().copied().map(Word).collect())
        }
        StoreReply::Page(Page { items, more }) => {
            let item = |names: &mut _, packet| PacketRecord::read(packet, names);
            let items = items.iter().map(|stored| (stored.seq.0, item(names, &stored.packet)));
            StoreRecord::Page { items: items.collect(), more: *more }
        }
        StoreReply::Settled => StoreRecord::Settled,
        StoreReply::ReceiptsDropped => StoreRecord::ReceiptsDropped,
        StoreReply::ClockRecorded(newest) => StoreRecord::ClockRecorded(newest.unix_secs()),
        StoreReply::Expired(count) => StoreRecord::Expired(*count),
    }
}

fn user(user: &User, names: &mut impl Names) -> UserRecord {
    UserRecord {
        user: names.user(user.id),
        phone: names.phone(user.phone),
        key: names.key(user.public_key.fingerprint()),
        last_seen: user.last_seen.unix_secs(),
    }
}

fn computed(outcome: &Outcome, content: Option<Content>, names: &mut impl Names) -> JobRecord {
    match outcome {
        Outcome::Verified(verdict) => JobRecord::Verified(verdict.is_ok()),
        Outcome::Opened(plaintext) => JobRecord::Opened(
            plaintext.as_ref().ok().map(|plaintext| opened(plaintext, content, names)),
        ),
        Outcome::RequestOpened(Err(_)) => JobRecord::RequestOpened(None),
        Outcome::RequestOpened(Ok(OpenedRequest { plaintext, session })) => {
            JobRecord::RequestOpened(Some(RequestRecord {
                content: request(plaintext, content, names).unwrap_or(ContentRecord::Unreadable),
                session: session.as_ref().map(|session| names.secret(&session.key)),
            }))
        }
        Outcome::Emitted(packet) => {
            JobRecord::Emitted(packet.as_ref().ok().map(|packet| PacketRecord::read(packet, names)))
        }
        Outcome::GrantOpened(_) | Outcome::MessageOpened(_) => JobRecord::Foreign,
    }
}

fn opened(plaintext: &Plaintext, content: Option<Content>, names: &mut impl Names) -> OpenedRecord {
    let plaintext = plaintext.expose();
    match content {
        Some(Content::Lookup) => match Lookup::parse(plaintext) {
            Ok(Lookup::Phone(phone)) => OpenedRecord::LookupPhone(names.phone(phone)),
            Ok(Lookup::Id(user)) => OpenedRecord::LookupId(names.user(user)),
            Err(_) => OpenedRecord::Unreadable,
        },
        Some(Content::ReceiptsTaken) => match ReceiptsTaken::parse(plaintext) {
            Ok(taken) => {
                let item =
                    |(author, id): &(_, sealpost_core::ids::ReceiptId)| (names.user(*author), id.0);
                OpenedRecord::ReceiptsTaken(taken.items.iter().map(item).collect())
            }
            Err(_) => OpenedRecord::Unreadable,
        },
        Some(Content::Request(_)) | None => OpenedRecord::Unreadable,
    }
}

/// Reads the content of a request; `None` if it does not parse.
fn request(
    plaintext: &Plaintext,
    content: Option<Content>,
    names: &mut impl Names,
) -> Option<ContentRecord> {
    let Some(Content::Request(kind)) = content else { return None };
    let plaintext = plaintext.expose();
    Some(match kind {
        RequestKind::Register => {
            let RegisterRequest { reply_key, phone, timestamp, invitation } =
                RegisterRequest::parse(plaintext).ok()?;
            ContentRecord::Register {
                reply: names.secret(&reply_key),
                phone: names.phone(phone),
                date: Timestamp::unix_secs(timestamp),
                invitation: invitation.map(|code| names.invitation(&code.hash())),
            }
        }
        RequestKind::Confirm => {
            let ConfirmRequest { reply_key, otp, fingerprint, phone } =
                ConfirmRequest::parse(plaintext).ok()?;
            ContentRecord::Confirm {
                reply: names.secret(&reply_key),
                otp: names.otp(&otp),
                key: names.key(&fingerprint),
                phone: names.phone(phone),
            }
        }
        RequestKind::Reconnect => {
            let ReconnectRequest { reply_key, phone } = ReconnectRequest::parse(plaintext).ok()?;
            ContentRecord::Reconnect { reply: names.secret(&reply_key), phone: names.phone(phone) }
        }
    })
}
