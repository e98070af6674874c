//! Cells, and how text gets into them.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use crate::Theme;
use crate::text::{glyphs, is_right_to_left, width};
use crate::theme::{Span, Tone};

/// The cells of a screen.
pub(super) struct Canvas {
    buffer: Buffer,
    theme: Theme,
}

impl Canvas {
    pub(super) fn new(area: Rect, theme: Theme) -> Self {
        Self { buffer: Buffer::empty(area), theme }
    }

    pub(super) fn into_buffer(self) -> Buffer {
        self.buffer
    }

    /// Writes the parts of a row into an area, as far as they fit, and returns the column behind them.
    pub(super) fn write(&mut self, area: Rect, row: u16, from: u16, line: &[Span]) -> u16 {
        if row >= area.height {
            return from;
        }
        let y = area.y.saturating_add(row);
        let mut column = from;
        for span in line {
            column = self.write_span(area, y, column, span);
        }
        column
    }

    /// Writes the parts of a row at the right edge of an area.
    pub(super) fn write_right(&mut self, area: Rect, row: u16, line: &[Span]) {
        let columns: usize = line.iter().map(|span| width(&span.text)).sum();
        let columns = u16::try_from(columns).unwrap_or(u16::MAX);
        if let Some(from) = area.width.checked_sub(columns) {
            self.write(area, row, from, line);
        }
    }

    /// Lays a style over a row of an area.
    pub(super) fn lay_over(&mut self, area: Rect, row: u16, style: Style) {
        let row = Rect { y: area.y.saturating_add(row), height: 1, ..area };
        self.buffer.set_style(row.intersection(self.buffer.area), style);
    }

    /// Marks a row as chosen.
    pub(super) fn choose(&mut self, area: Rect, row: u16) {
        self.lay_over(area, row, self.theme.chosen());
    }

    /// Empties an area.
    pub(super) fn clear(&mut self, area: Rect) {
        for position in area.intersection(self.buffer.area).positions() {
            if let Some(cell) = self.buffer.cell_mut(position) {
                cell.reset();
            }
        }
    }

    /// Text that is written from right to left is isolated, so that a terminal that reorders text
    /// moves nothing beside it.
    fn write_span(&mut self, area: Rect, y: u16, from: u16, span: &Span) -> u16 {
        let style = self.theme.style(span.tone);
        let is_isolated = is_right_to_left(&span.text);
        let mut column = from;
        let mut last = None;
        for glyph in glyphs(&span.text) {
            let glyph_width = u16::try_from(glyph.width).unwrap_or(u16::MAX);
            let end = column.saturating_add(glyph_width);
            if end > area.width {
                break;
            }
            let at = Position::new(area.x.saturating_add(column), y);
            if let Some(cell) = self.buffer.cell_mut(at) {
                let opening = if is_isolated && last.is_none() { FIRST_STRONG_ISOLATE } else { "" };
                cell.set_symbol(&format!("{opening}{}", glyph.text)).set_style(style);
                last = Some(at);
            }
            for behind in column.saturating_add(1)..end {
                let at = Position::new(area.x.saturating_add(behind), y);
                if let Some(cell) = self.buffer.cell_mut(at) {
                    cell.reset();
                    cell.set_style(style);
                }
            }
            column = end;
        }
        if let Some(cell) = last.filter(|_| is_isolated).and_then(|at| self.buffer.cell_mut(at)) {
            let symbol = format!("{}{POP_ISOLATE}", cell.symbol());
            cell.set_symbol(&symbol);
        }
        column
    }

    pub(super) fn rule(&mut self, area: Rect, row: u16, tone: Tone) {
        let line = "─".repeat(usize::from(area.width));
        self.write(area, row, 0, &[Span::new(tone, line)]);
    }
}

const FIRST_STRONG_ISOLATE: &str = "\u{2068}";
const POP_ISOLATE: &str = "\u{2069}";
