//! Hints at keys, of which as many are shown as there is room for.

use sealpost_messenger::api::{Body, Entry, FileState, Peer};

use super::parts::count;
use crate::Keeping;
use crate::layout::Screen;
use crate::model::{Model, has_failed, unread};
use crate::text::{clip, width};

/// Hints for the last row of the screen: how to go on, the most useful first, then the key of the
/// help.
pub(super) fn hints(model: &Model) -> String {
    let selected = model.thread.as_ref().and_then(|thread| thread.selected_entry());
    let hints = match (&model.overlay, selected) {
        // A panel has its own.
        (Some(_), _) => Vec::new(),
        (None, Some(entry)) => of_selected(model, entry),
        (None, None) => of_writing(model),
    };
    let hints = hints.into_iter().map(|(key, about)| format!("{key} {about}"));
    hints.chain(["F1 help".to_owned()]).collect::<Vec<_>>().join(SEPARATOR)
}

/// As many whole hints as fit. The last one is never left out.
pub(super) fn fitting(hints: &str, columns: usize) -> String {
    let last = last(hints);
    let before: Vec<&str> = hints.split(SEPARATOR).collect();
    let before = before.split_last().map_or(&[][..], |(_, before)| before);
    let shown = |count: usize| -> String {
        let first = before.iter().take(count).copied();
        first.chain([last]).collect::<Vec<_>>().join(SEPARATOR)
    };
    let fits = |shown: &String| width(shown) <= columns;
    let found = (0..=before.len()).rev().map(shown).find(fits);
    found.unwrap_or_else(|| clip(last, columns).into_owned())
}

/// The last one of some hints.
pub(super) fn last(hints: &str) -> &str {
    hints.rsplit(SEPARATOR).next().unwrap_or_default()
}

/// A key, and what it does.
type Hint = (&'static str, String);

fn of_writing(model: &Model) -> Vec<Hint> {
    let open = model.thread.as_ref().map(|thread| thread.with);
    let others = model.conversations.iter().filter(|known| Some(known.with) != open);
    let unread: u64 = others.map(unread).sum();
    let mut hints = Vec::new();
    if unread > 0 {
        // Where there is a list of conversations, it has the counts.
        let is_listed = Screen::of(model).sidebar.width > 0;
        let about = if is_listed {
            "next unread".to_owned()
        } else {
            format!("unread ({})", count(unread))
        };
        hints.push(("M-a", about));
    }
    hints.push(("C-t", "go to".to_owned()));
    let panel = match open {
        Some(Peer::Group(_)) => "members",
        Some(Peer::Person(_)) => "safety number",
        None => return hints,
    };
    for (key, about) in
        [("M-Up", "select"), ("M-o", "send a file"), ("M-v", panel), ("C-f", "search")]
    {
        hints.push((key, about.to_owned()));
    }
    hints
}

fn of_selected(model: &Model, entry: &Entry) -> Vec<Hint> {
    let is_own = entry.from.is_none();
    let mut hints: Vec<(&str, &str)> = Vec::new();
    if let Body::File { state, .. } = &entry.body {
        match (state, is_own) {
            (FileState::Offered, false) if model.keeping == Keeping::Nothing => {
                hints.push(("n", "refuse"));
            }
            (FileState::Offered, false) => hints.extend([("y", "accept"), ("n", "refuse")]),
            (FileState::Offered | FileState::Underway, _) => hints.push(("x", "give up")),
            (
                FileState::Complete
                | FileState::Refused
                | FileState::Cancelled
                | FileState::Failed
                | FileState::Unknown,
                _,
            ) => {}
        }
    }
    if has_failed(entry) {
        hints.push(("R", "send again"));
    }
    if matches!(entry.body, Body::Invitation { .. } | Body::Notice { .. }) {
        hints.push(("Esc", "back"));
    } else {
        hints.extend([
            ("r", "answer"),
            ("Esc", "back"),
            ("+", "react"),
            ("c", "copy"),
            ("o", "open"),
        ]);
        if is_own {
            hints.extend([("e", "edit"), ("d", "delete")]);
        }
    }
    hints.into_iter().map(|(key, about)| (key, about.to_owned())).collect()
}

const SEPARATOR: &str = " · ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_hints_fit_and_the_last_one_stays() {
        let hints = "r answer · Esc back · c copy · F1 help";
        for (columns, shown) in [
            (80, hints),
            (38, hints),
            (37, "r answer · Esc back · F1 help"),
            (28, "r answer · F1 help"),
            (17, "F1 help"),
            (7, "F1 help"),
            (4, "F1 …"),
            (0, ""),
        ] {
            assert_eq!(fitting(hints, columns), shown, "{columns}");
        }
    }
}
