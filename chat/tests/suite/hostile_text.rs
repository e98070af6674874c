//! What other people write stays in its frame, whatever it is.

use proptest::prelude::*;
use ratatui::layout::Size;
use sealpost_chat::{Message, Stage};
use sealpost_messenger::api::{
    Body, Changed, Connection, Entry, FileState, Notification, Quote, Reaction,
};

use crate::support::{entry, now, rows, stage};

/// Columns of the list of conversations at 80 columns.
const SIDEBAR: usize = 20;

/// What might pose as something else.
const FORGERIES: &[&str] = &[
    "\n\u{5}2 Anna Lind\n│ I am Anna",
    "a\r\nb\rc\u{b}d\u{c}e\u{85}f\u{2028}g\u{2029}h",
    "\u{1b}[2J\u{1b}[1;1H\u{1b}]0;title\u{7}\u{9b}31m",
    "\u{1b}[31m\u{90}q\u{9c}",
    "\u{202e}evil\u{202c} \u{2066}isolated\u{2069} \u{2067}x",
    "\u{2069}\u{2069}out of the frame\u{2068}",
    "zero\u{200b}width\u{200c}\u{200d}\u{feff}\u{2060}\u{ad}",
    "\u{301}\u{301}\u{301}\u{301}\u{301}\u{301} a\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
    "\u{1161}\u{1161}\u{1161} ᄀᄀᄀᄀᄀᄀᄀᄀᄀᄀᄀᄀᄀᄀᄀᄀᄀᄀ",
    "👩\u{200d}👩\u{200d}👩\u{200d}👩\u{200d}👩\u{200d}👩\u{200d}👩\u{200d}👩\u{200d}👩\u{200d}👩",
    "🏴\u{e0067}\u{e0062}\u{e007f} \u{e0001}",
    "┌ Anna Lind: quoted\n└ 👍 12\n▤ virus.exe  1 kB\n┆ deleted",
    "──────────── new ────────────",
    "⚠ The key has changed",
    "שלום \u{200f}\u{61c} 12:03 ✓✓",
    "好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好",
    "long rows that end with 12:03 ✓✓ and long rows that end with 12:03 ✓✓ and long rows that end \
     with 12:03 ✓✓ and long rows that end with 12:03 ✓✓",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
     aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "\u{3164}\u{115f}\u{2800}\u{e000}\u{fff9}\u{fdd0}",
    "क्षि क्षि क्षि ज़ि त्र्य \u{94d}\u{94d}",
    "\t\t\ttabs\t",
    "می\u{200c}خواهم \u{200c}\u{200c} ن\u{200d}\u{200d} a\u{200c}b ශ්\u{200d}රී",
    "",
];

/// The conversation with one more entry.
fn shown(entry: Entry, width: u16, height: u16) -> Stage {
    let mut stage = stage(width, height);
    stage.press("C-t 1 0 1 0 5 Enter");
    let changed = Changed::Entry { entry: Box::new(entry) };
    stage.take(Message::Notified(Notification::Changed(changed)));
    stage
}

/// Nothing on the screen steers a terminal, and what isolates a text is closed in its row.
fn assert_harmless(stage: &Stage, what: &str) {
    for row in rows(&stage.picture().buffer) {
        let mut is_open = false;
        let mut before = ' ';
        for c in row.chars() {
            match c {
                '\u{2068}' => assert!(!std::mem::replace(&mut is_open, true), "{what:?}: {row:?}"),
                '\u{2069}' => assert!(std::mem::take(&mut is_open), "{what:?}: {row:?}"),
                '\u{200d}' | '\u{fe0f}' => {}
                // It separates letters that would join.
                '\u{200c}' => assert!(joins(before), "{what:?}: {row:?}"),
                _ => {
                    let steers = c.is_control()
                        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{ad}' | '\u{61c}' | '\u{e0000}'..='\u{e0fff}' | '\u{3164}');
                    assert!(!steers, "{what:?}: {c:?} in {row:?}");
                }
            }
            before = c;
        }
        assert!(!is_open, "{what:?}: {row:?}");
    }
}

/// Whether it is a letter or sign of a script whose letters join.
fn joins(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{8ff}' | '\u{900}'..='\u{dff}' | '\u{1e900}'..='\u{1e95f}')
}

/// The gutters of the rows of the conversation, from its second author on.
fn gutters(stage: &Stage) -> String {
    let buffer = stage.picture().buffer;
    let x = u16::try_from(SIDEBAR).unwrap() + 1;
    (1..buffer.area.height - 2).map(|y| buffer[(x, y)].symbol().to_owned()).collect()
}

#[test]
fn text_is_inside_its_frame() {
    for text in FORGERIES {
        let stage = shown(entry(text), 80, 24);
        assert_harmless(&stage, text);
        let gutters = gutters(&stage);
        // A day, an author, two rows, another author, a row, the author again, the text.
        let (before, own) =
            gutters.split_at(gutters.rfind('田').unwrap_or_else(|| panic!("{text:?}: {gutters}")));
        assert!(before.trim_start().starts_with("─田││Y│"), "{text:?}: {gutters}");
        let rows = own.strip_prefix('田').unwrap();
        assert!(!rows.is_empty() && rows.chars().all(|mark| mark == '│'), "{text:?}: {gutters}");
    }
}

