//! Lines of a recording as inputs of the machine.

use std::collections::{BTreeMap, VecDeque};

use sealpost_core::crypto::{EmitError, FreshSession, OpenedRequest, Outcome};
use sealpost_core::frame::Event;
use sealpost_core::ids::{ConnId, ReceiptId, Ticket};
use sealpost_core::keys::{Plaintext, Rejected, WrappedKey};
use sealpost_core::server::store::{
    CreateOutcome, LookupOutcome, Page, ReconnectOutcome, Seq, SessionOutcome, StoreOutcome,
    StoreReply, StoredItem, User, Waiting,
};
use sealpost_core::server::{Command, DeliveryId, Elsewhere, Server};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{
    ConfirmRequest, InReplyTo, Lookup, Profile, ReceiptsTaken, ReconnectRequest, RegisterRequest,
};

use crate::line::{
    Arrived, CommandRecord, ContentRecord, ElsewhereRecord, InputRecord, JobRecord, Label,
    LookupRecord, NotCreated, OpenedRecord, RequestRecord, StoreRecord, UserRecord,
};
use crate::packet::PacketRecord;
use crate::stand_ins::StandIns;

/// An input that owns what it is made of.
#[derive(Debug)]
pub(crate) enum Restored {
    Bytes { conn: ConnId, data: Vec<u8> },
    Event(Event<Server>),
}

/// The streams of all connections. A part of a packet is recorded where it is complete, but some of
/// its bytes arrived earlier.
#[derive(Debug, Default)]
pub(crate) struct Streams(BTreeMap<u64, Stream>);

#[derive(Debug, Default)]
struct Stream {
    parts: VecDeque<Arrived>,
    /// Bytes of parts that have begun to arrive.
    bytes: VecDeque<u8>,
    /// Length of the payload that follows.
    size: u16,
}

impl Streams {
    /// Adds parts that a connection will bring.
    pub(crate) fn add(&mut self, conn: u64, parts: Vec<Arrived>) {
        self.0.entry(conn).or_default().parts.extend(parts);
    }

    /// Takes the next bytes of a connection: zeros for those of packets that never were complete.
    fn take(
        &mut self,
        conn: u64,
        len: usize,
        profile: Profile,
        stand_ins: &mut StandIns,
    ) -> Vec<u8> {
        let stream = self.0.entry(conn).or_default();
        while stream.bytes.len() < len {
            match stream.parts.pop_front() {
                Some(Arrived::Head(head)) => {
                    stream.size = head.size;
                    stream.bytes.extend(head.restore(profile, stand_ins));
                }
                Some(Arrived::Body(body)) => {
                    stream.bytes.extend(body.restore(stream.size, stand_ins));
                }
                None => stream.bytes.resize(len, 0),
            }
        }
        stream.bytes.drain(..len).collect()
    }
}

/// Restores an input; `None` if it names something that the recording has not introduced.
pub(crate) fn input(
    record: &InputRecord,
    profile: Profile,
    streams: &mut Streams,
    stand_ins: &mut StandIns,
) -> Option<Restored> {
    Some(Restored::Event(match record {
        InputRecord::Bytes { conn, len, .. } => {
            let data = streams.take(*conn, *len, profile, stand_ins);
            return Some(Restored::Bytes { conn: ConnId(*conn), data });
        }
        InputRecord::Opened { conn, peer } => {
            Event::Opened { conn: ConnId(*conn), peer: stand_ins.peer(*peer)? }
        }
        InputRecord::Closed { conn } => Event::Closed { conn: ConnId(*conn) },
        InputRecord::Congested { conn } => Event::Congested { conn: ConnId(*conn) },
        InputRecord::Writable { conn } => Event::Writable { conn: ConnId(*conn) },
        InputRecord::Stored { ticket, outcome } => {
            Event::Stored(Ticket(*ticket), stored(outcome, profile, stand_ins)?)
        }
        InputRecord::Computed { ticket, outcome } => {
            Event::Computed(Ticket(*ticket), computed(outcome, profile, stand_ins)?)
        }
        InputRecord::Command(record) => Event::Command(command(record, stand_ins)?),
        InputRecord::Tick => Event::Tick,
        InputRecord::Shutdown => Event::Shutdown,
    }))
}

