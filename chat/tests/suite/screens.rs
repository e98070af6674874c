//! Screens of the demo, compared with those in `tests/screens`. `SEALPOST_WRITE_SCREENS=1` writes
//! them.

use std::fs;
use std::path::Path;

use ratatui::buffer::Cell;
use ratatui::layout::Size;
use ratatui::style::Color;
use sealpost_chat::{Stage, Theme};

use crate::support::{now, stage, text};

const SIZES: [(u16, u16); 3] = [(80, 24), (40, 10), (120, 40)];

#[test]
fn screens_are_as_they_were() {
    let mut differing = Vec::new();
    for (name, keys, secs) in [
        ("start", "", 0),
        ("group", "M-a", 1),
        ("key-changed", "C-t b e n Enter", 0),
        ("key-question", "C-t b e n Enter M-v", 0),
        ("wide-and-right-to-left", "C-t + 1 5 5 5 0 1 0 0 1 0 4 Enter", 0),
        ("switcher", "C-t a n", 0),
        ("look-up", "C-t + 1 Space 5 5 5 Space 0 1 9 - 9 9 9 9", 0),
        ("search", "C-f h u t Space w a", 0),
        ("search-result", "C-f 1 2 Space k m Enter", 0),
        ("help", "F1", 0),
        ("selected", "M-Up Up Up", 0),
        ("reply", "M-Up Up Up r I Space c a n", 0),
        ("react", "M-Up +", 0),
        ("delete", "C-t 1 0 1 Enter H i Enter M-Up d", 0),
        ("mute", "M-m Down", 0),
        ("safety-number", "M-v", 0),
        ("composer", "o n e M-Enter t w o M-Enter t h r e e", 0),
        ("sent", "H e l l o Enter", 1),
        ("answered", "H e l l o Enter", 7),
        ("offline", "", 42),
        ("scrolled", "PgUp PgUp", 0),
        ("group-copies", "M-a M-Up Up Up", 0),
        ("group-members", "M-a M-v", 0),
        ("group-new", "M-g C l i m b e r s", 0),
        ("group-invite", "M-a M-v i b e n Tab", 0),
        ("group-leave", "M-a M-v l", 0),
        ("block", "M-x", 0),
        ("expiry", "M-t Down", 0),
        ("picture", "M-Up Up Up Up o Esc", 0),
        ("file-offered", "C-t m u m Enter", 0),
        ("file-underway", "C-t m u m Enter M-Up y Esc", 2),
        ("file-send", "M-o", 0),
    ] {
        for (width, height) in SIZES {
            let mut stage = stage(width, height);
            stage.press(keys);
            stage.wait(secs);
            compare(&format!("{name}-{width}x{height}"), &stage, &mut differing);
        }
    }
    for (width, height) in SIZES {
        let mut stage = stage(width, height);
        stage.wait(61);
        stage.press("C-t c h o i r Enter M-v");
        compare(&format!("group-invitation-{width}x{height}"), &stage, &mut differing);
    }
    assert!(differing.is_empty(), "SEALPOST_WRITE_SCREENS=1 writes\n{}", differing.join("\n"));
}

fn compare(name: &str, stage: &Stage, differing: &mut Vec<String>) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens").join(format!("{name}.txt"));
    let shown = text(&stage.picture());
    if std::env::var_os("SEALPOST_WRITE_SCREENS").is_some() {
        fs::write(path, shown).unwrap();
    } else if fs::read_to_string(&path).unwrap_or_default() != shown {
        differing.push(format!("{name}, now\n{shown}"));
    }
}

#[test]
fn plain_theme_has_no_colours() {
    let mut stage = Stage::new(Size::new(80, 24), now(), Theme::Plain);
    for keys in ["", "M-Up", "M-v", "Esc Esc C-t b e n Enter", "F1"] {
        stage.press(keys);
        let buffer = stage.picture().buffer;
        let is_plain = |cell: &Cell| cell.fg == Color::Reset && cell.bg == Color::Reset;
        assert!(buffer.content().iter().all(is_plain), "{keys}");
    }
}
