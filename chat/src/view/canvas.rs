//! Cells, and how text gets into them.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Style};

use super::placeholder::{colour, placeholder};
use crate::Theme;
use crate::text::{glyphs, is_right_to_left, width};
use crate::theme::{Span, Tone};
use crate::thumbnail::{Pictures, Thumbnail};

/// The cells of a screen.
pub(super) struct Canvas {
    buffer: Buffer,
    theme: Theme,
}

impl Canvas {
    pub(super) fn new(area: Rect, theme: Theme) -> Self {
        Self { buffer: Buffer::empty(area), theme }
    }

    pub(super) fn into_buffer(mut self) -> Buffer {
        for row in self.buffer.area.rows() {
            self.balance(row);
        }
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

    /// Draws a row of a picture into a row of an area.
    pub(super) fn draw_picture(
        &mut self,
        area: Rect,
        (row, from): (u16, u16),
        (picture, part): (&Thumbnail, u16),
        pictures: Pictures,
    ) {
        let mut draw = |column: u16, symbol: &str, colours: (Color, Color)| {
            let at = Position::new(area.x.saturating_add(column), area.y.saturating_add(row));
            if let Some(cell) = self.buffer.cell_mut(at) {
                cell.reset();
                cell.set_symbol(symbol).set_fg(colours.0).set_bg(colours.1);
            }
        };
        let Some(image) = picture.image() else {
            for (column, [upper, lower]) in (from..area.width).zip(picture.row(part)) {
                draw(column, UPPER_HALF, (pictures.colour(*upper), pictures.colour(*lower)));
            }
            return;
        };
        for (column, shown) in (from..area.width).zip(0..picture.columns()) {
            if let Some(symbol) = placeholder(part, shown) {
                draw(column, &symbol, (colour(image.id), Color::Reset));
            }
        }
    }

    /// Lays a style over a row of an area.
    pub(super) fn lay_over(&mut self, area: Rect, row: u16, style: Style) {
        let row = Rect { y: area.y.saturating_add(row), height: 1, ..area };
        self.buffer.set_style(row.intersection(self.buffer.area), style);
    }

    /// Marks a row as chosen.
    pub(super) fn choose(&mut self, area: Rect, row: u16) {
        self.lay_over(area, row, Theme::chosen());
    }

    /// Empties an area.
    pub(super) fn clear(&mut self, area: Rect) {
        for position in area.intersection(self.buffer.area).positions() {
            if let Some(cell) = self.buffer.cell_mut(position) {
                cell.reset();
            }
        }
    }

    fn write_span(&mut self, area: Rect, y: u16, from: u16, span: &Span) -> u16 {
        let style = self.theme.style(span.tone);
        let cell_at = |column: u16| Position::new(area.x.saturating_add(column), y);
        let mut column = from;
        let mut last = None;
        for glyph in glyphs(&span.text) {
            let end = column.saturating_add(u16::try_from(glyph.width).unwrap_or(u16::MAX));
            if end > area.width {
                break;
            }
            if let Some(cell) = self.buffer.cell_mut(cell_at(column)) {
                // A style is laid over what is there.
                cell.reset();
                cell.set_symbol(&glyph.text).set_style(style);
            }
            for behind in column.saturating_add(1)..end {
                if let Some(cell) = self.buffer.cell_mut(cell_at(behind)) {
                    cell.reset();
                    cell.set_style(style);
                }
            }
            last = Some(cell_at(column));
            column = end;
        }
        if let Some(last) = last.filter(|_| is_right_to_left(&span.text)) {
            let before = from.checked_sub(1).map(cell_at);
            self.isolate(before, last);
        }
        column
    }

    /// Isolates text that is written from right to left, so that a terminal that reorders text moves
    /// nothing beside it. Terminals add such characters to what was written before them, so each
    /// is behind another one.
    fn isolate(&mut self, before: Option<Position>, last: Position) {
        let Some(before) = before else { return };
        for (at, mark) in [(before, FIRST_STRONG_ISOLATE), (last, POP_ISOLATE)] {
            if let Some(cell) = self.buffer.cell_mut(at) {
                let symbol = format!("{}{mark}", cell.symbol());
                cell.set_symbol(&symbol);
            }
        }
    }

    /// Drops the isolates of which one end was drawn over: the rest of the row would be part of them.
    fn balance(&mut self, row: Rect) {
        let mut open = None;
        for at in row.positions() {
            let Some(cell) = self.buffer.cell(at) else { continue };
            let (opens, closes) = (
                cell.symbol().ends_with(FIRST_STRONG_ISOLATE),
                cell.symbol().contains(POP_ISOLATE),
            );
            if closes && open.take().is_none() {
                self.strip(at, POP_ISOLATE);
            }
            if opens && let Some(unclosed) = open.replace(at) {
                self.strip(unclosed, FIRST_STRONG_ISOLATE);
            }
        }
        if let Some(unclosed) = open {
            self.strip(unclosed, FIRST_STRONG_ISOLATE);
        }
    }

    fn strip(&mut self, at: Position, mark: &str) {
        if let Some(cell) = self.buffer.cell_mut(at) {
            let symbol = cell.symbol().replace(mark, "");
            cell.set_symbol(&symbol);
        }
    }

    /// Draws a frame around an area.
    pub(super) fn frame(&mut self, area: Rect) {
        let inner = usize::from(area.width.saturating_sub(2));
        let mut rule = |row: u16, left: &str, right: &str| {
            let line = format!("{left}{}{right}", "─".repeat(inner));
            self.write(area, row, 0, &[Span::new(Tone::Faint, line)]);
        };
        rule(0, "┌", "┐");
        rule(area.height.saturating_sub(1), "└", "┘");
        for row in 1..area.height.saturating_sub(1) {
            let side = [Span::new(Tone::Faint, "│")];
            self.write(area, row, 0, &side);
            self.write(area, row, area.width.saturating_sub(1), &side);
        }
    }
}

/// Its upper half has the colour of text, its lower half that of the background.
const UPPER_HALF: &str = "▀";

const FIRST_STRONG_ISOLATE: &str = "\u{2068}";
const POP_ISOLATE: &str = "\u{2069}";

/// What isolates text that is written from right to left.
pub(crate) const ISOLATES: [char; 2] = ['\u{2068}', '\u{2069}'];
