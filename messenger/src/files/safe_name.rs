//! Names of received files.

use std::fmt;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// A name for a file that is harmless on any system: in its folder and visible there, not an option
/// of a command, not a device of Windows, and shown as what it is. It has 1 to [`SafeName::MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeName(String);

impl SafeName {
    /// Most bytes of a name. Systems allow 255; a number and what programs append must fit, too.
    pub const MAX: usize = 150;

    /// The name that a sender claims, made safe. Safe names stay as they are.
    pub fn of(claimed: &str) -> Self {
        let base = claimed.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or_default();
        let clean: String = base.chars().filter_map(harmless).collect();
        let clean = clean.trim_start_matches(HIDING).trim_end_matches(LOST);
        let clean = if clean.is_empty() { "file" } else { clean };
        let prefix = if is_reserved(clean) { "_" } else { "" };
        let (stem, extension) = split(clean);
        let room = Self::MAX - prefix.len() - extension.len();
        // Only a cut leaves something at the end that was not there before.
        let stem = if stem.len() > room { cut(stem, room).trim_end_matches(LOST) } else { stem };
        Self(format!("{prefix}{stem}{extension}"))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name with a number, for a file whose name is taken: `seal (2).png`. The first is the name
    /// itself.
    pub fn numbered(&self, number: u32) -> String {
        if number < 2 {
            return self.0.clone();
        }
        let (stem, extension) = split(&self.0);
        format!("{stem} ({number}){extension}")
    }
}

impl fmt::Display for SafeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What becomes of a character: itself, something harmless in its place, or nothing.
fn harmless(c: char) -> Option<char> {
    let category = c.general_category();
    // These are not seen, or change how others are seen: `exe.gnp` may look like `png.exe`.
    let is_unseen = matches!(
        category,
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Surrogate
            | GeneralCategory::Unassigned
    );
    if is_unseen {
        return None;
    }
    let is_space = category == GeneralCategory::SpaceSeparator;
    Some(if is_space {
        ' '
    } else if FORBIDDEN.contains(&c) {
        '_'
    } else {
        c
    })
}

/// Whether Windows takes the name for a device, with any extension.
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    let numbered = ["COM", "LPT"].iter().find_map(|device| stem.strip_prefix(device));
    let is_port = numbered.is_some_and(|number| {
        let mut digits = number.chars();
        let is_digit = |c: char| c.is_ascii_digit() || matches!(c, '¹' | '²' | '³');
        digits.next().is_some_and(is_digit) && digits.next().is_none()
    });
    is_port || DEVICES.contains(&stem.as_str())
}

/// Stem and extension. An extension that is too long to be one belongs to the stem.
fn split(name: &str) -> (&str, &str) {
    let dot = name.rfind('.').filter(|dot| *dot > 0 && name.len() - dot <= EXTENSION_MAX);
    name.split_at(dot.unwrap_or(name.len()))
}

/// At most so many bytes of a text, without breaking a character.
fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