fn command(record: &CommandRecord, stand_ins: &StandIns) -> Option<Command> {
    Some(match record {
        CommandRecord::Reconfigure(settings) => Command::Reconfigure(Box::new(settings.restore()?)),
        CommandRecord::OtpDelivery { id, outcome } => {
            Command::OtpDelivery { id: DeliveryId(*id), outcome: outcome.0 }
        }
        CommandRecord::EndSession { user, why } => {
            Command::EndSession { user: stand_ins.user(*user)?, why: why.0 }
        }
        CommandRecord::Elsewhere(what) => Command::Elsewhere(elsewhere(what, stand_ins)?),
    })
}

fn elsewhere(record: &ElsewhereRecord, stand_ins: &StandIns) -> Option<Elsewhere> {
    Some(match record {
        ElsewhereRecord::Appended { owner } => {
            Elsewhere::Appended { owner: stand_ins.user(*owner)? }
        }
        ElsewhereRecord::SessionBegun { user, place } => {
            Elsewhere::SessionBegun { user: stand_ins.user(*user)?, place: Seq(*place) }
        }
        ElsewhereRecord::AccountChanged { user, change } => {
            Elsewhere::AccountChanged { user: stand_ins.user(*user)?, change: change.0 }
        }
        ElsewhereRecord::Missed => Elsewhere::Missed,
    })
}

fn stored(
    record: &StoreRecord,
    profile: Profile,
    stand_ins: &mut StandIns,
) -> Option<StoreOutcome> {
    let reply = match record {
        StoreRecord::Failed(error) => return Some(Err(error.0)),
        StoreRecord::Created(label) => {
            StoreReply::Created(CreateOutcome::Created(stand_ins.user(*label)?))
        }
        StoreRecord::NotCreated(why) => StoreReply::Created(match why {
            NotCreated::PhoneTaken => CreateOutcome::PhoneTaken,
            NotCreated::InvitationRejected => CreateOutcome::InvitationRejected,
            NotCreated::NoIdLeft => CreateOutcome::NoIdLeft,
            NotCreated::StoreFull => CreateOutcome::StoreFull,
        }),
        StoreRecord::InvitationChecked(outcome) => StoreReply::InvitationChecked(outcome.0),
        StoreRecord::Found(None) => StoreReply::Found(None),
        StoreRecord::Found(Some(found)) => StoreReply::Found(Some(user(found, stand_ins)?)),
        StoreRecord::LookedUp(found) => StoreReply::LookedUp(match found {
            LookupRecord::Found(found) => LookupOutcome::Found(user(found, stand_ins)?),
            LookupRecord::NotFound => LookupOutcome::NotFound,
            LookupRecord::OverBudget => LookupOutcome::OverBudget,
        }),
        StoreRecord::ReconnectRecorded(outcome) => StoreReply::ReconnectRecorded(outcome.0),
        StoreRecord::ReconnectRecordedAt(place) => {
            StoreReply::ReconnectRecorded(ReconnectOutcome::Recorded(Seq(*place)))
        }
        StoreRecord::SessionBegun { items, receipt_bytes, undeliverable } => {
            StoreReply::SessionBegun(SessionOutcome::Begun(Waiting {
                items: *items,
                receipt_bytes: *receipt_bytes,
                undeliverable: *undeliverable,
            }))
        }
        StoreRecord::SessionOvertaken => StoreReply::SessionBegun(SessionOutcome::Overtaken),
        StoreRecord::AnswersRecorded => StoreReply::AnswersRecorded,
        StoreRecord::Undeliverable(count) => {
            StoreReply::Undeliverable(vec![InReplyTo::default(); *count])
        }
        StoreRecord::UndeliverableForgotten => StoreReply::UndeliverableForgotten,
        StoreRecord::Appended(each) => {
            StoreReply::Appended(each.iter().map(|outcome| outcome.0).collect())
        }
        StoreRecord::Page { items, more } => {
            let item = |(seq, packet): &(u64, PacketRecord)| {
                let packet = packet.restore(profile, stand_ins)?;
                Some(StoredItem { seq: Seq(*seq), packet })
            };
            let items: Option<Vec<_>> = items.iter().map(item).collect();
            StoreReply::Page(Page { items: items?, more: *more })
        }
        StoreRecord::Settled => StoreReply::Settled,
        StoreRecord::ReceiptsDropped => StoreReply::ReceiptsDropped,
        StoreRecord::ClockRecorded(newest) => {
            StoreReply::ClockRecorded(Timestamp::from_unix_secs(*newest))
        }
        StoreRecord::Expired(count) => StoreReply::Expired(*count),
    };
    Some(Ok(reply))
}

