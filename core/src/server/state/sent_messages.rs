//! What a session remembers of the messages that its user has sent.

use alloc::vec::Vec;

use super::acks::Acks;
use super::answers::Answers;
use super::refused::{NoRoom, RefusedMessages};
use crate::ids::{MessageId, UserId};
use crate::server::limits::{ACK, Limits, REFUSED};
use crate::wire::{ErrorCode, InReplyTo};

/// Acknowledgements, refusals and receipts that the messages of a session's user led to. A session
/// whose user only receives holds none of this, so it is apart from the session.
#[derive(Debug, Default)]
pub(in crate::server) struct SentMessages {
    pub(in crate::server) acks: Acks,
    refused: RefusedMessages,
    /// Bytes of the receipts that are stored for the user, who has not taken them.
    receipt_bytes: u64,
    answers: Answers,
    telling: Option<Telling>,
}

/// Undeliverable messages that the user is being told of.
#[derive(Debug)]
struct Telling {
    messages: Vec<InReplyTo>,
    /// Count of the errors about them that are not sent yet.
    unsent: usize,
}

impl SentMessages {
    pub(super) const fn new() -> Self {
        Self::with_receipts(0)
    }

    /// Nothing was sent in this session yet, but receipts of this many bytes are stored for the
    /// user.
    pub(super) const fn with_receipts(receipt_bytes: u64) -> Self {
        Self {
            acks: Acks::new(),
            refused: RefusedMessages::new(),
            receipt_bytes,
            answers: Answers::new(),
            telling: None,
        }
    }

    /// Whether nothing has to be remembered.
    pub(super) fn is_idle(&self) -> bool {
        let Self { acks, refused, receipt_bytes, answers, telling } = self;
        acks.is_idle()
            && refused.is_empty()
            && *receipt_bytes == 0
            && answers.is_empty()
            && telling.is_none()
    }

    /// Bytes of memory of the lists that grow with what the user sends.
    pub(super) fn list_bytes(&self) -> usize {
        self.refused.len() * REFUSED + self.acks.len() * ACK
    }

    /// Count of refused messages whose repetition is awaited.
    pub(in crate::server) fn refused_len(&self) -> usize {
        self.refused.len()
    }

    /// A message was refused that its sender will repeat: until then no other message to the same
    /// recipient is accepted.
    pub(in crate::server) fn hold_back(
        &mut self,
        limits: &Limits,
        recipient: UserId,
        id: MessageId,
        code: ErrorCode,
    ) -> Result<(), NoRoom> {
        self.refused.add(limits.refused_messages, recipient, id, code)
    }

    /// The code of the refused message that this one has to wait for; `None` if it is accepted.
    pub(in crate::server) fn out_of_turn(
        &mut self,
        recipient: UserId,
        id: MessageId,
    ) -> Option<ErrorCode> {
        self.refused.out_of_turn(recipient, id)
    }

    /// A receipt was stored for the user.
    pub(in crate::server) const fn receipt_stored(&mut self, bytes: usize) {
        self.receipt_bytes = self.receipt_bytes.saturating_add(bytes as u64);
    }

    /// The user has taken receipts of this many bytes. Saturates: a receipt that was stored twice
    /// counted twice, and one that expired still counts.
    pub(in crate::server) const fn receipts_taken(&mut self, bytes: usize) {
        self.receipt_bytes = self.receipt_bytes.saturating_sub(bytes as u64);
    }

    /// The user has taken every receipt that was stored.
    pub(super) const fn all_receipts_taken(&mut self) {
        self.receipt_bytes = 0;
    }

    /// Whether the user must take receipts before sending more messages, each of which leads to
    /// another receipt.
    pub(in crate::server) const fn owes_receipts(&self, limits: &Limits) -> bool {
        self.receipt_bytes > limits.receipt_bytes
    }

    /// The user has written to someone. Returns whom to record as answered, once enough gathered.
    pub(in crate::server) fn answered(&mut self, peer: UserId) -> Option<Vec<UserId>> {
        self.answers.add(peer)
    }

    /// Those to whom the user has written and who are not recorded yet.
    pub(in crate::server) fn take_answers(&mut self) -> Vec<UserId> {
        self.answers.take()
    }

    /// An error is being made about each of these undeliverable messages.
    pub(in crate::server) fn begin_telling(&mut self, messages: Vec<InReplyTo>) {
        if !messages.is_empty() {
            let unsent = messages.len();
            self.telling = Some(Telling { messages, unsent });
        }
    }

    /// One of the errors was sent. Returns the messages after the last one.
    pub(in crate::server) fn told(&mut self) -> Option<Vec<InReplyTo>> {
        let telling = self.telling.as_mut()?;
        telling.unsent = telling.unsent.saturating_sub(1);
        self.telling.take_if(|telling| telling.unsent == 0).map(|telling| telling.messages)
    }
}
