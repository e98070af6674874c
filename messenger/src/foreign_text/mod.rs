//! How text from outside is shown: messages of other people, the server's explanations, names of
//! files. Everything that the programs print or log passes through here, so such text looks like
//! nothing but text.
//!
//! A character is shown as itself only if it is visible, stays in its place, and moves nothing
//! around it. Control and format characters (also those that reverse the direction of text or join
//! emoji), line and paragraph separators, invisible letters, private and unassigned code points are
//! shown as escapes; joiners are, unless they change how the letters beside them look. On one line, so
//! is the backslash, so that different texts are shown differently.
//! [`framed_lines`] is for a place that has room for several lines.

mod framed;
mod joiners;

pub use framed::{cleaned, framed_lines};

use std::fmt::{self, Display, Write};
use std::io;

use joiners::{Before, Place};
use serde_json::ser::Formatter;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// Displays a value on one line, with escapes such as `\n` and `\u{202e}`.
#[derive(Clone, Copy, Debug)]
pub struct OneLine<D>(pub D);

impl<D: Display> Display for OneLine<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let (mut judge, mut before) = (Judge::default(), Before::default());
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            let joins = before.admits(c, rest.peek().copied(), Place::Line);
            before = before.after(c);
            match c {
                '\n' | '\r' | '\t' | '\\' => write!(f, "{}", c.escape_default())?,
                c if joins || judge.is_harmless(c) => f.write_char(c)?,
                c => write!(f, "{}", c.escape_unicode())?,
            }
        }
        Ok(())
    }
}

/// Formats JSON on one line. What [`OneLine`] would escape is escaped as JSON does it, so a program
/// that parses the output gets the text unchanged.
#[derive(Debug, Default)]
pub struct JsonLine(Judge);

impl Formatter for JsonLine {
    fn write_string_fragment<W>(&mut self, out: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        fragment.chars().try_for_each(|c| {
            if self.0.is_harmless(c) {
                return out.write_all(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))
        })
    }
}

/// Displays JSON with the same escapes as [`JsonLine`]. What has to be escaped can only be in a
/// string.
#[derive(Clone, Copy, Debug)]
pub struct JsonText<'a>(pub &'a str);

impl Display for JsonText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut judge = Judge::default();
        self.0.chars().try_for_each(|c| {
            if judge.is_harmless(c) {
                return f.write_char(c);
            }
            c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(f, "\\u{unit:04x}"))
        })
    }
}

/// Judges the characters of a text in turn.
#[derive(Debug, Default)]
struct Judge {
    /// Length of the current run of combining marks.
    marks: usize,
}

impl Judge {
    fn is_harmless(&mut self, c: char) -> bool {
        match c.general_category_group() {
            GeneralCategoryGroup::Mark => {
                self.marks = self.marks.saturating_add(1);
                return self.marks <= MAX_MARKS && !is_invisible(c);
            }
            GeneralCategoryGroup::Other => return false,
            GeneralCategoryGroup::Separator
                if c.general_category() != GeneralCategory::SpaceSeparator =>
            {
                return false;
            }
            GeneralCategoryGroup::Letter
            | GeneralCategoryGroup::Number
            | GeneralCategoryGroup::Punctuation
            | GeneralCategoryGroup::Separator
            | GeneralCategoryGroup::Symbol => {}
        }
        self.marks = 0;
        !is_invisible(c)
    }
}

/// Whether a letter or mark shows as nothing: the letters and marks of Unicode's
/// `Default_Ignorable_Code_Point`, less the variation selectors 15 and 16, which choose between the
/// text and the emoji form of a symbol.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180d}'
            | '\u{180f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0d}'
            | '\u{ffa0}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

