//! The help: keys and marks.

use crate::text::{width, wrap};
use crate::theme::{Line, Span, Tone};
use crate::update::{SELECTION_KEYS, bindings};

/// The keys and marks, for a width in columns.
pub(super) fn help(columns: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for group in bindings() {
        lines.push(vec![Span::new(Tone::Unread, group.title)]);
        for binding in group.bindings {
            explain(&mut lines, columns, binding.keys, binding.about);
        }
    }
    let lists = [("A selected message", SELECTION_KEYS.as_slice()), ("Marks", MARKS.as_slice())];
    for (title, rows) in lists {
        lines.push(vec![Span::new(Tone::Unread, title)]);
        for (name, about) in rows {
            explain(&mut lines, columns, name, about);
        }
    }
    lines
}

/// Adds a name and what it means, beside it or, where there is little room, below it.
fn explain(lines: &mut Vec<Line>, columns: usize, name: &str, about: &str) {
    let indent = if columns < 60 { 4 } else { NAMES_WIDTH };
    let name = Span::new(Tone::Strong, format!("  {name}"));
    let mut rows = wrap(about, columns.saturating_sub(indent)).into_iter().map(|range| {
        let text = about.get(range).unwrap_or_default();
        Span::new(Tone::Text, text)
    });
    let pad = |columns: usize| Span::new(Tone::Text, " ".repeat(columns));
    if indent == NAMES_WIDTH {
        let gap = pad(indent.saturating_sub(width(&name.text)));
        lines.push([name, gap].into_iter().chain(rows.next()).collect());
    } else {
        lines.push(vec![name]);
    }
    lines.extend(rows.map(|row| vec![pad(indent), row]));
}

/// Columns of the names in the help.
const NAMES_WIDTH: usize = 24;

/// Marks, and what they mean.
const MARKS: [(&str, &str); 10] = [
    ("·", "waits to be sent"),
    ("✓", "the server has stored it"),
    ("✓✓", "the device of the recipient has it"),
    ("✔✔", "the recipient has seen it"),
    ("✗", "it will not be sent"),
    ("✎", "it was edited; in the list: there is a draft"),
    ("#", "a group"),
    ("@", "what is unread mentions you"),
    ("z", "muted"),
    ("⚠", "the key has changed"),
];
