//! Answers of the client's store, and what each of them proves.

use alloc::vec::Vec;

use super::arrival::{Arrival, Continuity};
use super::message::{InboxId, InboxItem, IncomingMessage, TokenUse};
use crate::frame::{Answer, Completed, Durable, Pending, StoreError, WrongOutcome};
use crate::ids::{MessageId, UserId};

/// The outcome of one operation.
pub type ClientOutcome = Result<ClientReply, StoreError>;

/// The answer to an operation that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientReply {
    /// The operation is durable.
    Done,
    /// The answer to [`FindTokens`](super::ClientOp::FindTokens): what each token names, in the order
    /// in which they were given; `None` for one that names nothing.
    Named(Vec<Option<TokenUse>>),
    /// The answer to [`MarkStored`](super::ClientOp::MarkStored) and
    /// [`MarkDelivered`](super::ClientOp::MarkDelivered): the messages whose status changed now, in
    /// the order in which they were named.
    Marked(Vec<MessageId>),
    /// The answer to [`MarkFailed`](super::ClientOp::MarkFailed) and
    /// [`MarkUndeliverable`](super::ClientOp::MarkUndeliverable).
    Failed(GivenUp),
    /// The answer to [`Receive`](super::ClientOp::Receive): what became of each message, in the
    /// order in which they were given.
    Received(Vec<Placement>),
    /// The answer to [`Unshown`](super::ClientOp::Unshown).
    Unshown {
        /// Messages in the order of their places.
        items: Vec<InboxItem>,
        /// Whether there are more after the last one.
        more: bool,
    },
}

/// Messages that have failed now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenUp {
    /// The messages whose status changed, in the order in which they were named.
    pub ids: Vec<MessageId>,
    /// Their recipients, in the order of user ids, each with the last message enqueued for that id
    /// that has not failed: the next one's `previous_id`.
    pub last_sent: Vec<(UserId, Option<MessageId>)>,
}

/// What became of a message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It is new, and was appended to the inbox.
    Appended {
        /// Place in the inbox.
        place: InboxId,
        /// Whether something is missing before it.
        continuity: Continuity,
        /// Its place among the messages of its sender.
        arrival: Arrival,
    },
    /// The inbox holds it, byte for byte. Nothing was appended.
    Repeat,
}

/// A page of the inbox.
#[derive(Debug)]
pub(in crate::client) struct Page {
    pub(in crate::client) items: Vec<InboxItem>,
    /// Whether there are more after the last one.
    pub(in crate::client) more: bool,
}

impl Answer for ClientReply {
    fn keeps(&self, nth: usize) -> bool {
        match self {
            // An operation is durable as a whole, and with it everything that it named.
            Self::Done | Self::Marked(_) | Self::Failed(_) => true,
            // A repeat is durable too, since it was first appended. If the answer is too short,
            // only the messages that it covers count.
            Self::Received(placements) => nth < placements.len(),
            // A question keeps nothing.
            Self::Named(_) | Self::Unshown { .. } => false,
        }
    }
}

/// The answer to one operation, or the store's error.
type Answered<T> = Result<Result<T, StoreError>, WrongOutcome>;

/// The only functions that read replies. Each expects one kind, and treats any other as a mistake
/// of the host.
impl Completed<ClientOutcome> {
    /// Expects [`ClientReply::Done`] for an operation that proves nothing.
    pub(in crate::client) fn done(self) -> Answered<()> {
        match self.answer() {
            Ok(ClientReply::Done) => Ok(Ok(())),
            Err(error) => Ok(Err(error)),
            Ok(
                ClientReply::Marked(_)
                | ClientReply::Failed(_)
                | ClientReply::Named(_)
                | ClientReply::Received(_)
                | ClientReply::Unshown { .. },
            ) => Err(WrongOutcome),
        }
    }

    /// Expects [`ClientReply::Done`]: returns the value with the proof that it is durable, or the
    /// value alone and the error.
    pub(in crate::client) fn kept<T>(
        self,
        value: Pending<T>,
    ) -> Result<Result<Durable<T>, (T, StoreError)>, WrongOutcome> {
        match self.resolve(value) {
            (Ok(value), Ok(ClientReply::Done)) => Ok(Ok(value)),
            (Err(value), Err(error)) => Ok(Err((value, error))),
            (Ok(_) | Err(_), Ok(_)) | (Ok(_), Err(_)) => Err(WrongOutcome),
        }
    }

