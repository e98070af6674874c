//! The mouse.

use ratatui::crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::overlays::{choose, entry_at, peer_at};
use super::{Effect, opening};
use crate::layout::{Screen, scroll};
use crate::model::Model;

pub(super) fn act(model: &mut Model, event: MouseEvent, effects: &mut Vec<Effect>) {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others do nothing")]
    let step = match event.kind {
        MouseEventKind::ScrollUp => -WHEEL_ROWS,
        MouseEventKind::ScrollDown => WHEEL_ROWS,
        MouseEventKind::Down(MouseButton::Left) => {
            return click(model, Position::new(event.column, event.row), effects);
        }
        _ => return,
    };
    if model.overlay.is_some() {
        choose(model, step.signum());
    } else {
        scroll(model, step);
    }
}

fn click(model: &mut Model, at: Position, effects: &mut Vec<Effect>) {
    if model.overlay.is_some() {
        return;
    }
    let screen = Screen::of(model);
    if screen.sidebar.contains(at) {
        let row = at.y.saturating_sub(screen.sidebar.y);
        if let Some(with) = peer_at(model, usize::from(row)) {
            opening::open(model, with, effects);
        }
    } else if screen.thread.contains(at) {
        let row = usize::from(at.y.saturating_sub(screen.thread.y));
        let entry = entry_at(model, row);
        if let Some(thread) = &mut model.thread {
            thread.selected = entry.filter(|entry| thread.selected != Some(*entry));
        }
    } else if screen.composer.contains(at)
        && let Some(thread) = &mut model.thread
    {
        thread.selected = None;
    }
}

const WHEEL_ROWS: isize = 3;
