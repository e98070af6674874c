//! The part of a conversation's rows that is on the screen.

use crate::model::{Model, Position};

use super::{GUTTER_WIDTH, MARGIN_WIDTH, Row, Screen, entry_rows};
use crate::thumbnail::Bounds;

/// The rows of the open conversation, and which of them are on the screen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    pub(crate) rows: Vec<Row>,
    /// Index of the first row on the screen.
    pub(crate) first: usize,
    /// Count of rows on the screen.
    pub(crate) count: usize,
    /// Rows that the screen has room for.
    pub(crate) height: usize,
}

impl Window {
    pub(crate) fn of(model: &Model) -> Self {
        let area = Screen::of(model).thread;
        let height = usize::from(area.height);
        let Some(thread) = &model.thread else { return Self { height, ..Self::default() } };
        let rows = entry_rows::rows(model, thread, usize::from(area.width));
        let last_first = rows.len().saturating_sub(height);
        let find = |entry| rows.iter().position(|row| row.entry == entry);
        let first = match thread.position {
            Position::End => last_first,
            Position::From { entry, row } => {
                find(entry).map_or(last_first, |at| at.saturating_add(row))
            }
            Position::Around { entry } => {
                find(entry).map_or(last_first, |at| at.saturating_sub(height / 3))
            }
        };
        let first = first.min(last_first);
        Self { first, count: height.min(rows.len()), height, rows }
    }

    /// The rows on the screen.
    pub(crate) fn visible(&self) -> &[Row] {
        let end = self.first.saturating_add(self.count);
        self.rows.get(self.first..end).unwrap_or_default()
    }

    /// Bounds for a picture on this screen: a third of it, or all of it for one that was opened.
    pub(crate) fn picture_bounds(model: &Model, entry: u64) -> Bounds {
        let area = Screen::of(model).thread;
        let taken = u16::try_from(GUTTER_WIDTH.saturating_add(MARGIN_WIDTH)).unwrap_or(u16::MAX);
        let is_open = model.thread.as_ref().is_some_and(|open| open.unfolded.contains(&entry));
        let rows = if is_open { area.height.saturating_sub(2) } else { model.size.height / 3 };
        Bounds { columns: area.width.saturating_sub(taken).max(1), rows: rows.max(1) }
    }

    /// The last entry whose last row is on the screen.
    pub(crate) fn last_seen(&self) -> Option<u64> {
        let last = self.visible().last()?.entry;
        let next = self.rows.get(self.first.saturating_add(self.count));
        if next.is_none_or(|next| next.entry != last) {
            return Some(last);
        }
        self.visible().iter().rev().map(|row| row.entry).find(|entry| *entry != last)
    }

    /// Count of rows below the screen.
    pub(crate) fn below(&self) -> usize {
        self.rows.len().saturating_sub(self.first.saturating_add(self.count))
    }

    /// The position at which a row is the first one on the screen.
    fn position_of(&self, first: usize) -> Position {
        if first >= self.rows.len().saturating_sub(self.height) {
            return Position::End;
        }
        let Some(row) = self.rows.get(first) else { return Position::End };
        let start = self.rows.iter().position(|other| other.entry == row.entry).unwrap_or(first);
        Position::From { entry: row.entry, row: first.saturating_sub(start) }
    }
}

/// Moves the open conversation by a count of rows; up if it is negative.
pub(crate) fn scroll(model: &mut Model, rows: isize) {
    let window = Window::of(model);
    let position = window.position_of(window.first.saturating_add_signed(rows));
    if let Some(thread) = &mut model.thread {
        thread.position = position;
    }
}

/// Moves the open conversation so that an entry is on the screen.
pub(crate) fn reveal(model: &mut Model, entry: u64) {
    let window = Window::of(model);
    let Some(start) = window.rows.iter().position(|row| row.entry == entry) else { return };
    let end = window.rows.iter().rposition(|row| row.entry == entry).unwrap_or(start);
    let first = if start < window.first {
        start
    } else if end >= window.first.saturating_add(window.height) {
        end.saturating_add(1).saturating_sub(window.height).min(start)
    } else {
        return;
    };
    let position = window.position_of(first);
    if let Some(thread) = &mut model.thread {
        thread.position = position;
    }
}