    /// Expects [`ClientReply::Done`] for an operation that keeps several values.
    pub(in crate::client) fn all_kept<T>(
        self,
        values: Pending<Vec<T>>,
    ) -> Answered<Vec<Durable<T>>> {
        let (values, answer) = self.resolve_each(values);
        match answer {
            Ok(ClientReply::Done) => Ok(Ok(values.into_iter().filter_map(Result::ok).collect())),
            Err(error) => Ok(Err(error)),
            Ok(
                ClientReply::Marked(_)
                | ClientReply::Failed(_)
                | ClientReply::Named(_)
                | ClientReply::Received(_)
                | ClientReply::Unshown { .. },
            ) => Err(WrongOutcome),
        }
    }

    /// Expects [`ClientReply::Marked`].
    pub(in crate::client) fn marked(self) -> Answered<Vec<MessageId>> {
        match self.answer() {
            Ok(ClientReply::Marked(ids)) => Ok(Ok(ids)),
            Err(error) => Ok(Err(error)),
            Ok(
                ClientReply::Done
                | ClientReply::Failed(_)
                | ClientReply::Named(_)
                | ClientReply::Received(_)
                | ClientReply::Unshown { .. },
            ) => Err(WrongOutcome),
        }
    }

    /// Expects [`ClientReply::Named`] with an answer for each of `tokens` tokens.
    pub(in crate::client) fn named(self, tokens: usize) -> Answered<Vec<Option<TokenUse>>> {
        match self.answer() {
            Ok(ClientReply::Named(named)) if named.len() == tokens => Ok(Ok(named)),
            Err(error) => Ok(Err(error)),
            Ok(_) => Err(WrongOutcome),
        }
    }

    /// Expects [`ClientReply::Failed`].
    pub(in crate::client) fn given_up(self) -> Answered<GivenUp> {
        match self.answer() {
            Ok(ClientReply::Failed(given_up)) => Ok(Ok(given_up)),
            Err(error) => Ok(Err(error)),
            Ok(
                ClientReply::Done
                | ClientReply::Marked(_)
                | ClientReply::Named(_)
                | ClientReply::Received(_)
                | ClientReply::Unshown { .. },
            ) => Err(WrongOutcome),
        }
    }

    /// Expects [`ClientReply::Marked`]: returns the messages that were marked, and the proof that
    /// what they were marked for is durable.
    pub(in crate::client) fn marked_for<T>(
        self,
        value: Pending<T>,
    ) -> Answered<(Durable<T>, Vec<MessageId>)> {
        match self.resolve(value) {
            (Ok(value), Ok(ClientReply::Marked(ids))) => Ok(Ok((value, ids))),
            (Err(_), Err(error)) => Ok(Err(error)),
            (Ok(_) | Err(_), Ok(_)) | (Ok(_), Err(_)) => Err(WrongOutcome),
        }
    }

    /// Expects [`ClientReply::Received`] with a placement for each message.
    pub(in crate::client) fn received(
        self,
        messages: Pending<Vec<IncomingMessage>>,
    ) -> Answered<Vec<(Durable<IncomingMessage>, Placement)>> {
        let (messages, answer) = self.resolve_each(messages);
        match answer {
            Ok(ClientReply::Received(placements)) if placements.len() == messages.len() => {
                let durable = messages.into_iter().filter_map(Result::ok);
                Ok(Ok(durable.zip(placements).collect()))
            }
            Err(error) => Ok(Err(error)),
            Ok(_) => Err(WrongOutcome),
        }
    }

    /// Expects [`ClientReply::Unshown`].
    pub(in crate::client) fn unshown(self) -> Answered<Page> {
        match self.answer() {
            Ok(ClientReply::Unshown { items, more }) => Ok(Ok(Page { items, more })),
            Err(error) => Ok(Err(error)),
            Ok(
                ClientReply::Done
                | ClientReply::Marked(_)
                | ClientReply::Failed(_)
                | ClientReply::Named(_)
                | ClientReply::Received(_),
            ) => Err(WrongOutcome),
        }
    }
}
