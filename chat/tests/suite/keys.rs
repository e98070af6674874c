//! What the screen says of keys, against what they do.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use sealpost_chat::{Request, Stage};

use crate::support::{deeds, rows, stage, text};

/// Keys of a section of the help, or of all of it.
fn keys_of_help(section: Option<&str>) -> BTreeSet<String> {
    let mut stage = stage(120, 30);
    stage.press("F1");
    let mut found = BTreeSet::new();
    for _ in 0..8 {
        let mut is_in = section.is_none();
        for row in rows(&stage.picture().buffer) {
            let Some((_, row)) = row.split_once("│ ") else { continue };
            if let Some(section) = section
                && !row.starts_with(' ')
            {
                is_in = row.starts_with(section);
            }
            // Names have the first columns, what they mean the others.
            let names: String = row.chars().take(24).collect();
            if is_in && row.starts_with("  ") {
                found.extend(names.split_whitespace().map(str::to_owned));
            }
        }
        // A section is longer than what is left of it below the last page.
        stage.press("Down Down Down Down Down Down Down Down Down Down");
    }
    found
}

fn last_row(stage: &Stage) -> String {
    rows(&stage.picture().buffer).pop().unwrap()
}

#[test]
fn keys_that_any_screen_names_are_in_the_help() {
    let known = keys_of_help(None);
    assert!(known.contains("M-Up") && known.contains("C-z"), "{known:?}");
    let screens = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens");
    let mut count = 0;
    for file in fs::read_dir(screens).unwrap() {
        let screen = fs::read_to_string(file.unwrap().path()).unwrap();
        for word in screen.split(|c: char| c.is_whitespace() || ",;.:)".contains(c)) {
            let modified = ["C-", "M-", "S-"].iter().any(|prefix| word.starts_with(prefix));
            if modified && word.len() > 2 {
                // The second half of C-x C-e, and C-c, which the help has in words.
                let is_said = ["C-x", "C-e", "C-c"].contains(&word);
                assert!(known.contains(word) || is_said, "{word}");
                count += 1;
            }
        }
    }
    assert!(count > 100, "{count} keys were found");
}

#[test]
fn hints_of_the_last_row_are_keys_of_the_help() {
    let (all, of_selected) = (keys_of_help(None), keys_of_help(Some("A selected message")));
    for (known, keys) in [
        (&all, ""),
        (&all, "M-a"),
        (&all, "C-t 1 0 1 0 5 Enter"),
        (&of_selected, "M-Up"),
        (&of_selected, "C-t m u m Enter M-Up"),
        (&of_selected, "H i Enter M-Up"),
    ] {
        let mut stage = stage(200, 24);
        stage.press(keys);
        let row = last_row(&stage);
        let (_, hints) = row.split_once("connected").unwrap();
        let hints: Vec<&str> = hints.split(" · ").map(str::trim).collect();
        assert!(hints.len() > 3, "{row}");
        let (help, hints) = hints.split_last().unwrap();
        assert_eq!(*help, "F1 help");
        for hint in hints {
            let key = hint.split(' ').next().unwrap();
            assert!(known.contains(key), "{keys}: {hint:?} in {known:?}");
        }
    }
}

#[test]
fn keys_of_a_selected_message_all_do_something() {
    for name in keys_of_help(Some("A selected message")) {
        let mut stage = stage(80, 24);
        stage.press("M-Up Up Up");
        let before = text(&stage.picture());
        stage.press(&name);
        let after = text(&stage.picture());
        assert_ne!(before, after, "{name}");
        assert!(!after.contains("A message is selected"), "{name}: {after}");
    }
}

#[test]
fn connection_is_made_on_demand() {
    let mut stage = stage(80, 24);
    deeds(&mut stage);
    stage.press("M-r");
    assert!(matches!(deeds(&mut stage)[..], [Request::Connect(_)]));
}

#[test]
fn next_unread_is_offered_where_its_key_goes_there() {
    for (width, hint) in [(40, "M-a unread (2) · F1 help"), (80, "M-a next unread · ")] {
        let mut stage = stage(width, 24);
        assert!(last_row(&stage).contains(hint), "{}", last_row(&stage));
        stage.press("C-t");
        assert!(!last_row(&stage).contains("M-a"), "the key does nothing here");
        stage.press("Esc M-a");
        let screen = text(&stage.picture());
        assert!(screen.contains("# Family  4 members"), "{screen}");
        assert!(!last_row(&stage).contains("M-a"), "nothing else is unread");
    }
}
