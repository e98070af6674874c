//! The rows of a text.

use crate::text::{links, wrap};
use crate::theme::{Line, Span, Tone};

/// The rows of a line of text, with its links.
pub(super) fn text_rows(line: &str, columns: usize) -> Vec<Line> {
    let links = links(line);
    let row = |range: std::ops::Range<usize>| {
        let mut spans = Line::new();
        let mut at = range.start;
        let inside = links.iter().filter(|link| link.start < range.end && link.end > range.start);
        for link in inside {
            let (start, end) = (link.start.max(range.start), link.end.min(range.end));
            spans.push(Span::new(Tone::Text, line.get(at..start).unwrap_or_default()));
            spans.push(Span::new(Tone::Link, line.get(start..end).unwrap_or_default()));
            at = end;
        }
        spans.push(Span::new(Tone::Text, line.get(at..range.end).unwrap_or_default()));
        spans.retain(|span| !span.text.is_empty());
        spans
    };
    wrap(line, columns).into_iter().map(row).collect()
}
