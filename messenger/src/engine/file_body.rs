//! A file, as its entry shows it.

use sealpost_core::event::FileOffer;
use sealpost_core::files::{End, Record, State};
use sealpost_core::keys::Fingerprint;
use sealpost_storage::client::conversations::Copy;
use sealpost_storage::client::transfers::Transfer;

use super::files::Notes;
use crate::api::{Body, FileRecipient, FileState, PhoneNumber};
use crate::files::SafeName;

/// What is shown of a file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown<'a> {
    /// The file when it was offered.
    AsOffered,
    /// Its transfers now, and the copies of the offer, if it is ours.
    Now(&'a [Transfer], &'a [Copy]),
}

/// How far transfers are.
struct Progress {
    state: FileState,
    done: u64,
    reason: Option<String>,
    recipients: Vec<FileRecipient>,
}

/// What an entry says that offers a file.
pub(super) fn file_body(offer: &FileOffer, text: String, shown: Shown<'_>, notes: &Notes) -> Body {
    let progress = match shown {
        Shown::AsOffered => Progress::of(FileState::Offered, None),
        Shown::Now([], []) => Progress::of(FileState::Failed, Some(NO_TRANSFER.into())),
        Shown::Now([], _) => Progress::of(FileState::Failed, Some(NOBODY.into())),
        Shown::Now([transfer], [] | [_]) => one(transfer, notes),
        Shown::Now(transfers, copies) => several(transfers, copies, notes),
    };
    let path = match shown {
        Shown::AsOffered => None,
        Shown::Now(transfers, _) => transfers.first().and_then(path),
    };
    let Progress { state, done, reason, recipients } = progress;
    Body::File {
        file: offer.file.to_string(),
        name: SafeName::of(offer.name.as_str()).to_string(),
        media_type: offer.media_type.as_str().into(),
        size: offer.size.value(),
        done,
        state,
        reason,
        path,
        text,
        recipients,
    }
}

impl Progress {
    const fn of(state: FileState, reason: Option<String>) -> Self {
        Self { state, done: 0, reason, recipients: Vec::new() }
    }
}

fn one(transfer: &Transfer, notes: &Notes) -> Progress {
    let (state, reason) = state(&transfer.record.state);
    let waits_for = || notes.waits_for(transfer.id);
    Progress { done: done(&transfer.record), ..Progress::of(state, reason.or_else(waits_for)) }
}

/// A file for a group, with a transfer for each member.
fn several(transfers: &[Transfer], copies: &[Copy], notes: &Notes) -> Progress {
    let phone = |key: &Fingerprint| {
        copies.iter().find(|copy| copy.key == Some(*key)).map(|copy| copy.phone)
    };
    let recipients: Vec<_> = transfers
        .iter()
        .filter_map(|transfer| {
            let to = PhoneNumber(phone(&transfer.id.peer)?);
            let Progress { state, done, reason, .. } = one(transfer, notes);
            Some(FileRecipient { to, done, state, reason })
        })
        .collect();
    let is_in = |states: &[FileState]| {
        recipients.iter().filter(|recipient| states.contains(&recipient.state)).collect::<Vec<_>>()
    };
    let state =
        ORDER.into_iter().find(|state| !is_in(&[*state]).is_empty()).unwrap_or(FileState::Failed);
    let takers = is_in(&[FileState::Offered, FileState::Underway, FileState::Complete]);
    let sum: u64 = takers.iter().map(|recipient| recipient.done).fold(0, u64::saturating_add);
    let done = sum.checked_div(takers.len() as u64).unwrap_or(0);
    Progress { state, done, reason: tally(&recipients), recipients }
}

/// For how many members a file is how far, if they differ.
fn tally(recipients: &[FileRecipient]) -> Option<String> {
    let count = |state| recipients.iter().filter(|recipient| recipient.state == state).count();
    let counts = ORDER.into_iter().map(|state| (state, count(state)));
    let parts: Vec<_> = counts
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| match state {
            FileState::Offered if count == 1 => "1 has not answered".to_owned(),
            FileState::Offered => format!("{count} have not answered"),
            FileState::Underway if count == 1 => "1 is getting it".to_owned(),
            FileState::Underway => format!("{count} are getting it"),
            FileState::Complete if count == 1 => "1 has it".to_owned(),
            FileState::Complete => format!("{count} have it"),
            FileState::Refused => format!("{count} did not want it"),
            FileState::Cancelled => format!("given up for {count}"),
            FileState::Failed | FileState::Unknown => format!("failed for {count}"),
        })
        .collect();
    (parts.len() > 1).then(|| format!("of {}: {}", recipients.len(), parts.join(", ")))
}

fn state(state: &State) -> (FileState, Option<String>) {
    let given_up = |by: &str| (FileState::Cancelled, Some(format!("given up by {by}")));
    match state {
        State::Offered => (FileState::Offered, None),
        State::Sending(_) | State::Receiving(_) => (FileState::Underway, None),
        State::Ended { end, .. } => match end {
            End::Complete => (FileState::Complete, None),
            End::Refused => (FileState::Refused, None),
            End::Cancelled => given_up("this side"),
            End::CancelledByPeer => given_up("the other side"),
            End::Failed(failure) => (FileState::Failed, Some(failure.to_string())),
        },
    }
}

/// Bytes that the recipient has, as far as is known here.
fn done(record: &Record) -> u64 {
    let pieces = u64::from(record.done());
    pieces.saturating_mul(record.offer.piece_len.value()).min(record.offer.size.value())
}

/// Where a file is that was received whole, or that is sent from here.
fn path(transfer: &Transfer) -> Option<String> {
    let origin = transfer.origin.as_ref().map(|origin| &origin.path);
    let path = transfer.saved.as_ref().or(origin)?;
    Some(path.to_string_lossy().into_owned())
}

/// States of transfers: that of a file for a group is the first one in which one of them is.
const ORDER: [FileState; 6] = [
    FileState::Underway,
    FileState::Offered,
    FileState::Complete,
    FileState::Refused,
    FileState::Cancelled,
    FileState::Failed,
];
const NO_TRANSFER: &str =
    "it came from a key that was not accepted, or before files were supported";
const NOBODY: &str = "it could be offered to nobody";
