//! Transfers as traces, and whole transfers between two devices with faults.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod hostile;
mod sim;
mod trace;

use sealpost_core::event::{
    Caption, FileId, FileName, FileOffer, FilePiece, FileSize, MediaType, PieceData, PieceLen,
};
use sealpost_core::files::{Action, Direction, Files, Input, Outgoing, TransferId};
use sealpost_core::keys::Fingerprint;

const FILE: FileId = FileId([7; 16]);

/// A file of `pieces` pieces of 10 bytes, of which the last has 3.
fn offer(pieces: u64) -> FileOffer {
    sized((pieces * 10).saturating_sub(7), 10)
}

fn sized(size: u64, piece_len: u64) -> FileOffer {
    FileOffer {
        file: FILE,
        name: FileName::new("seal.png").unwrap(),
        media_type: MediaType::new("image/png").unwrap(),
        size: FileSize::new(size).unwrap(),
        sha256: [9; 32],
        piece_len: PieceLen::new(piece_len).unwrap(),
        caption: Caption::default(),
    }
}

fn key(user: u8) -> Fingerprint {
    Fingerprint([user; 32])
}

/// The transfer of the file to or from user 1.
fn id(direction: Direction) -> TransferId {
    TransferId { direction, peer: key(1), file: FILE }
}

fn data(len: usize) -> PieceData {
    PieceData::new(vec![5; len]).unwrap()
}

fn piece(index: u32, len: usize) -> Input {
    let piece = FilePiece { file: FILE, index: index.into(), data: data(len) };
    Input::Piece { from: key(1), piece }
}

/// Gives an input, checks the bounds, and returns the actions but those that store.
fn handle(files: &mut Files, input: Input) -> Vec<Action> {
    let actions = files.handle(input);
    files.is_consistent().unwrap();
    without_stores(actions)
}

fn without_stores(mut actions: Vec<Action>) -> Vec<Action> {
    actions.retain(|action| !matches!(action, Action::Store(..)));
    actions
}

/// The answers among some actions.
fn answers(actions: &[Action]) -> Vec<sealpost_core::event::FileAnswer> {
    let answer = |action: &Action| match action {
        Action::Send(_, Outgoing::Answer(answer)) => Some(*answer),
        Action::Send(..)
        | Action::Store(..)
        | Action::Read { .. }
        | Action::Write { .. }
        | Action::Finish(_)
        | Action::Discard(_)
        | Action::Tell(..) => None,
    };
    actions.iter().filter_map(answer).collect()
}
