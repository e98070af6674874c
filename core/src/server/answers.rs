//! The one place that reads the store's answers, and says what each proves.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::store::{
    Appended, CreateOutcome, InvitationOutcome, LookupOutcome, Page, ReconnectOutcome, Seq,
    SessionOutcome, StoreOutcome, StoreReply, User,
};
use crate::frame::{Answer, Completed, Durable, Pending, StoreError, WrongOutcome};
use crate::ids::UserId;
use crate::time::Timestamp;
use crate::wire::InReplyTo;

impl Answer for StoreReply {
    fn keeps(&self, nth: usize) -> bool {
        match self {
            Self::Created(CreateOutcome::Created(_))
            | Self::ReconnectRecorded(ReconnectOutcome::Recorded(_))
            | Self::Settled
            | Self::ReceiptsDropped
            | Self::AnswersRecorded
            | Self::UndeliverableForgotten => true,
            // A duplicate was stored earlier.
            Self::Appended(each) => {
                matches!(each.get(nth), Some(Appended::Stored | Appended::Duplicate))
            }
            Self::Created(
                CreateOutcome::PhoneTaken
                | CreateOutcome::InvitationRejected
                | CreateOutcome::NoIdLeft
                | CreateOutcome::StoreFull,
            )
            | Self::ReconnectRecorded(
                ReconnectOutcome::NotNewer
                | ReconnectOutcome::UnknownUser
                | ReconnectOutcome::Suspended,
            )
            // Questions.
            | Self::InvitationChecked(_)
            | Self::Found(_)
            | Self::LookedUp(_)
            | Self::SessionBegun(_)
            | Self::Undeliverable(_)
            | Self::Page(_)
            | Self::ClockRecorded(_)
            | Self::Expired(_) => false,
        }
    }
}

/// Outcome for one packet that was to be appended.
#[derive(Debug)]
pub(super) enum Fate<T> {
    /// The packet is stored, by this operation.
    Stored(Durable<T>),
    /// The packet was stored before.
    Duplicate(Durable<T>),
    /// The packet is not stored.
    Refused(T, AppendRefusal),
}

/// Why a packet was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AppendRefusal {
    MailboxFull,
    StoreFull,
    UnknownUser,
    Unavailable,
}

/// Why an account was not created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotCreated {
    PhoneTaken,
    InvitationRejected,
    NoIdLeft,
    StoreFull,
    Failed(StoreError),
}

/// Why the date of a 106 was not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotRecorded {
    NotNewer,
    UnknownUser,
    Suspended,
    Failed(StoreError),
}

/// The proof, or the value and the reason why there is no proof.
type Recorded<T, E> = Result<Durable<T>, (T, E)>;

/// The proof that a 106 is recorded, and its place, or the value and the reason why there is none.
type ReconnectRecorded<T> = Result<(Durable<T>, Seq), (T, NotRecorded)>;

/// The proof and id of a new account, or the value and the reason why there is no account.
type Created<T> = Result<(Durable<T>, UserId), (T, NotCreated)>;

impl Completed<StoreOutcome> {
    /// Reads the answer to [`StoreOp::FindUser`](super::store::StoreOp::FindUser) or
    /// [`StoreOp::FindSender`](super::store::StoreOp::FindSender).
    pub(super) fn found(self) -> Result<Result<Option<Box<User>>, StoreError>, WrongOutcome> {
        match self.answer() {
            Ok(StoreReply::Found(user)) => Ok(Ok(user)),
            Err(error) => Ok(Err(error)),
            Ok(_) => Err(WrongOutcome),
        }
    }

    /// Reads the answer to
    /// [`StoreOp::CheckInvitation`](super::store::StoreOp::CheckInvitation).
    pub(super) fn invitation_checked(
        self,
    ) -> Result<Result<InvitationOutcome, StoreError>, WrongOutcome> {
        match self.answer() {
            Ok(StoreReply::InvitationChecked(outcome)) => Ok(Ok(outcome)),
            Err(error) => Ok(Err(error)),
            Ok(_) => Err(WrongOutcome),
        }
    }

    /// Reads the answer to any operation that looks a user up for another one.
    pub(super) fn looked_up(self) -> Result<Result<LookupOutcome, StoreError>, WrongOutcome> {
        match self.answer() {
            Ok(StoreReply::LookedUp(outcome)) => Ok(Ok(outcome)),
            Ok(StoreReply::Found(Some(user))) => Ok(Ok(LookupOutcome::Found(user))),
            Ok(StoreReply::Found(None)) => Ok(Ok(LookupOutcome::NotFound)),
            Err(error) => Ok(Err(error)),
            Ok(_) => Err(WrongOutcome),
        }
    }

