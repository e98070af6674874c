//! A file, as its entry shows it.

use sealpost_messenger::api::{Body, FileState};
use sealpost_messenger::foreign_text::OneLine;

use crate::Keeping;
use crate::text::width;
use crate::theme::{Line, Span, Tone};

/// What is shown of a file.
pub(super) struct FileRows {
    /// Its name.
    pub(super) line: Line,
    /// Where it is, or how much of it, if the line has no room for that.
    pub(super) place: Option<String>,
    /// What is said below what its sender wrote.
    pub(super) below: Option<String>,
}

/// The rows of a file, for a width in columns.
pub(super) fn file_rows(
    body: &Body,
    is_own: bool,
    (keeping, columns): (Keeping, usize),
) -> Option<FileRows> {
    let Body::File { name, media_type, size, state, reason, .. } = body else {
        return None;
    };
    let mut line = vec![
        Span::new(Tone::Strong, OneLine(name).to_string()),
        Span::new(Tone::Faint, format!("  {}", human_size(*size))),
    ];
    let taken: usize = line.iter().map(|span| width(&span.text)).sum();
    let mut place = Some(place(body, is_own));
    let fits = |place: &mut String| taken.saturating_add(width(place)).saturating_add(2) <= columns;
    if let Some(place) = place.take_if(fits) {
        line.push(Span::new(Tone::Faint, format!("  {place}")));
    }
    // Its type can be left out.
    let place = place.filter(|place| *place != OneLine(media_type).to_string());
    let reason = reason.as_ref().map(|reason| OneLine(reason).to_string());
    let below = match (state, reason) {
        (FileState::Offered, None) if is_own => {
            Some("not accepted yet; M-Up selects it, x gives it up".to_owned())
        }
        (FileState::Offered, None) if keeping == Keeping::Nothing => Some(
            "offered; M-Up selects it, n refuses; only with --files DIR can it be kept".to_owned(),
        ),
        (FileState::Offered, None) => {
            Some("offered; M-Up selects it, y accepts, n refuses".to_owned())
        }
        (FileState::Refused, None) => Some("refused".to_owned()),
        (FileState::Offered | FileState::Underway, Some(reason)) => {
            Some(format!("waits: {reason}"))
        }
        (_, Some(reason)) => Some(format!("not transferred: {reason}")),
        (
            FileState::Underway
            | FileState::Complete
            | FileState::Cancelled
            | FileState::Failed
            | FileState::Unknown,
            None,
        ) => None,
    };
    Some(FileRows { line, place, below })
}

/// Where a file is, or how much of it; its type as long as there is nothing of it.
fn place(body: &Body, is_own: bool) -> String {
    let Body::File { media_type, size, done, state, path, .. } = body else { return String::new() };
    match (state, path) {
        (FileState::Underway, _) => bar(*done, *size),
        (FileState::Complete, Some(path)) if !is_own => OneLine(path).to_string(),
        (
            FileState::Offered
            | FileState::Complete
            | FileState::Refused
            | FileState::Cancelled
            | FileState::Failed
            | FileState::Unknown,
            _,
        ) => OneLine(media_type).to_string(),
    }
}

/// How much is there, as a bar.
fn bar(done: u64, size: u64) -> String {
    let share = |of: u64| done.saturating_mul(of).checked_div(size).unwrap_or(of).min(of);
    let filled = usize::try_from(share(BAR)).unwrap_or(0);
    let empty = usize::try_from(BAR).unwrap_or(0).saturating_sub(filled);
    format!("{}{} {} %", "█".repeat(filled), "░".repeat(empty), share(100))
}

fn human_size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes % 1_000 / 100),
        1_000_000.. => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

/// Width of the bar.
const BAR: u64 = 10;