fn user(record: &UserRecord, stand_ins: &mut StandIns) -> Option<Box<User>> {
    Some(Box::new(User {
        id: stand_ins.user(record.user)?,
        phone: stand_ins.phone(record.phone)?,
        public_key: stand_ins.key(record.key),
        last_seen: Timestamp::from_unix_secs(record.last_seen),
    }))
}

fn computed(record: &JobRecord, profile: Profile, stand_ins: &mut StandIns) -> Option<Outcome> {
    Some(match record {
        JobRecord::Verified(is_authentic) => {
            Outcome::Verified(if *is_authentic { Ok(()) } else { Err(Rejected) })
        }
        JobRecord::Opened(None) => Outcome::Opened(Err(Rejected)),
        JobRecord::Opened(Some(opened)) => Outcome::Opened(Ok(plaintext(opened, stand_ins)?)),
        JobRecord::RequestOpened(None) => Outcome::RequestOpened(Err(Rejected)),
        JobRecord::RequestOpened(Some(RequestRecord { content, session })) => {
            Outcome::RequestOpened(Ok(OpenedRequest {
                plaintext: request(content, stand_ins)?,
                session: session.map(session_key),
            }))
        }
        JobRecord::Emitted(None) => Outcome::Emitted(Err(EmitError)),
        JobRecord::Emitted(Some(packet)) => {
            Outcome::Emitted(Ok(packet.restore(profile, stand_ins)?))
        }
        JobRecord::Foreign => Outcome::GrantOpened(Err(Rejected)),
    })
}

fn plaintext(record: &OpenedRecord, stand_ins: &StandIns) -> Option<Plaintext> {
    Some(match record {
        OpenedRecord::LookupPhone(phone) => Lookup::Phone(stand_ins.phone(*phone)?).emit(),
        OpenedRecord::LookupId(user) => Lookup::Id(stand_ins.user(*user)?).emit(),
        OpenedRecord::ReceiptsTaken(items) => {
            let item =
                |(author, id): &(Label, u64)| Some((stand_ins.user(*author)?, ReceiptId(*id)));
            ReceiptsTaken { items: items.iter().map(item).collect::<Option<_>>()? }.emit()
        }
        // Without a version, so it does not parse.
        OpenedRecord::Unreadable => Plaintext::default(),
    })
}

fn request(record: &ContentRecord, stand_ins: &mut StandIns) -> Option<Plaintext> {
    Some(match record {
        ContentRecord::Register { reply, phone, date, invitation } => RegisterRequest {
            reply_key: StandIns::secret(*reply),
            phone: stand_ins.phone(*phone)?,
            timestamp: Timestamp::from_unix_secs(*date),
            invitation: match invitation {
                Some(label) => Some(stand_ins.invitation(*label)?),
                None => None,
            },
        }
        .emit(),
        ContentRecord::Confirm { reply, otp, key, phone } => ConfirmRequest {
            reply_key: StandIns::secret(*reply),
            otp: StandIns::otp(*otp),
            fingerprint: *stand_ins.key(*key).fingerprint(),
            phone: stand_ins.phone(*phone)?,
        }
        .emit(),
        ContentRecord::Reconnect { reply, phone } => ReconnectRequest {
            reply_key: StandIns::secret(*reply),
            phone: stand_ins.phone(*phone)?,
        }
        .emit(),
        ContentRecord::Unreadable => Plaintext::default(),
    })
}

fn session_key(label: Label) -> FreshSession {
    FreshSession { key: StandIns::secret(label), wrapped: WrappedKey([0; 40]) }
}
