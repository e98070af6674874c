//! Text as a terminal shows it: characters that take columns, and rows of a width.
//!
//! What comes from other people has passed through [`sealpost_messenger::foreign_text`] before it
//! gets here.

mod links;
mod wrap;

pub(crate) use links::links;
pub(crate) use wrap::wrap;

use std::borrow::Cow;

use sealpost_messenger::foreign_text::framed_lines;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// A character as people see it, and the columns that it takes: 1 at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glyph<'a> {
    /// What is written to the terminal.
    pub(crate) text: Cow<'a, str>,
    /// Where it is in the text.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Columns.
    pub(crate) width: usize,
}

/// The characters of a text, in order. One that would take no column gets a circle to stand on, or it
/// would join what is left of it; a cluster that is too long falls apart.
pub(crate) fn glyphs(text: &str) -> impl Iterator<Item = Glyph<'_>> {
    text.grapheme_indices(true).flat_map(|(start, cluster)| {
        let is_whole = cluster.chars().nth(MAX_CLUSTER).is_none() && cluster.width() <= MAX_WIDTH;
        let parts = if is_whole { vec![(0, cluster)] } else { single_chars(cluster) };
        parts.into_iter().map(move |(at, part)| Glyph::new(part, start.saturating_add(at)))
    })
}

/// A text of other people on one line, with a mark where its lines end.
pub(crate) fn one_line(text: &str) -> String {
    framed_lines(text).collect::<Vec<_>>().join("↵ ")
}

/// The columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    glyphs(text).map(|glyph| glyph.width).sum()
}

/// The text, or as much of it as fits, with an ellipsis.
pub(crate) fn clip(text: &str, columns: usize) -> Cow<'_, str> {
    let mut taken: usize = 0;
    let mut fits = 0;
    for glyph in glyphs(text) {
        taken = taken.saturating_add(glyph.width);
        if taken > columns {
            let head = text.get(..fits).unwrap_or_default();
            return Cow::Owned(if columns == 0 { String::new() } else { format!("{head}…") });
        }
        if taken < columns {
            fits = glyph.end;
        }
    }
    Cow::Borrowed(text)
}

/// Whether a text has characters that are written from right to left.
pub(crate) fn is_right_to_left(text: &str) -> bool {
    text.chars().any(|c| {
        matches!(
            c,
            '\u{590}'..='\u{8ff}'
                | '\u{fb1d}'..='\u{fdff}'
                | '\u{fe70}'..='\u{fefe}'
                | '\u{10800}'..='\u{10fff}'
                | '\u{1e800}'..='\u{1efff}'
        )
    })
}

impl<'a> Glyph<'a> {
    fn new(cluster: &'a str, start: usize) -> Self {
        let (text, width) = if cluster.chars().any(char::is_control) {
            (Cow::Borrowed("\u{fffd}"), 1)
        } else {
            match cluster.width() {
                0 => (Cow::Owned(format!("◌{cluster}")), 1),
                width => (Cow::Borrowed(cluster), width),
            }
        };
        Self { text, start, end: start.saturating_add(cluster.len()), width }
    }
}

fn single_chars(cluster: &str) -> Vec<(usize, &str)> {
    cluster
        .char_indices()
        .filter_map(|(at, c)| Some((at, cluster.get(at..at.checked_add(c.len_utf8())?)?)))
        .collect()
}

/// Longest cluster in characters: a family of four, with skin tones, has 11.
const MAX_CLUSTER: usize = 12;

/// Widest cluster. Conjuncts of Indian scripts are the widest that people write.
const MAX_WIDTH: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<(String, usize)> {
        glyphs(text).map(|glyph| (glyph.text.into_owned(), glyph.width)).collect()
    }

    #[test]
    fn characters_take_the_columns_that_terminals_give_them() {
        assert_eq!(shown("a好é"), [("a".into(), 1), ("好".into(), 2), ("é".into(), 1)]);
        assert_eq!(shown("👩‍👩‍👧‍👦"), [("👩‍👩‍👧‍👦".into(), 2)]);
        assert_eq!(shown("🇩🇪"), [("🇩🇪".into(), 2)]);
    }

    #[test]
    fn nothing_joins_what_is_left_of_it() {
        assert_eq!(shown("\u{301}a"), [("◌\u{301}".into(), 1), ("a".into(), 1)]);
        assert_eq!(shown("\u{1161}"), [("◌\u{1161}".into(), 1)]);
        let pile = format!("a{}", "\u{301}".repeat(100));
        assert!(shown(&pile).iter().all(|(text, _)| text.chars().count() <= MAX_CLUSTER));
    }

    #[test]
    fn clipped_text_ends_with_an_ellipsis_and_fits() {
        for (text, columns, clipped) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("好好", 3, "好…"),
            ("好好", 2, "…"),
            ("a", 0, ""),
        ] {
            assert_eq!(clip(text, columns), clipped);
        }
    }
}
