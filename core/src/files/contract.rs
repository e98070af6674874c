//! The contract with the surroundings: inputs and actions.

use alloc::boxed::Box;

use super::record::{End, Record, TransferId};
use crate::event::{FileAnswer, FileId, FileOffer, FilePiece, PieceData};
use crate::keys::Fingerprint;

/// Something that happened. What comes from a peer is authentic: the client machine has verified
/// the message with the pinned key of which `from` is the fingerprint.
#[derive(Clone, Debug)]
pub enum Input {
    /// The user gave a command.
    Command(Command),
    /// A file was offered.
    Offer {
        /// Who offers it.
        from: Fingerprint,
        /// The file.
        offer: FileOffer,
        /// Whether it may be accepted without asking the user.
        consent: Consent,
    },
    /// A piece arrived.
    Piece {
        /// Who sent it.
        from: Fingerprint,
        /// The piece.
        piece: FilePiece,
    },
    /// The other side of a transfer said something about it.
    Answer {
        /// Who sent it.
        from: Fingerprint,
        /// Id of the transfer.
        file: FileId,
        /// What was said.
        answer: FileAnswer,
    },
    /// What became of an event that was sent.
    Sent {
        /// The transfer.
        id: TransferId,
        /// The event.
        name: EventName,
        /// What became of it.
        fate: Fate,
    },
    /// Outcome of [`Action::Read`].
    Read {
        /// The transfer.
        id: TransferId,
        /// The piece.
        name: PieceName,
        /// The outcome.
        outcome: Read,
    },
    /// Outcome of [`Action::Write`].
    Written {
        /// The transfer.
        id: TransferId,
        /// Number of the piece.
        index: u32,
        /// The outcome.
        outcome: Written,
    },
    /// Outcome of [`Action::Finish`].
    Finished {
        /// The transfer.
        id: TransferId,
        /// The outcome.
        outcome: Finished,
    },
    /// Paused transfers are tried again: there is room on the disk or in the outbox, or some time has
    /// passed.
    Retry,
}

/// What the user wants.
#[derive(Clone, Debug)]
pub enum Command {
    /// Offer a file.
    Send {
        /// Fingerprint of the recipient's key.
        to: Fingerprint,
        /// The file. Its id was drawn at random.
        offer: FileOffer,
    },
    /// Accept an offered file.
    Accept(TransferId),
    /// Refuse an offered file.
    Refuse(TransferId),
    /// Give a transfer up.
    Cancel(TransferId),
}

/// Whether the user has agreed to files of a peer beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// The user is asked.
    Ask,
    /// Files are accepted that fit this many bytes, together with those that are on their way.
    Given {
        /// Bytes that may be stored without asking.
        room: u64,
    },
}

/// Names an event of a transfer that is sent once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventName {
    /// The offer.
    Offer,
    /// A piece.
    Piece(PieceName),
}

/// Names a piece, and how often the recipient has made its sender go back before it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PieceName {
    /// How often the sender went back.
    pub round: u32,
    /// Number of the piece.
    pub index: u32,
}

/// What became of an event that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The server holds it.
    Stored,
    /// The recipient has signed a receipt for it.
    Delivered,
    /// It will not be sent.
    Failed,
    /// The outbox is full. It may be sent again after [`Input::Retry`].
    NoRoom,
}

/// Outcome of reading a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// Its bytes, as many as were asked for.
    Data(PieceData),
    /// The file is not the one that was offered any more.
    Changed,
    /// The file can't be read.
    Failed,
}

/// Outcome of writing a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is durable.
    Done,
    /// It is not: the disk is full, or failed.
    Failed,
}

/// Outcome of finishing a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// Size and hash are as offered, and the file has its place.
    Saved,
    /// Size or hash differs.
    Mismatch,
    /// The file could not be saved, but may be later: the disk is full, or failed.
    Failed,
}

/// What the host does, in the order of the actions, each durably before the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Keep the record of a transfer; `None`: it is not needed any more.
    Store(TransferId, Option<Box<Record>>),
    /// Send an event to the peer. → [`Input::Sent`], unless it is an answer
    Send(TransferId, Outgoing),
    /// Read a piece of a file that is sent. → [`Input::Read`]
    Read {
        /// The transfer.
        id: TransferId,
        /// The piece.
        name: PieceName,
        /// Its place in the file, in bytes.
        offset: u64,
        /// Its length in bytes.
        len: u64,
    },
    /// Write a piece into the partial file. → [`Input::Written`]
    Write {
        /// The transfer.
        id: TransferId,
        /// Number of the piece.
        index: u32,
        /// Its place in the file, in bytes.
        offset: u64,
        /// Its bytes.
        data: PieceData,
    },
    /// Check size and hash of the partial file, and give it a safe name, which no other file has.
    /// Doing it again after a crash must find what was done. → [`Input::Finished`]
    Finish(TransferId),
    /// The transfer is over: delete the partial file, if there is one. A file that was saved stays.
    Discard(TransferId),
    /// Tell the user.
    Tell(TransferId, Told),
}

/// An event that is sent to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// [`EventName::Offer`]: the file, from the transfer's record.
    Offer(Box<FileOffer>),
    /// [`EventName::Piece`].
    Piece(PieceName, PieceData),
    /// An answer. Sending it more than once does no harm.
    Answer(FileAnswer),
}

/// What the user is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A file was offered to us. If it is not accepted at once, the user decides.
    Offered,
    /// The transfer has begun.
    Accepted,
    /// The recipient has this many pieces.
    Progress {
        /// Count of pieces.
        done: u32,
    },
    /// The transfer waits for something.
    Paused(Pause),
    /// The transfer is over.
    Ended(End),
    /// A command was refused.
    CommandRefused(CommandRefusal),
}

/// What a transfer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Room in the outbox.
    Outbox,
    /// A disk that can be written to.
    Disk,
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefusal {
    /// The file is larger than 64 MiB, or has too many pieces.
    #[error("a file has at most 64 MiB")]
    TooLarge,
    /// There are too many open transfers.
    #[error("too many files are being sent; wait, or cancel one")]
    TooMany,
    /// There is a transfer with this id.
    #[error("a transfer with this id exists")]
    Exists,
    /// There is no such transfer, or it is over.
    #[error("no such transfer, or it is over")]
    NotOpen,
    /// The transfer is not an offer of the peer that awaits an answer.
    #[error("not an offer that awaits an answer")]
    NotOffered,
}
