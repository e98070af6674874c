//! What is kept of a transfer.

use crate::event::{FileId, FileOffer};
use crate::keys::Fingerprint;

use super::limits;

/// Names a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId {
    /// Who sends the file.
    pub direction: Direction,
    /// Fingerprint of the other side's key.
    pub peer: Fingerprint,
    /// The sender's id for the transfer.
    pub file: FileId,
}

/// Direction of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The peer sends the file.
    Incoming,
    /// We send it.
    Outgoing,
}

/// What is kept of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The file.
    pub offer: FileOffer,
    /// How far the transfer is.
    pub state: State,
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The recipient has not decided yet.
    Offered,
    /// Outgoing, and accepted.
    Sending(Place),
    /// Incoming, and accepted.
    Receiving(Received),
    /// Over.
    Ended {
        /// How it ended.
        end: End,
        /// Greater for transfers that ended later.
        order: u64,
    },
}

/// Where the sender of a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// How often the recipient has made us go back.
    pub round: u32,
    /// The recipient has all pieces before this one.
    pub confirmed: u32,
    /// Count of pieces that the recipient made us send again.
    pub resent: u32,
}

/// The pieces that the recipient of a file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// All pieces before this one are there.
    pub prefix: u32,
    /// Later ones: bit n stands for piece `prefix + n`.
    pub ahead: u64,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The recipient has the whole file.
    Complete,
    /// The recipient did not want it.
    Refused,
    /// We gave it up.
    Cancelled,
    /// The peer gave it up.
    CancelledByPeer,
    /// It was not possible.
    Failed(Failure),
}

/// Why a transfer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The file was changed while it was being sent.
    #[error("the file was changed while it was being sent; send it again")]
    Changed,
    /// The file can't be read any more.
    #[error("the file can't be read any more")]
    Unreadable,
    /// A piece or the offer can't reach the recipient, who has another key or is unknown.
    #[error("the recipient can't be reached under this key any more")]
    Undeliverable,
    /// The recipient asked for pieces again, over and over.
    #[error("the recipient asked for the same pieces again too often")]
    AskedTooOften,
    /// A piece has not the length that the offer says, or does not exist.
    #[error("the sender sent a piece that does not belong to the file")]
    InvalidPiece,
    /// The whole file has another hash than the offer says.
    #[error("the file is not the one that was offered: its SHA-256 differs")]
    Mismatch,
}

impl Received {
    /// Whether a piece is there.
    pub fn has(self, index: u32) -> bool {
        index.checked_sub(self.prefix).is_none_or(|at| at < u64::BITS && self.ahead >> at & 1 == 1)
    }

    /// Adds a piece. One too far ahead is not remembered.
    pub(super) fn insert(&mut self, index: u32) {
        let Some(at) = index.checked_sub(self.prefix).filter(|at| *at < u64::BITS) else { return };
        self.ahead |= 1 << at;
        let run = self.ahead.trailing_ones();
        self.prefix = self.prefix.saturating_add(run);
        self.ahead = self.ahead.checked_shr(run).unwrap_or(0);
    }
}

impl Record {
    /// Count of pieces.
    pub fn pieces(&self) -> u32 {
        pieces(&self.offer)
    }

    /// Pieces that the recipient has, as far as is known here.
    pub fn done(&self) -> u32 {
        match self.state {
            State::Sending(place) => place.confirmed,
            State::Receiving(received) => received.prefix,
            State::Ended { end: End::Complete, .. } => self.pieces(),
            State::Offered | State::Ended { .. } => 0,
        }
    }

    /// Whether the transfer is not over.
    pub const fn is_open(&self) -> bool {
        !matches!(self.state, State::Ended { .. })
    }

    /// Place of a piece in the file, in bytes, and its length. `None` for one that does not exist.
    pub(super) fn extent(&self, index: u32) -> Option<(u64, u64)> {
        let (size, piece_len) = (self.offer.size.value(), self.offer.piece_len.value());
        let start = u64::from(index).checked_mul(piece_len)?;
        let left = size.checked_sub(start).filter(|left| *left > 0)?;
        Some((start, left.min(piece_len)))
    }
}

/// Count of pieces of an offered file, at most `u32::MAX`.
pub(super) fn pieces(offer: &FileOffer) -> u32 {
    u32::try_from(offer.size.value().div_ceil(offer.piece_len.value())).unwrap_or(u32::MAX)
}

/// Whether a file is within the bounds.
pub(super) fn is_within_bounds(offer: &FileOffer) -> bool {
    offer.size.value() <= limits::FILE_BYTES && pieces(offer) <= limits::PIECES
}
