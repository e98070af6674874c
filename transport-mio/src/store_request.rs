//! What the storage thread must know of requests and their outcomes.

use sealpost_core::client::store::{ClientOp, ReceivedContent};
use sealpost_core::frame::StoreError;
use sealpost_core::server::store::StoreOp;
use sealpost_core::wire::Packet;

/// A request to a store, as the storage thread sees it.
pub trait StoreRequest: Send + 'static {
    /// About how many bytes it writes: what bounds a transaction.
    fn weight(&self) -> usize;
}

/// What came of a request, as the storage thread sees it.
pub trait StoreAnswer: Send + 'static {
    /// Whether nothing has happened because another process held the store, so that another try
    /// may succeed.
    fn is_busy(&self) -> bool;
}

impl StoreRequest for StoreOp {
    fn weight(&self) -> usize {
        match self {
            Self::Append { packets, .. } => packets.iter().map(packet_weight).sum(),
            Self::Settle(settlement) => {
                settlement.delivered.len() * ROW + packet_weight(&settlement.receipt)
            }
            Self::DropReceipts { keys, .. } => keys.len() * ROW,
            Self::Expire { limit, .. } => {
                usize::try_from(*limit).unwrap_or(usize::MAX).saturating_mul(ROW)
            }
            Self::CreateUser { .. }
            | Self::FindUser(_)
            | Self::RecordReconnect { .. }
            | Self::Count(_)
            | Self::Page { .. } => ROW,
        }
    }
}

impl StoreRequest for ClientOp {
    fn weight(&self) -> usize {
        match self {
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
            Self::MarkStored(messages) => messages.len() * ROW,
            Self::MarkDelivered { messages, .. } | Self::MarkFailed { messages, .. } => {
                messages.len() * ROW
            }
            Self::PinServerKey(_)
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
            | Self::MarkShown { .. } => ROW,
        }
    }
}

impl<R: Send + 'static> StoreAnswer for Result<R, StoreError> {
    fn is_busy(&self) -> bool {
        matches!(self, Err(StoreError::Busy))
    }
}

/// What a packet costs in the store.
fn packet_weight(packet: &Packet) -> usize {
    packet.bytes().len() + ROW
}

/// About what a row costs beside its packet.
const ROW: usize = 128;