/// Longest run of combining marks. No language needs more, and a longer pile covers other lines.
const MAX_MARKS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Serialize;

    fn shown(text: &str) -> String {
        OneLine(text).to_string()
    }

    fn json(text: &str) -> String {
        let mut out = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut out, JsonLine::default());
        text.serialize(&mut serializer).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The text that is shown so.
    fn read_back(shown: &str) -> String {
        let mut text = String::new();
        let mut rest = shown.chars();
        while let Some(c) = rest.next() {
            text.push(match (c, c == '\\') {
                (c, false) => c,
                (_, true) => match rest.next().unwrap() {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    '\\' => '\\',
                    'u' => {
                        let hex: String = rest.by_ref().take_while(|c| *c != '}').collect();
                        let hex = hex.strip_prefix('{').unwrap();
                        char::from_u32(u32::from_str_radix(hex, 16).unwrap()).unwrap()
                    }
                    other => panic!("no such escape: {other}"),
                },
            });
        }
        text
    }

    /// Independent of `Judge`: the categories by name, and the longest run of marks.
    fn assert_harmless(shown: &str) {
        use GeneralCategory::{
            Control, EnclosingMark, Format, LineSeparator, NonspacingMark, ParagraphSeparator,
            PrivateUse, SpacingMark, Unassigned,
        };
        let mut run = 0;
        for c in shown.chars() {
            let category = c.general_category();
            assert!(
                ![Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, Unassigned]
                    .contains(&category),
                "{c:?} in {shown:?}"
            );
            let is_mark = [NonspacingMark, SpacingMark, EnclosingMark].contains(&category);
            run = if is_mark { run + 1 } else { 0 };
            assert!(run <= 4, "{run} marks in {shown:?}");
        }
    }

    fn texts() -> impl Strategy<Value = String> {
        let nasty = prop_oneof![
            Just('\n'),
            Just('\\'),
            Just('"'),
            prop::char::range('\0', '\u{9f}'),
            prop::char::range('\u{300}', '\u{310}'),
            prop::char::range('\u{2000}', '\u{206f}'),
            prop::char::range('\u{e0000}', '\u{e007f}'),
            any::<char>(),
        ];
        prop::collection::vec(nasty, 0..40).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn what_is_shown_is_harmless_and_differs_for_different_texts(text in texts()) {
            let shown = shown(&text);
            assert_harmless(&shown);
            prop_assert_eq!(read_back(&shown), text);
        }

        #[test]
        fn json_is_harmless_and_parses_to_the_same_text(text in texts()) {
            let json = json(&text);
            assert_harmless(&json);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }

    #[test]
    fn text_of_people_is_shown_unchanged() {
        for text in [
            "See you at eight",
            "Grüße, Ça va\u{a0}? Tiếng Việt, Привет, 你好, こんにちは, 안녕",
            "हिन्दी, தமிழ், ไทย, שָׁלוֹם, مرحبا",
            "❤\u{fe0f} 👍🏽 1\u{fe0f}\u{20e3} ½ €",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn joiners_stay_only_where_they_change_letters() {
        for text in ["حسین\u{200c}زاده", "ශ්\u{200d}රී"] {
            assert_eq!(shown(text), text);
        }
        for (text, escaped) in [
            ("An\u{200c}na", r"An\u{200c}na"),
            ("کار\u{200c}ها", "کار\\u{200c}ها"),
            ("ه\u{200d}ه", "ه\\u{200d}ه"),
            ("👩\u{200d}🚀", "👩\\u{200d}🚀"),
        ] {
            assert_eq!(shown(text), escaped);
        }
    }

    #[test]
    fn what_steers_hides_or_forges_is_shown_as_an_escape() {
        for (text, escaped) in [
            ("a\nb\r\tc", r"a\nb\r\tc"),
            (r"a\nb", r"a\\nb"),
            ("\u{1b}[2J\u{7f}\u{9b}", r"\u{1b}[2J\u{7f}\u{9b}"),
            ("\u{202e}evil\u{2066}", r"\u{202e}evil\u{2066}"),
            ("a\u{2028}b\u{2029}c", r"a\u{2028}b\u{2029}c"),
            ("a\u{200b}\u{ad}\u{feff}", r"a\u{200b}\u{ad}\u{feff}"),
            ("\u{3164}\u{e000}\u{e0041}", r"\u{3164}\u{e000}\u{e0041}"),
            ("a\u{301}\u{301}\u{301}\u{301}\u{301}", "a\u{301}\u{301}\u{301}\u{301}\\u{301}"),
        ] {
            assert_eq!(shown(text), escaped);
        }
    }
}
