//! A file, as its entry shows it.

use sealpost_core::event::FileOffer;
use sealpost_core::files::{End, Record, State};
use sealpost_storage::client::transfers::Transfer;

use super::files::Notes;
use crate::api::{Body, FileState};
use crate::files::SafeName;

/// What is shown of a file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown<'a> {
    /// The file when it was offered.
    AsOffered,
    /// Its transfer now; `None` if there is none.
    Now(Option<&'a Transfer>),
}

/// What an entry says that offers a file.
pub(super) fn file_body(offer: &FileOffer, text: String, shown: Shown<'_>, notes: &Notes) -> Body {
    let (transfer, (state, reason)) = match shown {
        Shown::AsOffered => (None, (FileState::Offered, None)),
        Shown::Now(None) => (None, (FileState::Failed, Some(NO_TRANSFER.into()))),
        Shown::Now(Some(transfer)) => (Some(transfer), state(&transfer.record.state)),
    };
    let waits_for = transfer.and_then(|transfer| notes.waits_for(transfer.id));
    Body::File {
        file: offer.file.to_string(),
        name: SafeName::of(offer.name.as_str()).to_string(),
        media_type: offer.media_type.as_str().into(),
        size: offer.size.value(),
        done: transfer.map_or(0, |transfer| done(&transfer.record)),
        state,
        reason: reason.or(waits_for),
        path: transfer.and_then(path),
        text,
    }
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

const NO_TRANSFER: &str =
    "it came from a key that was not accepted, or before files were supported";
