//! Files: an offer, the pieces, and the answers of the recipient.

use super::{FileId, LimitedBytes, LimitedText, LimitedUint};

/// Name of a file, as its sender has it. Recipients show it, and never use it as a path.
pub type FileName = LimitedText<1, 255>;

/// Media type of a file, such as `image/png`.
pub type MediaType = LimitedText<1, 127>;

/// Text that is shown with a file.
pub type Caption = LimitedText<0, 16_384>;

/// Size of a file in bytes: at most 1 TiB.
pub type FileSize = LimitedUint<0, { 1 << 40 }>;

/// Length in bytes of every piece of a file but the last.
pub type PieceLen = LimitedUint<1, 60_000>;

/// Number of a piece, from 0. There are at most as many pieces as a file has bytes.
pub type PieceIndex = LimitedUint<0, { 1 << 40 }>;

/// Bytes of a piece.
pub type PieceData = LimitedBytes<1, 60_000>;

/// Offers a file to the recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOffer {
    /// Id of the transfer.
    pub file: FileId,
    /// Name of the file.
    pub name: FileName,
    /// Its media type.
    pub media_type: MediaType,
    /// Its size in bytes.
    pub size: FileSize,
    /// SHA-256 of the whole file.
    pub sha256: [u8; 32],
    /// Length of a piece in bytes.
    pub piece_len: PieceLen,
    /// Text to be shown with it, or empty.
    pub caption: Caption,
}

/// A piece of a file that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePiece {
    /// Id of the transfer.
    pub file: FileId,
    /// Number of the piece.
    pub index: PieceIndex,
    /// Its bytes.
    pub data: PieceData,
}

/// What a side says about a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAnswer {
    /// The recipient wants the pieces from this one on, whether they were sent before or not.
    Accepted {
        /// First piece that is missing.
        next: PieceIndex,
    },
    /// The recipient has the whole file, and its hash is right.
    Received,
    /// The recipient doesn't want the file.
    Refused,
    /// Either side gives the transfer up.
    Cancelled,
    /// The recipient has stored all pieces before this one.
    Progress {
        /// First piece that is missing.
        next: PieceIndex,
    },
}
