//! What is said about an entry beside its text.

use sealpost_messenger::api::{Arrival, Entry, Progress, Time, WrittenIn};

use crate::model::Model;
use crate::theme::{Line, Span, Tone};

/// Time and progress.
pub(super) fn margin(model: &Model, entry: &Entry) -> Line {
    let time = model.zone.clock(written_at(entry));
    let edited = if entry.edited_at.is_some() { "✎" } else { " " };
    let (tone, mark) = match &entry.progress {
        None => (Tone::Faint, "  "),
        Some(Progress::Failed { .. }) => (Tone::Warning, "✗ "),
        Some(Progress::Queued) => (Tone::Faint, "· "),
        Some(Progress::Stored) => (Tone::Faint, "✓ "),
        Some(Progress::Delivered) => (Tone::Text, "✓✓"),
        Some(Progress::Read) => (Tone::Seen, "✔✔"),
    };
    vec![Span::new(Tone::Faint, format!("{edited}{time} ")), Span::new(tone, mark)]
}

/// State of the group in which the entry was written, if that must be said.
pub(super) const fn written_in(entry: &Entry) -> Option<&'static str> {
    match entry.written_in {
        None => None,
        Some(WrittenIn::Older) => Some("written before the last change of the group"),
        Some(WrittenIn::BeforeRemoval) => {
            Some("written before its author was removed, as they say")
        }
        Some(WrittenIn::OtherState) => Some("its author has another version of the group"),
    }
}

/// How an entry came, if that must be said.
pub(super) const fn arrival(entry: &Entry) -> Option<&'static str> {
    match entry.arrival {
        None => None,
        Some(Arrival::Late) => Some("came late"),
        Some(Arrival::FillsGap) => Some("came late: it was missing"),
        Some(Arrival::ReusedId) => {
            Some("its number was used before: was its author restored from a backup?")
        }
    }
}

/// The time of writing, as its author says; not after its arrival.
pub(super) fn written_at(entry: &Entry) -> Time {
    entry.received_at.map_or(entry.sent_at, |received| received.min(entry.sent_at))
}