    /// Reads the answer to [`StoreOp::CreateUser`](super::store::StoreOp::CreateUser): the new
    /// user's id beside the proof.
    pub(super) fn created<T>(self, value: Pending<T>) -> Result<Created<T>, WrongOutcome> {
        match self.resolve(value) {
            (Ok(proof), Ok(StoreReply::Created(CreateOutcome::Created(user)))) => {
                Ok(Ok((proof, user)))
            }
            (Err(value), Ok(StoreReply::Created(CreateOutcome::PhoneTaken))) => {
                Ok(Err((value, NotCreated::PhoneTaken)))
            }
            (Err(value), Ok(StoreReply::Created(CreateOutcome::InvitationRejected))) => {
                Ok(Err((value, NotCreated::InvitationRejected)))
            }
            (Err(value), Ok(StoreReply::Created(CreateOutcome::NoIdLeft))) => {
                Ok(Err((value, NotCreated::NoIdLeft)))
            }
            (Err(value), Ok(StoreReply::Created(CreateOutcome::StoreFull))) => {
                Ok(Err((value, NotCreated::StoreFull)))
            }
            (Err(value), Err(error)) => Ok(Err((value, NotCreated::Failed(error)))),
            (Ok(_) | Err(_), _) => Err(WrongOutcome),
        }
    }

    /// Reads the answer to [`StoreOp::RecordReconnect`](super::store::StoreOp::RecordReconnect).
    pub(super) fn reconnect_recorded<T>(
        self,
        value: Pending<T>,
    ) -> Result<ReconnectRecorded<T>, WrongOutcome> {
        let (kept, answer) = self.resolve(value);
        let why = match answer {
            Ok(StoreReply::ReconnectRecorded(ReconnectOutcome::Recorded(place))) => {
                let recorded = because(kept, None)?;
                return Ok(recorded.map(|proof| (proof, place)));
            }
            Ok(StoreReply::ReconnectRecorded(ReconnectOutcome::NotNewer)) => NotRecorded::NotNewer,
            Ok(StoreReply::ReconnectRecorded(ReconnectOutcome::UnknownUser)) => {
                NotRecorded::UnknownUser
            }
            Ok(StoreReply::ReconnectRecorded(ReconnectOutcome::Suspended)) => {
                NotRecorded::Suspended
            }
            Err(error) => NotRecorded::Failed(error),
            Ok(_) => return Err(WrongOutcome),
        };
        let recorded = because(kept, Some(why))?;
        Ok(recorded.map(|proof| (proof, Seq::START)))
    }

    /// Reads the answer to [`StoreOp::BeginSession`](super::store::StoreOp::BeginSession).
    pub(super) fn session_begun(self) -> Result<Result<SessionOutcome, StoreError>, WrongOutcome> {
        match self.answer() {
            Ok(StoreReply::SessionBegun(outcome)) => Ok(Ok(outcome)),
            Err(error) => Ok(Err(error)),
            Ok(_) => Err(WrongOutcome),
        }
    }

    /// Reads the answer to [`StoreOp::RecordAnswers`](super::store::StoreOp::RecordAnswers).
    pub(super) fn answers_recorded(self) -> Result<Result<(), StoreError>, WrongOutcome> {
        match self.answer() {
            Ok(StoreReply::AnswersRecorded) => Ok(Ok(())),
            Err(error) => Ok(Err(error)),
            Ok(_) => Err(WrongOutcome),
        }
    }

    /// Reads the answer to [`StoreOp::Undeliverable`](super::store::StoreOp::Undeliverable).
    pub(super) fn undeliverable(self) -> Result<Result<Vec<InReplyTo>, StoreError>, WrongOutcome> {
        match self.answer() {
            Ok(StoreReply::Undeliverable(messages)) => Ok(Ok(messages)),
            Err(error) => Ok(Err(error)),
            Ok(_) => Err(WrongOutcome),
        }
    }

    /// Reads the answer to
    /// [`StoreOp::ForgetUndeliverable`](super::store::StoreOp::ForgetUndeliverable).
    pub(super) fn undeliverable_forgotten(self) -> Result<Result<(), StoreError>, WrongOutcome> {
        match self.answer() {
            Ok(StoreReply::UndeliverableForgotten) => Ok(Ok(())),
            Err(error) => Ok(Err(error)),
            Ok(_) => Err(WrongOutcome),
        }
    }

