//! A history as a document in Markdown.

use sealpost_chat::Zone;
use sealpost_messenger::api::{Entry, Peer};
use sealpost_messenger::foreign_text::framed_lines;
use sealpost_programs::{Failure, Line};

use crate::body::Body;
use crate::transcript::{marks, whom};

/// A document that a history is written into.
pub(crate) struct Document {
    pub(crate) with: Option<Peer>,
    pub(crate) zone: Zone,
}

impl Document {
    /// Prints the document with these entries.
    pub(crate) fn print(&self, entries: &[Entry]) -> Result<(), Failure> {
        self.lines(entries).into_iter().try_for_each(Line::framed)
    }

    fn lines(&self, entries: &[Entry]) -> Vec<String> {
        let title = match self.with {
            Some(with) => format!("# Conversation with {}", escaped(&with.to_string())),
            None => "# All conversations".to_owned(),
        };
        let mut lines = vec![title];
        let mut before: Option<&Entry> = None;
        for entry in entries {
            let is_new_day =
                before.is_none_or(|before| !self.zone.same_day(before.sent_at, entry.sent_at));
            if is_new_day {
                lines.extend([String::new(), format!("## {}", self.zone.day(entry.sent_at))]);
            }
            lines.push(String::new());
            lines.extend(self.entry(entry));
            before = Some(entry);
        }
        lines
    }

    /// The paragraph of an entry, and below it the quotation of what it says. Nothing that others
    /// wrote is outside a quotation.
    fn entry(&self, entry: &Entry) -> Vec<String> {
        let clock = self.zone.clock(entry.sent_at);
        let marks = escaped(&marks(entry).join(", "));
        let mut lines = vec![format!("**{}** {clock} ({marks})", escaped(&whom(entry)))];
        lines.push(String::new());
        if let Some(quote) = &entry.reply_to {
            lines.extend(quoted("> > ", &quote.text));
            lines.push(">".to_owned());
        }
        lines.extend(quoted("> ", &Body::of(&entry.body).text()));
        for reaction in &entry.reactions {
            let from = reaction.from.map_or_else(|| "you".to_owned(), |from| from.to_string());
            lines.push(">".to_owned());
            lines.extend(quoted("> ", &format!("{} {from}", reaction.emoji)));
        }
        lines
    }
}

/// A text as a quotation. Line breaks are kept.
fn quoted(prefix: &str, text: &str) -> Vec<String> {
    let lines: Vec<String> = framed_lines(text).map(|line| escaped(&line)).collect();
    let last = lines.len().saturating_sub(1);
    lines
        .iter()
        .enumerate()
        .map(|(index, line)| {
            let hard_break = if index == last || line.is_empty() { "" } else { "\\" };
            format!("{prefix}{line}{hard_break}").trim_end().to_owned()
        })
        .collect()
}

/// A line without anything that Markdown or HTML would read as more than text.
fn escaped(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut is_start = true;
    for c in line.chars() {
        match c {
            // Four of them at the beginning would be code.
            ' ' if is_start => out.push('\u{a0}'),
            '&' | '<' | '>' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' | '=' => {
                out.extend(['\\', c]);
            }
            // Lists and rules.
            '-' | '+' if is_start => out.extend(['\\', c]),
            '.' | ')' if is_number(&out) => out.extend(['\\', c]),
            c => out.push(c),
        }
        is_start = is_start && c == ' ';
    }
    out
}

/// Whether the line so far is a number, which a period would make an item of a list.
fn is_number(line: &str) -> bool {
    !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::tests::{entry, text};

    #[test]
    fn document_has_a_heading_for_each_day() {
        let second =
            Entry { sent_at: "1970-01-02T12:03:00Z".parse().unwrap(), ..entry(text("one\n\ntwo")) };
        let document = Document { with: None, zone: Zone::UTC };
        assert_eq!(
            document.lines(&[entry(text("hi")), second]),
            [
                "# All conversations",
                "",
                "## Thursday, 1 January 1970",
                "",
                "**\\+4915112345678** 00:00 (not verified)",
                "",
                "> hi",
                "",
                "## Friday, 2 January 1970",
                "",
                "**\\+4915112345678** 12:03 (not verified)",
                "",
                "> one\\",
                ">",
                "> two",
            ]
        );
    }

    #[test]
    fn text_stays_text() {
        for (text, shown) in [
            ("# a heading", "\\# a heading"),
            ("1. an item", "1\\. an item"),
            ("- an item", "\\- an item"),
            ("    code", "\u{a0}\u{a0}\u{a0}\u{a0}code"),
            ("<script>", "\\<script\\>"),
            ("![a](b)", "\\!\\[a\\](b)"),
            ("a*b*_c_", "a\\*b\\*\\_c\\_"),
            ("&amp;", "\\&amp;"),
            ("===", "\\=\\=\\="),
            ("on 3.5 - or so", "on 3.5 - or so"),
        ] {
            assert_eq!(escaped(text), shown);
        }
        assert_eq!(quoted("> ", "a\u{202e}b\r\nc"), ["> a\\\\u{202e}b\\", "> c"]);
    }
}
