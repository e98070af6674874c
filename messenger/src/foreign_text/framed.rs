//! Text of several lines, inside a frame of its own.

use std::fmt::Write;

use unicode_properties::UnicodeEmoji;

use super::Judge;
use super::joiners::{Before, JOINER, Place};

/// The lines of a text, for a display that marks each of them as part of it. Line breaks are only
/// `\n` and `\r\n`. A tab becomes spaces. Joiners stay inside emoji, in sequences as long as emoji
/// have, and after letters that have joining forms. Everything else that
/// [`OneLine`](super::OneLine) escapes is escaped, except the backslash.
pub fn framed_lines(text: &str) -> impl Iterator<Item = String> {
    text.split('\n').map(|line| framed(line.strip_suffix('\r').unwrap_or(line)))
}

/// The text without anything that [`framed_lines`] would escape, for a text that its user types or
/// pastes. Its lines end with `\n`. A joiner at the end stays where what comes next may need it.
pub fn cleaned(text: &str) -> String {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<String> =
        lines.split('\n').map(|line| admitted(line, Place::Typed, |_, _| ())).collect();
    lines.join("\n")
}

fn framed(line: &str) -> String {
    admitted(line, Place::Frame, |out, c| {
        // Writing to a string can't fail.
        let _ = write!(out, "{}", c.escape_unicode());
    })
}

/// The characters of a line that may be shown, and what becomes of each of the others.
fn admitted(line: &str, place: Place, refuse: impl Fn(&mut String, char)) -> String {
    let mut out = String::with_capacity(line.len());
    let mut judge = Judge::default();
    let mut emoji = Emoji::default();
    let mut before = Before::default();
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied();
        let joins = emoji.joins(c, next, place) || before.admits(c, next, place);
        before = before.after(c);
        if c == '\t' {
            out.push_str(TAB);
        } else if joins || judge.is_harmless(c) {
            out.push(c);
        } else {
            refuse(&mut out, c);
        }
    }
    out
}

/// How far the characters so far are one emoji.
#[derive(Debug, Default)]
struct Emoji {
    is_open: bool,
    joints: usize,
    ends_in_joint: bool,
}

impl Emoji {
    /// Takes the next character, and says whether it is a joiner between two parts of an emoji.
    fn joins(&mut self, c: char, next: Option<char>, place: Place) -> bool {
        let is_part_next = next.map_or(place == Place::Typed, is_picture);
        match c {
            JOINER if self.is_open && self.joints < MAX_JOINTS && is_part_next => {
                self.joints = self.joints.saturating_add(1);
                self.ends_in_joint = true;
                return true;
            }
            // The emoji's form and skin tone.
            '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' => {}
            _ => {
                let goes_on = self.ends_in_joint && is_picture(c);
                let joints = if goes_on { self.joints } else { 0 };
                *self = Self { is_open: is_picture(c), joints, ends_in_joint: false };
            }
        }
        false
    }
}

/// Whether the character is a picture of its own. Digits and the letters of flags are not.
fn is_picture(c: char) -> bool {
    !c.is_ascii() && !matches!(c, '\u{1f1e6}'..='\u{1f1ff}') && c.is_emoji_char()
}

/// A family of four has three.
const MAX_JOINTS: usize = 4;

const TAB: &str = "    ";

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        framed_lines(text).collect()
    }

    #[test]
    fn lines_end_only_at_line_feeds() {
        assert_eq!(lines("a\nb\r\nc\n\nd"), ["a", "b", "c", "", "d"]);
        assert_eq!(lines("a\rb\u{2028}c\u{85}d\u{b}e"), [r"a\u{d}b\u{2028}c\u{85}d\u{b}e"]);
        assert_eq!(lines("a\tb\\n"), [r"a    b\n"]);
        assert_eq!(lines(""), [""]);
    }

    #[test]
    fn joiners_stay_only_where_they_make_an_emoji() {
        for emoji in ["👩‍👩‍👧‍👦", "👩🏽‍🚀", "❤\u{fe0f}‍🔥", "🏳\u{fe0f}‍🌈"]
        {
            assert_eq!(lines(emoji), [emoji]);
        }
        for (text, shown) in [
            ("a\u{200d}b", r"a\u{200d}b"),
            ("\u{200d}👩", r"\u{200d}👩"),
            ("👩\u{200d}", r"👩\u{200d}"),
            ("👩\u{200d}a", r"👩\u{200d}a"),
            ("👩\u{200d}\u{200d}👩", "👩\\u{200d}\\u{200d}👩"),
            ("1\u{200d}2", r"1\u{200d}2"),
        ] {
            assert_eq!(lines(text), [shown]);
        }
        let long = ["👩"; 7].join("\u{200d}");
        let five = ["👩"; 5].join("\u{200d}");
        assert_eq!(lines(&long), [format!("{five}{}", "\\u{200d}👩\u{200d}👩")]);
    }

    #[test]
    fn joiners_stay_where_a_script_needs_them() {
        for text in [
            "می\u{200c}خواهم",
            "نامه\u{200c}ای",
            "کار\u{200c}ها",
            "ه\u{200d}.ش",
            "بِ\u{200c}ب",
            "ශ්\u{200d}රී",
            "ന്\u{200d}റെ",
            "क्\u{200c}ष",
        ] {
            assert_eq!(lines(text), [text]);
            assert_eq!(cleaned(text), text);
        }
        for (text, shown) in [
            ("An\u{200c}na", r"An\u{200c}na"),
            ("می\u{200c}\u{200c}خ", "می\\u{200c}\\u{200c}خ"),
            ("می\u{200c} x", "می\\u{200c} x"),
            ("\u{200c}می", "\\u{200c}می"),
            ("क\u{200d}ष", "क\\u{200d}ष"),
            ("क्\u{200d}", "क्\\u{200d}"),
        ] {
            assert_eq!(lines(text), [shown]);
        }
    }

    #[test]
    fn joiner_stays_until_what_comes_next_is_typed() {
        for typed in ["می\u{200c}", "کار\u{200c}", "क्\u{200d}", "👩\u{200d}"] {
            assert_eq!(cleaned(typed), typed);
        }
        assert_eq!(cleaned("a\u{200c}"), "a");
    }

    #[test]
    fn what_steers_or_hides_is_escaped() {
        assert_eq!(
            lines("\u{1b}[2J\u{202e}x\u{2068}\u{200b}"),
            [r"\u{1b}[2J\u{202e}x\u{2068}\u{200b}"]
        );
        assert_eq!(
            lines("e\u{301}\u{301}\u{301}\u{301}\u{301}"),
            ["e\u{301}\u{301}\u{301}\u{301}\\u{301}"]
        );
    }

    #[test]
    fn what_is_typed_or_pasted_loses_what_would_be_escaped() {
        assert_eq!(
            cleaned("a\r\nb\rc\t\u{1b}[31md\u{202e}\u{200b}👩\u{200d}🚀"),
            "a\nb\nc    [31md👩\u{200d}🚀"
        );
    }
}
