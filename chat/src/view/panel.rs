//! The frame of a list or a question, and text in it.

use std::borrow::Cow;

use ratatui::layout::{Position, Rect};

use super::canvas::Canvas;
use super::hints::fitting;
use crate::model::Composer;
use crate::text::{clip, width, wrap};
use crate::theme::{Line, Span, Tone};

/// A list or a question.
pub(super) struct Panel<'a> {
    title: String,
    input: Option<&'a Composer>,
    lines: Vec<Line>,
    chosen: Option<usize>,
    scrolled: usize,
    hint: Cow<'static, str>,
}

impl<'a> Panel<'a> {
    /// An empty panel. The hint says how to go on: several ones, the most useful first, then how to
    /// leave, with dots between them.
    pub(super) fn new(title: impl Into<String>, hint: impl Into<Cow<'static, str>>) -> Self {
        let (title, hint) = (title.into(), hint.into());
        Self { title, input: None, lines: Vec::new(), chosen: None, scrolled: 0, hint }
    }

    /// A panel with a line to write in.
    pub(super) fn with_input(self, input: &'a Composer) -> Self {
        Self { input: Some(input), ..self }
    }

    /// A panel with text.
    pub(super) fn with_lines(self, lines: Vec<Line>) -> Self {
        Self { lines, ..self }
    }

    /// A panel whose first lines are scrolled away.
    pub(super) fn scrolled(self, scrolled: usize) -> Self {
        Self { scrolled, ..self }
    }

    /// A panel with a list, of which one line is chosen.
    pub(super) fn with_list(self, lines: Vec<Line>, chosen: usize) -> Self {
        Self { lines, chosen: Some(chosen), ..self }
    }

    /// Draws the panel into an area, and returns where the cursor is.
    pub(super) fn draw(&self, canvas: &mut Canvas, area: Rect) -> Option<Position> {
        canvas.clear(area);
        canvas.frame(area);
        let room = usize::from(area.width).saturating_sub(6);
        let title = format!(" {} ", clip(&self.title, room));
        canvas.write(area, 0, 2, &[Span::new(Tone::Strong, title)]);
        if area.height > 3 {
            let hint = format!(" {} ", fitting(&self.hint, room));
            canvas.write(area, area.height.saturating_sub(1), 2, &[Span::new(Tone::Faint, hint)]);
        }
        let mut inner = Rect {
            x: area.x.saturating_add(2),
            y: area.y.saturating_add(1),
            width: area.width.saturating_sub(4),
            height: area.height.saturating_sub(2),
        };
        let cursor = self.input.and_then(|input| draw_input(canvas, &mut inner, input));
        let height = usize::from(inner.height);
        let first = match self.chosen {
            Some(chosen) => chosen.saturating_add(1).saturating_sub(height),
            None => self.scrolled.min(self.lines.len().saturating_sub(height)),
        };
        for (row, (at, line)) in (0..inner.height).zip(self.lines.iter().enumerate().skip(first)) {
            canvas.write(inner, row, 0, line);
            if self.chosen == Some(at) {
                canvas.choose(inner, row);
            }
        }
        cursor
    }
}

fn draw_input(canvas: &mut Canvas, area: &mut Rect, input: &Composer) -> Option<Position> {
    let row = Rect { height: area.height.min(1), ..*area };
    let before = input.text().get(..input.cursor()).unwrap_or_default();
    let room = usize::from(area.width).saturating_sub(3).max(1);
    // The end of a long text is what matters.
    let skipped = wrap(before, room).last().map_or(0, |range| range.start);
    let shown = input.text().get(skipped..).unwrap_or_default();
    canvas.write(row, 0, 0, &[Span::new(Tone::Strong, "> "), Span::new(Tone::Text, shown)]);
    let column = width(before.get(skipped..).unwrap_or_default()).min(room).saturating_add(2);
    let cursor = Position::new(row.x.saturating_add(u16::try_from(column).ok()?), row.y);
    area.y = area.y.saturating_add(row.height);
    area.height = area.height.saturating_sub(row.height);
    row.contains(cursor).then_some(cursor)
}

/// Text in a panel.
pub(super) struct Paragraphs {
    lines: Vec<Line>,
    columns: usize,
}

impl Paragraphs {
    pub(super) const fn new(columns: usize) -> Self {
        Self { lines: Vec::new(), columns }
    }

    /// Adds one line.
    pub(super) fn push(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// Count of lines so far.
    pub(super) const fn len(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn into_lines(self) -> Vec<Line> {
        self.lines
    }

    /// Adds a paragraph.
    pub(super) fn say(&mut self, tone: Tone, text: &str) {
        for range in wrap(text, self.columns) {
            self.lines.push(vec![Span::new(tone, text.get(range).unwrap_or_default())]);
        }
    }

    /// A safety number, in rows of 20 digits, as other screens show it.
    pub(super) fn say_number(&mut self, tone: Tone, number: &str) {
        let groups: Vec<&str> = number.split_whitespace().collect();
        for row in groups.chunks(4) {
            self.lines.push(vec![Span::new(tone, format!("  {}", row.join(" ")))]);
        }
    }
}
