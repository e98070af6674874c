//! What the storage thread needs to know of requests and their outcomes.

use sealpost_core::client::store::{ClientOp, ReceivedContent};
use sealpost_core::frame::StoreError;
use sealpost_core::server::store::StoreOp;
use sealpost_core::wire::Packet;

/// A request to a store, as the storage thread sees it.
pub trait StoreRequest: Send + 'static {
    /// Estimate of the bytes that the request writes. Bounds the size of a transaction.
    fn weight(&self) -> usize;
}

/// The outcome of a request, as the storage thread sees it.
pub trait StoreAnswer: Send + 'static {
    /// Whether the request failed only because another process held the store. Nothing has been
    /// written then, and another attempt may succeed.
    fn is_busy(&self) -> bool;
}

impl StoreRequest for StoreOp {
    fn weight(&self) -> usize {
        match self {
            Self::Append { packets, .. } => packets.iter().map(packet_weight).sum(),
            Self::Settle(settlement) => {
                settlement.delivered.len() * ROW + packet_weight(&settlement.receipt)
            }
            Self::DropReceipts { receipts, .. } => receipts.len() * ROW,
            Self::RecordAnswers { peers, .. } => peers.len() * ROW,
            Self::ForgetUndeliverable { messages, .. } => messages.len() * ROW,
            Self::Expire { limit, .. } => {
                usize::try_from(*limit).unwrap_or(usize::MAX).saturating_mul(ROW)
            }
            Self::CreateUser { .. }
            | Self::CheckInvitation { .. }
            | Self::FindUser(_)
            | Self::LookUp { .. }
            | Self::FindSender { .. }
            | Self::RecordReconnect { .. }
            | Self::RecordClock { .. }
            | Self::BeginSession { .. }
            | Self::Undeliverable { .. }
            | Self::Page { .. } => ROW,
        }
    }
}

impl StoreRequest for ClientOp {
    fn weight(&self) -> usize {
        match self {
            Self::KeepDrafts(drafts) => {
                drafts.iter().map(|draft| draft.content.as_bytes().len() + ROW).sum()
            }
            Self::Enqueue(messages) => messages
                .iter()
                .map(|message| message.content.as_bytes().len() + packet_weight(&message.packet))
                .sum(),
            Self::Receive(messages) => messages
                .iter()
                .map(|message| match &message.content {
                    ReceivedContent::Opened(content) => content.as_bytes().len() + ROW,
                    ReceivedContent::Undecryptable => ROW,
                })
                .sum(),
            Self::Readdress(messages) => {
                messages.iter().map(|message| packet_weight(&message.packet)).sum()
            }
            Self::MarkStored(messages) => messages.len() * ROW,
            Self::MarkDelivered { messages, .. } | Self::MarkFailed { messages, .. } => {
                messages.len() * ROW
            }
            Self::MarkUndeliverable(packets) => packets.len() * ROW,
            Self::FindTokens(tokens) => tokens.len() * ROW,
            Self::DropDrafts(ids) => ids.len() * ROW,
            Self::PinServerKey(_)
            | Self::ChangeServerKey { .. }
            | Self::KeepReplyKey(_)
            | Self::SetUser(_)
            | Self::UseReconnectTime(_)
            | Self::SetClockOffset { .. }
            | Self::ReserveReceipts { .. }
            | Self::PinContact { .. }
            | Self::OfferKey { .. }
            | Self::AcceptKey { .. }
            | Self::WithdrawOffer { .. }
            | Self::MarkVerified { .. }
            | Self::Unshown { .. }
            | Self::ForgetContact { .. }
            | Self::MarkShown { .. } => ROW,
        }
    }
}

impl<R: Send + 'static> StoreAnswer for Result<R, StoreError> {
    fn is_busy(&self) -> bool {
        matches!(self, Err(StoreError::Busy))
    }
}

/// Bytes that a stored packet takes.
fn packet_weight(packet: &Packet) -> usize {
    packet.bytes().len() + ROW
}

/// Estimate of what a row takes in addition to its packet.
const ROW: usize = 128;
