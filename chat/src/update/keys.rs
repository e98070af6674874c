//! The keys: one table, from which the help is made, too.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{Effect, commands, overlays, selection};
use crate::model::{Composer, Edit, Model, Prefix};

/// What a key does in the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Send,
    SendFile,
    Next,
    Previous,
    NextUnread,
    Switcher,
    Search,
    PageUp,
    PageDown,
    Oldest,
    Newest,
    Select,
    SafetyNumber,
    NewGroup,
    Mute,
    Block,
    Expiry,
    Connect,
    Name,
    OpenEditor,
    Help,
    Redraw,
    Suspend,
    Back,
    Quit,
    Edit(Edit),
}

/// Keys, separated by spaces, what they do, and how the help says that.
pub(crate) struct Binding {
    pub(crate) keys: &'static str,
    pub(crate) command: Command,
    pub(crate) about: &'static str,
}

/// The keys of one purpose.
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) bindings: &'static [Binding],
}

/// All keys of the conversation.
pub(crate) const fn bindings() -> [Group; 3] {
    [
        Group { title: "Conversations", bindings: CONVERSATIONS },
        Group { title: "History", bindings: HISTORY },
        Group { title: "Writing", bindings: WRITING },
    ]
}

macro_rules! keys {
    ($($keys:literal => $command:expr, $about:literal;)+) => {
        &[$(Binding { keys: $keys, command: $command, about: $about },)+]
    };
}

const CONVERSATIONS: &[Binding] = keys! {
    "Tab C-n" => Command::Next, "next conversation; behind an @, completes the name of who is meant";
    "S-Tab C-p" => Command::Previous, "previous conversation";
    "M-a" => Command::NextUnread, "next conversation with unread messages";
    "C-t M-k" => Command::Switcher, "go to a person, a group, or a new phone number";
    "C-f C-r" => Command::Search, "search all messages";
    "M-v" => Command::SafetyNumber, "safety number; of a group its members, and all that can be done";
    "M-n" => Command::Name, "name of the contact or the group";
    "M-g" => Command::NewGroup, "make a group";
    "M-m" => Command::Mute, "mute";
    "M-x" => Command::Block, "block, or no longer";
    "M-t" => Command::Expiry, "let messages disappear after a time";
    "M-r" => Command::Connect, "connect now, also after the account went online elsewhere";
    "F1 M-h" => Command::Help, "this help";
    "C-l" => Command::Redraw, "draw the screen again";
    "C-z" => Command::Suspend, "stop for a while; fg in the shell goes on";
    "C-q" => Command::Quit, "quit; so does C-c twice";
};

const HISTORY: &[Binding] = keys! {
    "PgUp" => Command::PageUp, "up";
    "PgDn" => Command::PageDown, "down";
    "C-Home" => Command::Oldest, "as far up as is loaded; Home, if nothing is written";
    "C-End" => Command::Newest, "to the latest message; End, if nothing is written";
    "C-Up M-Up" => Command::Select, "select a message";
    "Esc C-g" => Command::Back, "back: no answer, no selection, no warning";
};

const WRITING: &[Binding] = keys! {
    "Enter" => Command::Send, "send";
    "M-o" => Command::SendFile, "send a file; what is written goes with it";
    "M-Enter C-j S-Enter" => Command::Edit(Edit::NewLine), "new line";
    "M-e" => Command::OpenEditor, "write in $EDITOR; so does C-x C-e";
    "Up" => Command::Edit(Edit::LineUp), "line up; edits your last message if nothing is written";
    "Down" => Command::Edit(Edit::LineDown), "line down";
    "Left C-b" => Command::Edit(Edit::Left), "left";
    "Right" => Command::Edit(Edit::Right), "right";
    "M-b C-Left M-Left" => Command::Edit(Edit::WordLeft), "word left";
    "M-f C-Right M-Right" => Command::Edit(Edit::WordRight), "word right";
    "C-a Home" => Command::Edit(Edit::LineStart), "beginning of the line";
    "C-e End" => Command::Edit(Edit::LineEnd), "end of the line";
    "Backspace C-h" => Command::Edit(Edit::DeleteLeft), "delete to the left";
    "Delete C-d" => Command::Edit(Edit::DeleteRight), "delete to the right";
    "C-w M-Backspace" => Command::Edit(Edit::KillWordLeft), "cut the word to the left";
    "M-d" => Command::Edit(Edit::KillWordRight), "cut the word to the right";
    "C-u" => Command::Edit(Edit::KillToLineStart), "cut to the beginning of the line";
    "C-k" => Command::Edit(Edit::KillToLineEnd), "cut to the end of the line";
    "C-y" => Command::Edit(Edit::Yank), "insert what was cut";
};