/// At the beginning, they hide a file, make it an option of a command, or name a home.
const HIDING: &[char] = &['.', '-', '~', ' '];
/// At the end, Windows drops them, and then the name may be another one.
const LOST: &[char] = &['.', ' '];
/// Windows allows none of them in a name; some have a meaning in other places.
const FORBIDDEN: &[char] = &['<', '>', ':', '"', '|', '?', '*'];
const DEVICES: &[&str] = &["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
/// Longest extension in bytes, with its dot.
const EXTENSION_MAX: usize = 24;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn claimed_names_become_harmless() {
        let long = "x".repeat(300);
        let wide = "é".repeat(150);
        for (claimed, safe) in [
            ("seal.png", "seal.png"),
            ("Grüße 🦭.txt", "Grüße 🦭.txt"),
            ("../../etc/passwd", "passwd"),
            ("/etc/passwd", "passwd"),
            ("..\\..\\autoexec.bat", "autoexec.bat"),
            ("C:\\Windows\\x.dll", "x.dll"),
            ("..", "file"),
            ("../", "file"),
            ("", "file"),
            ("/", "file"),
            ("   ", "file"),
            (".bashrc", "bashrc"),
            ("...hidden", "hidden"),
            ("-rf", "rf"),
            ("- -.~x", "x"),
            ("~root", "root"),
            ("name\0.png", "name.png"),
            ("a\nb\r\t\u{1b}[31mc", "ab[31mc"),
            ("photo\u{202e}gnp.exe", "photognp.exe"),
            ("a\u{200b}b\u{2066}c\u{feff}", "abc"),
            ("a\u{2028}b\u{e000}c", "abc"),
            ("a\u{a0}\u{3000}b", "a  b"),
            ("name.", "name"),
            ("name. . .", "name"),
            ("name.txt ", "name.txt"),
            ("x:y|z<>\"?*", "x_y_z_____"),
            ("file.txt::$DATA", "file.txt__$DATA"),
            ("CON", "_CON"),
            ("con.txt", "_con.txt"),
            ("nul .tar.gz", "_nul .tar.gz"),
            ("Com1.log", "_Com1.log"),
            ("LPT¹", "_LPT¹"),
            ("COM10", "COM10"),
            ("CONSOLE", "CONSOLE"),
            (".CON", "_CON"),
            ("CONIN$", "_CONIN$"),
        ] {
            assert_eq!(SafeName::of(claimed).as_str(), safe, "{claimed:?}");
        }
        assert_eq!(SafeName::of(&format!("{long}.png")).as_str(), format!("{}.png", &long[..146]));
        assert_eq!(SafeName::of(&wide).as_str(), "é".repeat(75));
        assert_eq!(
            SafeName::of(&format!("a{wide}.png")).as_str(),
            format!("a{}.png", "é".repeat(72))
        );
        assert_eq!(SafeName::of(&format!("a.{long}")).as_str().len(), SafeName::MAX);
    }

    #[test]
    fn name_that_gets_an_extension_by_a_cut_stays_as_it_is() {
        let (stem, rest) = ("x".repeat(131), "y".repeat(56));
        let safe = SafeName::of(&format!("{stem}..{rest}"));
        assert_eq!(safe.as_str(), format!("{stem}..{}", &rest[..17]));
        assert_eq!(SafeName::of(safe.as_str()), safe);
    }

    #[test]
    fn names_get_a_number_before_their_extension() {
        for (name, second) in
            [("seal.png", "seal (2).png"), ("seal", "seal (2)"), ("a.tar.gz", "a.tar (2).gz")]
        {
            assert_eq!(SafeName::of(name).numbered(1), name);
            assert_eq!(SafeName::of(name).numbered(2), second);
        }
    }

    proptest! {
        #[test]
        fn every_name_is_safe(claimed in any::<String>()) {
            let safe = SafeName::of(&claimed);
            let name = safe.as_str();
            prop_assert!((1..=SafeName::MAX).contains(&name.len()));
            prop_assert!(!name.starts_with(HIDING) && !name.ends_with(LOST), "{name:?}");
            prop_assert!(!is_reserved(name) && !name.contains(['/', '\\']), "{name:?}");
            prop_assert!(name.chars().all(|c| harmless(c) == Some(c)), "{name:?}");
            prop_assert_eq!(SafeName::of(name), safe.clone());
        }

        #[test]
        fn every_name_of_awkward_parts_is_safe(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "CON", "nul", "com1", ".", "..", "/", "\\", " ", "-", "~", "\0", "\u{202e}", "é",
                    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ".png",
                ]),
                0..20,
            )
        ) {
            let safe = SafeName::of(&parts.concat());
            prop_assert!((1..=SafeName::MAX).contains(&safe.as_str().len()));
            prop_assert!(!safe.as_str().ends_with(LOST) && !is_reserved(safe.as_str()));
            prop_assert_eq!(SafeName::of(safe.as_str()), safe.clone());
        }
    }
}