    /// Reads the answer to [`StoreOp::Append`](super::store::StoreOp::Append): the fate of each
    /// packet, and the error if the operation failed as a whole. A packet that the answer does not
    /// cover is not durable.
    pub(super) fn appended<T>(
        self,
        values: Pending<Vec<T>>,
    ) -> Result<(Vec<Fate<T>>, Option<StoreError>), WrongOutcome> {
        let (kept, answer) = self.resolve_each(values);
        let (answers, error) = match answer {
            Ok(StoreReply::Appended(each)) => (each, None),
            Err(error) => (Vec::new(), Some(error)),
            Ok(_) => return Err(WrongOutcome),
        };
        let fate = |(nth, kept)| match kept {
            Ok(durable) if answers.get(nth) == Some(&Appended::Duplicate) => {
                Fate::Duplicate(durable)
            }
            Ok(durable) => Fate::Stored(durable),
            Err(value) => Fate::Refused(
                value,
                match answers.get(nth) {
                    Some(Appended::MailboxFull) => AppendRefusal::MailboxFull,
                    Some(Appended::StoreFull) => AppendRefusal::StoreFull,
                    Some(Appended::UnknownUser) => AppendRefusal::UnknownUser,
                    Some(Appended::Stored | Appended::Duplicate) | None => {
                        AppendRefusal::Unavailable
                    }
                },
            ),
        };
        Ok((kept.into_iter().enumerate().map(fate).collect(), error))
    }

    /// Reads the answer to [`StoreOp::Page`](super::store::StoreOp::Page).
    pub(super) fn page(self) -> Result<Result<Page, StoreError>, WrongOutcome> {
        match self.answer() {
            Ok(StoreReply::Page(page)) => Ok(Ok(page)),
            Err(error) => Ok(Err(error)),
            Ok(_) => Err(WrongOutcome),
        }
    }

    /// Reads the answer to [`StoreOp::Settle`](super::store::StoreOp::Settle).
    pub(super) fn settled<T>(
        self,
        value: Pending<T>,
    ) -> Result<Recorded<T, StoreError>, WrongOutcome> {
        let (kept, answer) = self.resolve(value);
        match answer {
            Ok(StoreReply::Settled) => because(kept, None),
            Err(error) => because(kept, Some(error)),
            Ok(_) => Err(WrongOutcome),
        }
    }

    /// Reads the answer to [`StoreOp::DropReceipts`](super::store::StoreOp::DropReceipts).
    pub(super) fn receipts_dropped(self) -> Result<Result<(), StoreError>, WrongOutcome> {
        match self.answer() {
            Ok(StoreReply::ReceiptsDropped) => Ok(Ok(())),
            Err(error) => Ok(Err(error)),
            Ok(_) => Err(WrongOutcome),
        }
    }

    /// Reads the answer to [`StoreOp::RecordClock`](super::store::StoreOp::RecordClock): the newest
    /// time on record.
    pub(super) fn clock_recorded(self) -> Result<Result<Timestamp, StoreError>, WrongOutcome> {
        match self.answer() {
            Ok(StoreReply::ClockRecorded(newest)) => Ok(Ok(newest)),
            Err(error) => Ok(Err(error)),
            Ok(_) => Err(WrongOutcome),
        }
    }

    /// Reads the answer to [`StoreOp::Expire`](super::store::StoreOp::Expire): the count of items
    /// deleted.
    pub(super) fn expired(self) -> Result<Result<u32, StoreError>, WrongOutcome> {
        match self.answer() {
            Ok(StoreReply::Expired(count)) => Ok(Ok(count)),
            Err(error) => Ok(Err(error)),
            Ok(_) => Err(WrongOutcome),
        }
    }
}

/// Returns the proof, or the value with the reason why there is none. A proof with a reason, or a
/// value without one, contradicts [`Answer::keeps`].
fn because<T, E>(
    kept: Result<Durable<T>, T>,
    why: Option<E>,
) -> Result<Recorded<T, E>, WrongOutcome> {
    match (kept, why) {
        (Ok(proof), None) => Ok(Ok(proof)),
        (Err(value), Some(why)) => Ok(Err((value, why))),
        (Ok(_), Some(_)) | (Err(_), None) => Err(WrongOutcome),
    }
}
