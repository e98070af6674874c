//! A text that is being written, with the keys of readline.

use sealpost_messenger::foreign_text::cleaned;

use crate::text::glyphs;

/// A text and a cursor in it. The cursor is between two characters as people see them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Composer {
    text: String,
    cursor: usize,
    killed: String,
}

/// A change of the text, or a move of the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    Left,
    Right,
    WordLeft,
    WordRight,
    LineStart,
    LineEnd,
    LineUp,
    LineDown,
    DeleteLeft,
    DeleteRight,
    KillWordLeft,
    KillWordRight,
    KillToLineStart,
    KillToLineEnd,
    Yank,
    NewLine,
}

impl Composer {
    pub(crate) fn new(text: &str) -> Self {
        let text = cleaned(text);
        Self { cursor: text.len(), text, killed: String::new() }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Where the cursor is, in bytes of the text.
    pub(crate) const fn cursor(&self) -> usize {
        self.cursor
    }

    pub(crate) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Replaces the text. What was killed can still be yanked.
    pub(crate) fn set(&mut self, text: &str) {
        self.text = cleaned(text);
        self.cursor = self.text.len();
    }

    /// Takes the text out.
    pub(crate) fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// Inserts a text at the cursor, as far as there is room.
    pub(crate) fn insert(&mut self, text: &str) {
        if self.text.len().saturating_add(text.len()) > MAX_LEN {
            return;
        }
        // What is inserted may join its neighbours, so the whole is cleaned: a joiner that is typed
        // between two emoji, or two Persian letters, stays.
        let (before, after) = self.halves();
        let head = cleaned(&[before, text].concat());
        let whole = cleaned(&[&head, after].concat());
        // A joiner at the end of the head may not fit what is behind it.
        let fits = whole.starts_with(&head);
        let cursor = if fits { head.len() } else { whole.len().saturating_sub(after.len()) };
        self.cursor = whole.floor_char_boundary(cursor);
        self.text = whole;
    }

    /// Puts a text in place of some bytes in front of the cursor.
    pub(crate) fn replace_left(&mut self, bytes: usize, text: &str) {
        self.cut(self.cursor.saturating_sub(bytes), self.cursor);
        self.insert(text);
    }

    pub(crate) fn edit(&mut self, edit: Edit) {
        match edit {
            Edit::Left => self.cursor = self.left(),
            Edit::Right => self.cursor = self.right(),
            Edit::WordLeft => self.cursor = self.word_left(),
            Edit::WordRight => self.cursor = self.word_right(),
            Edit::LineStart => self.cursor = self.line_start(),
            Edit::LineEnd => self.cursor = self.line_end(),
            Edit::LineUp => self.cursor = self.line_up(),
            Edit::LineDown => self.cursor = self.line_down(),
            Edit::DeleteLeft => drop(self.cut(self.left(), self.cursor)),
            Edit::DeleteRight => drop(self.cut(self.cursor, self.right())),
            Edit::KillWordLeft => self.killed = self.cut(self.word_left(), self.cursor),
            Edit::KillWordRight => self.killed = self.cut(self.cursor, self.word_right()),
            Edit::KillToLineStart => self.killed = self.cut(self.line_start(), self.cursor),
            Edit::KillToLineEnd => {
                // At the end of a line, the line break goes.
                let end =
                    if self.line_end() == self.cursor { self.right() } else { self.line_end() };
                self.killed = self.cut(self.cursor, end);
            }
            Edit::Yank => self.insert(&self.killed.clone()),
            Edit::NewLine => self.insert("\n"),
        }
    }

    fn halves(&self) -> (&str, &str) {
        self.text.split_at_checked(self.cursor).unwrap_or((&self.text, ""))
    }

    fn cut(&mut self, from: usize, to: usize) -> String {
        if from >= to || !self.text.is_char_boundary(from) || !self.text.is_char_boundary(to) {
            return String::new();
        }
        self.cursor = from;
        self.text.drain(from..to).collect()
    }

    fn left(&self) -> usize {
        let (before, _) = self.halves();
        let line = before.rsplit('\n').next().unwrap_or_default();
        if line.is_empty() {
            return self.cursor.saturating_sub(1);
        }
        let last = glyphs(line).last().map_or(0, |glyph| glyph.end.saturating_sub(glyph.start));
        self.cursor.saturating_sub(last)
    }

    fn right(&self) -> usize {
        let (_, after) = self.halves();
        if after.is_empty() {
            return self.cursor;
        }
        let line = after.split('\n').next().unwrap_or_default();
        let next = glyphs(line).next().map_or(1, |glyph| glyph.end);
        self.cursor.saturating_add(next)
    }

    fn word_left(&self) -> usize {
        let (before, _) = self.halves();
        let gap = before.trim_end_matches(|c: char| !c.is_alphanumeric());
        gap.trim_end_matches(char::is_alphanumeric).len()
    }

    fn word_right(&self) -> usize {
        let (before, after) = self.halves();
        let gap = after.trim_start_matches(|c: char| !c.is_alphanumeric());
        let rest = gap.trim_start_matches(char::is_alphanumeric);
        before.len().saturating_add(after.len().saturating_sub(rest.len()))
    }

    fn line_start(&self) -> usize {
        let (before, _) = self.halves();
        before.rfind('\n').map_or(0, |at| at.saturating_add(1))
    }

    fn line_end(&self) -> usize {
        let (before, after) = self.halves();
        before.len().saturating_add(after.find('\n').unwrap_or(after.len()))
    }

    fn line_up(&self) -> usize {
        let start = self.line_start();
        let Some(above_end) = start.checked_sub(1) else { return 0 };
        let above_start = self
            .text
            .get(..above_end)
            .and_then(|t| t.rfind('\n'))
            .map_or(0, |at| at.saturating_add(1));
        self.in_line(above_start, above_end, self.column())
    }

    fn line_down(&self) -> usize {
        let end = self.line_end();
        let Some(below) = self.text.get(end.saturating_add(1)..) else { return end };
        let below_start = end.saturating_add(1).min(self.text.len());
        let below_end = below_start.saturating_add(below.find('\n').unwrap_or(below.len()));
        self.in_line(below_start, below_end, self.column())
    }

    fn column(&self) -> usize {
        glyphs(self.text.get(self.line_start()..self.cursor).unwrap_or_default()).count()
    }

    fn in_line(&self, start: usize, end: usize, column: usize) -> usize {
        let line = self.text.get(start..end).unwrap_or_default();
        start.saturating_add(glyphs(line).nth(column).map_or(line.len(), |glyph| glyph.start))
    }
}

/// Longest text in bytes: more than the longest message.
const MAX_LEN: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The text, with `|` at the cursor, after some edits of `start`, which has one, too.
    fn after(start: &str, edits: &[Edit]) -> String {
        let (before, behind) = start.split_once('|').unwrap();
        let mut composer = Composer::new(before);
        composer.insert(behind);
        composer.cursor = before.len();
        for edit in edits {
            composer.edit(*edit);
        }
        let (before, behind) = composer.halves();
        format!("{before}|{behind}")
    }

