//! The rows of a text.

use std::ops::Range;

use sealpost_messenger::api::Mention;
use sealpost_messenger::foreign_text::OneLine;

use crate::text::{links, wrap};
use crate::theme::{Line, Span, Tone};

/// The rows of a line of text, with its links, and names with which it mentions people.
pub(super) fn text_rows(line: &str, columns: usize, names: &[String]) -> Vec<Line> {
    let parts = parts(line, names);
    let row = |range: Range<usize>| {
        let mut spans = Line::new();
        let mut at = range.start;
        let inside =
            parts.iter().filter(|(part, _)| part.start < range.end && part.end > range.start);
        for (part, tone) in inside {
            let (start, end) = (part.start.max(range.start), part.end.min(range.end));
            spans.push(Span::new(Tone::Text, line.get(at..start).unwrap_or_default()));
            spans.push(Span::new(*tone, line.get(start..end).unwrap_or_default()));
            at = end;
        }
        spans.push(Span::new(Tone::Text, line.get(at..range.end).unwrap_or_default()));
        spans.retain(|span| !span.text.is_empty());
        spans
    };
    wrap(line, columns).into_iter().map(row).collect()
}

/// The names with which a text mentions people, as they are shown: what begins with an @, and nothing
/// else that its author may say.
pub(super) fn names(text: &str, mentions: &[Mention]) -> Vec<String> {
    let skipped = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let name = |mention: &Mention| {
        text.chars().skip(skipped(mention.start)).take(skipped(mention.length)).collect::<String>()
    };
    let is_name = |name: &String| name.starts_with('@') && name.len() > 1;
    mentions.iter().map(name).filter(is_name).map(|name| OneLine(name).to_string()).collect()
}

/// The parts of a line that stand out, in its order and without overlaps.
fn parts(line: &str, names: &[String]) -> Vec<(Range<usize>, Tone)> {
    let named = names.iter().flat_map(|name| line.match_indices(name.as_str()));
    let named = named.map(|(at, name)| (at..at.saturating_add(name.len()), Tone::Strong));
    let mut parts: Vec<_> =
        links(line).into_iter().map(|link| (link, Tone::Link)).chain(named).collect();
    parts.sort_by_key(|(part, _)| part.start);
    let mut end = 0;
    parts.retain(|(part, _)| {
        let is_free = part.start >= end;
        end = end.max(part.end);
        is_free
    });
    parts
}