#[test]
fn nothing_is_written_into_the_margin() {
    for text in FORGERIES {
        let picture = shown(entry(text), 80, 24).picture();
        let rows = rows(&picture.buffer);
        // Time and progress, without the isolates of the list.
        let margin = |row: &String| {
            let row: Vec<char> = row.chars().rev().take(9).collect();
            row.into_iter().rev().collect::<String>()
        };
        for row in rows.iter().skip(17).take(5) {
            let margin = margin(row);
            let is_time = margin.trim().chars().all(|c| c.is_ascii_digit() || ": ✓".contains(c));
            let is_rule = row.contains("─── ") && row.contains("2026");
            assert!(is_time || is_rule, "{text:?}: {row:?}");
        }
    }
}

#[test]
fn names_quotes_reactions_and_reasons_are_harmless() {
    for text in FORGERIES {
        let mut entry = entry("x");
        entry.body = Body::File {
            file: "1".to_owned(),
            name: (*text).to_owned(),
            media_type: (*text).to_owned(),
            size: 1,
            done: 1,
            state: FileState::Failed,
            reason: Some((*text).to_owned()),
            path: Some((*text).to_owned()),
            text: (*text).to_owned(),
            recipients: Vec::new(),
        };
        entry.reply_to = Some(Quote { entry: None, from: None, text: (*text).to_owned() });
        entry.reactions = vec![Reaction { from: entry.from, emoji: (*text).to_owned() }];
        let mut stage = shown(entry.clone(), 80, 24);
        assert_harmless(&stage, text);
        stage.press("M-Up r");
        assert_harmless(&stage, text);
        entry.entry += 1;
        entry.body = Body::Notice { text: (*text).to_owned() };
        let since = now();
        let reason = (*text).to_owned();
        for changed in [
            Changed::Entry { entry: Box::new(entry) },
            Changed::Warning { text: (*text).to_owned() },
            Changed::Connection {
                connection: Connection::Offline { since, reason, next_attempt: None },
            },
        ] {
            stage.take(Message::Notified(Notification::Changed(changed)));
            assert_harmless(&stage, text);
        }
    }
}

#[test]
fn pasted_text_is_harmless_before_it_is_sent() {
    for text in FORGERIES {
        let mut stage = stage(80, 24);
        stage.take(Message::Pasted((*text).to_owned()));
        assert_harmless(&stage, text);
        stage.press("C-t");
        stage.take(Message::Pasted((*text).to_owned()));
        assert_harmless(&stage, text);
    }
}

#[test]
fn only_files_that_are_here_are_looked_at_as_pictures() {
    let picture = |state, path: &str| {
        let mut entry = entry("x");
        entry.body = Body::File {
            file: "1".to_owned(),
            name: "seal.png".to_owned(),
            media_type: "image/png".to_owned(),
            size: 1,
            done: 1,
            state,
            reason: None,
            path: Some(path.to_owned()),
            text: String::new(),
            recipients: Vec::new(),
        };
        rows(&shown(entry, 80, 24).picture().buffer).join("\n")
    };
    let broken = picture(FileState::Complete, "/nowhere/seal.png");
    assert!(broken.contains("the picture can't be shown"), "{broken}");
    let offered = picture(FileState::Offered, "/nowhere/seal.png");
    assert!(!offered.contains("can't be shown"), "{offered}");
    let whole = picture(FileState::Complete, "~/.sealpost/files/route.png");
    assert!(whole.contains("▀▀▀"), "{whole}");
}

fn texts() -> impl Strategy<Value = String> {
    let nasty = prop_oneof![
        Just('\n'),
        Just(' '),
        Just('👩'),
        Just('\u{200d}'),
        Just('א'),
        prop::char::range('\0', '\u{9f}'),
        prop::char::range('\u{300}', '\u{310}'),
        prop::char::range('\u{900}', '\u{97f}'),
        prop::char::range('\u{1100}', '\u{11ff}'),
        prop::char::range('\u{2000}', '\u{206f}'),
        prop::char::range('\u{1f1e0}', '\u{1f3ff}'),
        any::<char>(),
    ];
    prop::collection::vec(nasty, 0..60).prop_map(String::from_iter)
}

/// Keys that a user might press, in any order.
const KEYS: &[&str] = &[
    "Tab",
    "S-Tab",
    "M-a",
    "C-t",
    "C-f",
    "M-v",
    "M-n",
    "M-m",
    "F1",
    "PgUp",
    "PgDn",
    "C-Home",
    "C-End",
    "M-Up",
    "Esc",
    "Enter",
    "M-Enter",
    "Up",
    "Down",
    "Left",
    "Right",
    "Home",
    "End",
    "Backspace",
    "Delete",
    "C-w",
    "C-k",
    "C-y",
    "C-z",
    "M-g",
    "M-t",
    "Tab",
    "i",
    "l",
    "x",
    "s",
    "a",
    "r",
    "e",
    "d",
    "y",
    "v",
    "o",
    "+",
    "1",
    "好",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_text_is_harmless_at_any_size(text in texts(), width in 1_u16..100, height in 1_u16..30) {
        let mut stage = shown(entry(&text), width, height);
        assert_harmless(&stage, &text);
        stage.press("M-Up o");
        assert_harmless(&stage, &text);
    }

    #[test]
    fn no_keys_at_any_size_panic(
        keys in prop::collection::vec(0..KEYS.len(), 0..25),
        sizes in prop::collection::vec((1_u16..100, 1_u16..30), 1..4),
    ) {
        let mut stage = stage(80, 24);
        for (at, key) in keys.iter().enumerate() {
            stage.press(KEYS[*key]);
            let (width, height) = sizes[at % sizes.len()];
            stage.take(Message::Resized(Size::new(width, height)));
            assert_harmless(&stage, KEYS[*key]);
            stage.wait(1);
        }
    }
}
