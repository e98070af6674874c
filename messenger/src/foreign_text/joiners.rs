//! The two joiners of no width, where a script needs them. Persian, Urdu and others separate letters
//! with U+200C that would join; Sinhala, Malayalam, Bengali and others write conjuncts with U+200D, or
//! avoid them with U+200C. Between other letters both are invisible, so a text with them could pose as
//! another one.

use unicode_joining_type::{JoiningType, get_joining_type};

/// Separates letters.
pub(super) const NON_JOINER: char = '\u{200c}';
/// Joins letters, and the parts of an emoji.
pub(super) const JOINER: char = '\u{200d}';

/// Where joiners are admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On one line among others: only where they change how letters look (the rules of RFC 5892,
    /// appendix A.1 and A.2).
    Line,
    /// In a frame of its own: after every letter that has joining forms, as people type them.
    Frame,
    /// In a text that is being typed: the next letter may be yet to come.
    Typed,
}

/// What is before a place in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Before {
    /// A letter that joins the next one.
    Joins,
    /// A letter that joins only the one before it.
    Ends,
    /// The sign that joins two consonants, or takes the vowel of one.
    Virama,
    /// Anything else.
    #[default]
    Other,
}

impl Before {
    /// What is before the place after a character.
    pub(super) fn after(self, c: char) -> Self {
        if is_virama(c) {
            return Self::Virama;
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "the enum may get more variants")]
        match get_joining_type(c) {
            JoiningType::DualJoining | JoiningType::LeftJoining => Self::Joins,
            JoiningType::RightJoining => Self::Ends,
            // A mark on a letter. The joiners are among the others: no two follow each other.
            JoiningType::Transparent => self,
            _ => Self::Other,
        }
    }

    /// Whether a joiner belongs here.
    pub(super) fn admits(self, joiner: char, next: Option<char>, place: Place) -> bool {
        let next_joins = next.is_some_and(is_joining_letter);
        let is_awaited = next.is_none() && place == Place::Typed;
        match (self, joiner) {
            (Self::Virama, NON_JOINER | JOINER) => {
                is_awaited || next.is_some_and(char::is_alphabetic)
            }
            (Self::Joins, NON_JOINER) => is_awaited || next_joins,
            (Self::Ends, NON_JOINER) => is_awaited || next_joins && place != Place::Line,
            // A letter that stands alone in the form that it has before another one.
            (Self::Joins, JOINER) => place != Place::Line,
            _ => false,
        }
    }
}

fn is_joining_letter(c: char) -> bool {
    matches!(
        get_joining_type(c),
        JoiningType::DualJoining | JoiningType::RightJoining | JoiningType::LeftJoining
    )
}

/// Whether it is the virama of an Indian script: those with conjuncts that joiners make or avoid.
const fn is_virama(c: char) -> bool {
    matches!(
        c,
        '\u{94d}'
            | '\u{9cd}'
            | '\u{a4d}'
            | '\u{acd}'
            | '\u{b4d}'
            | '\u{bcd}'
            | '\u{c4d}'
            | '\u{ccd}'
            | '\u{d4d}'
            | '\u{dca}'
    )
}
