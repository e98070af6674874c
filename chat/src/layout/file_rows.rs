//! A file, as its entry shows it.

use sealpost_messenger::api::{Body, FileState};
use sealpost_messenger::foreign_text::OneLine;

use crate::theme::{Line, Span, Tone};

/// The row with the name of a file, and what is said below it.
pub(super) fn file_rows(body: &Body, is_own: bool) -> Option<(Line, Option<String>)> {
    let Body::File { name, media_type, size, done, state, reason, path, .. } = body else {
        return None;
    };
    let mut line = vec![
        Span::new(Tone::Strong, OneLine(name).to_string()),
        Span::new(Tone::Faint, format!("  {}", human_size(*size))),
    ];
    let place = match (state, path) {
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
    };
    line.push(Span::new(Tone::Faint, format!("  {place}")));
    let reason = reason.as_ref().map(|reason| OneLine(reason).to_string());
    let below = match (state, reason) {
        (FileState::Offered, None) if is_own => {
            Some("not accepted yet; M-Up selects it, x gives it up".to_owned())
        }
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
    Some((line, below))
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