    #[test]
    fn keys_do_what_readline_does() {
        for (start, edits, end) in [
            ("ab|c", &[Edit::Left][..], "a|bc"),
            ("|", &[Edit::Left, Edit::Right, Edit::DeleteLeft, Edit::DeleteRight], "|"),
            ("👩🏽‍🚀|", &[Edit::Left], "|👩🏽‍🚀"),
            ("👩🏽‍🚀|", &[Edit::DeleteLeft], "|"),
            ("one two|", &[Edit::KillWordLeft], "one |"),
            ("one two|", &[Edit::KillWordLeft, Edit::Yank, Edit::Yank], "one twotwo|"),
            ("one| two", &[Edit::KillWordRight], "one|"),
            ("one two|", &[Edit::WordLeft, Edit::WordLeft, Edit::WordRight], "one| two"),
            ("a\none |two", &[Edit::KillToLineStart], "a\n|two"),
            ("a\no|ne\nb", &[Edit::KillToLineEnd], "a\no|\nb"),
            ("a\no|\nb", &[Edit::KillToLineEnd], "a\no|b"),
            ("abc\nde|\nfgh", &[Edit::LineUp], "ab|c\nde\nfgh"),
            ("abc\nde|\nfgh", &[Edit::LineDown, Edit::LineEnd], "abc\nde\nfgh|"),
            ("abc|\nd", &[Edit::LineDown], "abc\nd|"),
            ("ab|c", &[Edit::NewLine, Edit::LineUp, Edit::LineStart], "|ab\nc"),
        ] {
            assert_eq!(after(start, edits), end, "{start:?} {edits:?}");
        }
    }

    #[test]
    fn joiners_are_kept_as_they_are_typed() {
        for text in ["👩\u{200d}🚀", "می\u{200c}خواهم"] {
            let mut composer = Composer::default();
            for c in text.chars() {
                composer.insert(c.encode_utf8(&mut [0; 4]));
            }
            assert_eq!(composer.text(), text);
        }
        assert_eq!(after("🚀|", &[Edit::Left]), "|🚀");
        let mut composer = Composer::new("🚀");
        composer.edit(Edit::Left);
        composer.insert("👩");
        composer.insert("\u{200d}");
        assert_eq!(composer.text(), "👩\u{200d}🚀");
        composer.insert("x");
        assert!(composer.text.is_char_boundary(composer.cursor));
    }

    #[test]
    fn pasted_text_cannot_steer_the_terminal() {
        let mut composer = Composer::default();
        composer.insert("a\u{1b}[2J\u{202e}\r\nb");
        assert_eq!(composer.text(), "a[2J\nb");
    }

    proptest! {
        #[test]
        fn no_edit_panics(text in "\\PC{0,12}\n?\\PC{0,12}", edits in prop::collection::vec(0_usize..16, 0..20)) {
            const ALL: [Edit; 16] = [
                Edit::Left, Edit::Right, Edit::WordLeft, Edit::WordRight, Edit::LineStart,
                Edit::LineEnd, Edit::LineUp, Edit::LineDown, Edit::DeleteLeft, Edit::DeleteRight,
                Edit::KillWordLeft, Edit::KillWordRight, Edit::KillToLineStart,
                Edit::KillToLineEnd, Edit::Yank, Edit::NewLine,
            ];
            let mut composer = Composer::new(&text);
            for edit in edits {
                composer.edit(ALL[edit]);
                prop_assert!(composer.text.is_char_boundary(composer.cursor));
            }
        }
    }
}