/// A key was pressed.
pub(super) fn press(model: &mut Model, key: KeyEvent, effects: &mut Vec<Effect>) {
    if key.kind == KeyEventKind::Release {
        return;
    }
    model.remark = None;
    let name = key_name(key);
    let prefix = std::mem::take(&mut model.prefix);
    match (prefix, name.as_str()) {
        (Prefix::ControlX, "C-e") => commands::run(model, Command::OpenEditor, effects),
        (Prefix::ControlC, "C-c") => commands::run(model, Command::Quit, effects),
        (_, "C-c") => {
            model.prefix = Prefix::ControlC;
            model.remark = Some("C-c again quits.".to_owned());
        }
        (_, "C-x") => model.prefix = Prefix::ControlX,
        _ if model.overlay.is_some() => overlays::press(model, &name, key, effects),
        _ if model.thread.as_ref().is_some_and(|thread| thread.selected.is_some()) => {
            selection::press(model, &name, effects);
        }
        _ => match command(&name) {
            Some(command) => commands::run(model, command, effects),
            None => {
                type_into(&mut model.composer, key);
            }
        },
    }
}

/// A text was pasted, or typed by an input method.
pub(super) fn insert(model: &mut Model, text: &str) {
    if model.overlay.is_none() {
        model.composer.insert(text);
    } else if let Some(input) = overlays::input(model) {
        input.insert(&text.replace(['\n', '\r'], " "));
    }
}

/// The command of a key.
pub(super) fn command(name: &str) -> Option<Command> {
    let groups = bindings();
    let mut all = groups.iter().flat_map(|group| group.bindings);
    let found = all.find(|binding| binding.keys.split(' ').any(|key| key == name))?;
    Some(found.command)
}

/// Inserts the character of a key, if it has one.
pub(super) fn type_into(composer: &mut Composer, key: KeyEvent) {
    let steers = KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SUPER;
    if let KeyCode::Char(c) = key.code
        && !key.modifiers.intersects(steers)
    {
        composer.insert(c.encode_utf8(&mut [0; 4]));
    }
}

/// The name of a key, as the tables have it.
pub(super) fn key_name(key: KeyEvent) -> String {
    let mut name = String::new();
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        name.push_str("C-");
    }
    if key.modifiers.contains(KeyModifiers::ALT) {
        name.push_str("M-");
    }
    let is_shifted = key.modifiers.contains(KeyModifiers::SHIFT);
    if key.code == KeyCode::BackTab || (is_shifted && !matches!(key.code, KeyCode::Char(_))) {
        name.push_str("S-");
    }
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are called as they are written")]
    match key.code {
        KeyCode::Char(' ') => name.push_str("Space"),
        KeyCode::Char(c) => name.push(c),
        KeyCode::F(number) => name.extend(["F", &number.to_string()]),
        KeyCode::BackTab => name.push_str("Tab"),
        KeyCode::PageUp => name.push_str("PgUp"),
        KeyCode::PageDown => name.push_str("PgDn"),
        other => name.extend([format!("{other:?}")]),
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage;
    use std::collections::BTreeSet;

    #[test]
    fn each_key_does_one_thing() {
        let mut seen = BTreeSet::new();
        for binding in bindings().iter().flat_map(|group| group.bindings) {
            for key in binding.keys.split(' ') {
                assert!(seen.insert(key), "{key} has two meanings");
            }
        }
    }

    #[test]
    fn each_key_of_the_help_is_pressed_under_its_name() {
        for binding in bindings().iter().flat_map(|group| group.bindings) {
            for name in binding.keys.split(' ') {
                assert_eq!(key_name(stage::key(name).unwrap()), name);
                assert_eq!(command(name), Some(binding.command), "{name}");
            }
        }
    }

    #[test]
    fn keys_have_the_names_of_the_tables() {
        for (modifiers, code, name) in [
            (KeyModifiers::CONTROL, KeyCode::Char('a'), "C-a"),
            (KeyModifiers::ALT, KeyCode::Enter, "M-Enter"),
            (KeyModifiers::SHIFT, KeyCode::BackTab, "S-Tab"),
            (KeyModifiers::SHIFT, KeyCode::Char('A'), "A"),
            (KeyModifiers::NONE, KeyCode::PageUp, "PgUp"),
            (KeyModifiers::NONE, KeyCode::F(1), "F1"),
        ] {
            assert_eq!(key_name(KeyEvent::new(code, modifiers)), name);
        }
    }
}
