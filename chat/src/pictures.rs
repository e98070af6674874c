//! Pictures of the screen for documents, as SVG, with the people of the demo.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Rect, Size};
use ratatui::style::{Color, Modifier};
use sealpost_core::time::Timestamp;
use sealpost_messenger::api::Time;
use unicode_width::UnicodeWidthStr;

use crate::view::ISOLATES;
use crate::{Stage, Theme};

/// The names of the pictures, and the pictures. They are always the same.
pub fn pictures() -> Vec<(&'static str, String)> {
    SCENES
        .iter()
        .map(|(name, (width, height), theme, keys)| {
            let mut stage = Stage::new(Size::new(*width, *height), Time(NOON), *theme);
            stage.press(keys);
            stage.wait(1);
            (*name, svg(&stage.picture().buffer, *theme))
        })
        .collect()
}

/// Name, size, colours, and the keys that lead there.
type Scene = (&'static str, (u16, u16), Theme, &'static str);

const SCENES: [Scene; 5] = [
    ("chat-80x24.svg", (80, 24), Theme::Dark, "S e e Space y o u Space t h e r e"),
    ("chat-40x10.svg", (40, 10), Theme::Dark, "End"),
    ("chat-group-80x24.svg", (80, 24), Theme::Dark, "M-a M-v Down"),
    ("chat-key-80x24.svg", (80, 24), Theme::Dark, "C-t b e n Enter M-v"),
    ("chat-search-80x24.svg", (80, 24), Theme::Light, "C-f h u t"),
];

/// 2026-11-26 12:03:00.
const NOON: Timestamp = Timestamp::from_unix_secs(1_795_694_580);

/// The cells of a buffer as SVG.
fn svg(buffer: &Buffer, theme: Theme) -> String {
    let area = buffer.area;
    let colours = Palette::of(theme);
    let (width, height) = (x_of(area.width) + 2 * X_MARGIN, y_of(area.height) + 2 * Y_MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{height}\" viewBox=\"0 0 {} {height}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{}\"/>\n\
         <g font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" \
         font-size=\"14\" xml:space=\"preserve\">\n",
        tenths(width),
        tenths(width),
        colours.background
    );
    for row in area.rows() {
        for run in runs(buffer, row) {
            run.write(&mut out, &colours);
        }
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// Cells beside each other that look alike.
struct Run<'a> {
    x: u16,
    y: u16,
    columns: u16,
    text: String,
    look: &'a Cell,
}

fn runs(buffer: &Buffer, row: Rect) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    let mut covered = 0;
    for at in row.positions() {
        let Some(cell) = buffer.cell(at).filter(|_| at.x >= covered) else { continue };
        let symbol = cell.symbol().replace(ISOLATES, "");
        let columns = u16::try_from(symbol.width()).unwrap_or(1).max(1);
        covered = at.x.saturating_add(columns);
        match runs.last_mut() {
            // A wide character begins a run, so that it is where it belongs whatever its font says.
            Some(run)
                if columns == 1 && run.columns_of_last() == 1 && looks_like(run.look, cell) =>
            {
                run.text.push_str(&symbol);
                run.columns = run.columns.saturating_add(1);
            }
            _ => runs.push(Run { x: at.x, y: at.y, columns, text: symbol, look: cell }),
        }
    }
    runs
}

impl Run<'_> {
    fn columns_of_last(&self) -> usize {
        if self.columns == 2 && self.text.width() == 2 && self.text.chars().count() == 1 {
            2
        } else {
            1
        }
    }

    /// Writes the two pixels of each cell of a picture.
    fn write_pixels(&self, out: &mut String) {
        let (x, y) = (tenths(x_of(self.x) + X_MARGIN), y_of(self.y) + Y_MARGIN);
        let (width, half) = (tenths(x_of(self.columns)), ROW_HEIGHT / 2);
        for (colour, y) in [(self.look.fg, y), (self.look.bg, y + half)] {
            if let Color::Rgb(red, green, blue) = colour {
                let _ = writeln!(
                    out,
                    "<path d=\"M{x} {y}h{width}v{half}h-{width}\" fill=\"#{red:02x}{green:02x}{blue:02x}\" \
                     shape-rendering=\"crispEdges\"/>"
                );
            }
        }
    }

    fn write(&self, out: &mut String, colours: &Palette) {
        if self.look.bg != Color::Reset {
            return self.write_pixels(out);
        }
        let is_reversed = self.look.modifier.contains(Modifier::REVERSED);
        let mut colour = colours.of_text(self.look.fg);
        let (x, y) = (x_of(self.x) + X_MARGIN, y_of(self.y) + Y_MARGIN);
        let width = tenths(x_of(self.columns));
        // Writing to a string can't fail.
        if is_reversed {
            let _ = writeln!(
                out,
                "<rect x=\"{}\" y=\"{y}\" width=\"{width}\" height=\"{ROW_HEIGHT}\" fill=\"{colour}\"/>",
                tenths(x)
            );
            colour = colours.background;
        }
        if self.text.trim().is_empty() {
            return;
        }
        let mut style = String::new();
        for (modifier, attribute) in [
            (Modifier::BOLD, " font-weight=\"bold\""),
            (Modifier::DIM, " opacity=\"0.65\""),
            (Modifier::ITALIC, " font-style=\"italic\""),
            (Modifier::UNDERLINED, " text-decoration=\"underline\""),
        ] {
            if self.look.modifier.contains(modifier) {
                style.push_str(attribute);
            }
        }
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" textLength=\"{width}\" fill=\"{colour}\"{style}>{}</text>",
            tenths(x),
            y + BASELINE,
            escaped(&self.text)
        );
    }
}

fn looks_like(a: &Cell, b: &Cell) -> bool {
    a.fg == b.fg && a.bg == b.bg && a.modifier == b.modifier
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The colours of a terminal.
struct Palette {
    background: &'static str,
    text: &'static str,
    colours: [&'static str; 6],
}

impl Palette {
    const fn of(theme: Theme) -> Self {
        match theme {
            Theme::Dark | Theme::Plain => Self {
                background: "#1d2027",
                text: "#d8dbe2",
                colours: ["#f2777a", "#99cc99", "#ffcc66", "#6fa8f5", "#cc99cc", "#66cccc"],
            },
            Theme::Light => Self {
                background: "#fbfbf8",
                text: "#25282e",
                colours: ["#b3261e", "#2c6e2f", "#8a6100", "#1d4fa8", "#8a2d8a", "#0f6f6f"],
            },
        }
    }

    fn of_text(&self, colour: Color) -> &'static str {
        let at = match colour {
            Color::Red | Color::LightRed => 0,
            Color::Green | Color::LightGreen => 1,
            Color::Yellow | Color::LightYellow => 2,
            Color::Blue | Color::LightBlue => 3,
            Color::Magenta | Color::LightMagenta => 4,
            Color::Cyan | Color::LightCyan => 5,
            Color::Reset
            | Color::Black
            | Color::Gray
            | Color::DarkGray
            | Color::White
            | Color::Rgb(..)
            | Color::Indexed(_) => return self.text,
        };
        self.colours.get(at).copied().unwrap_or(self.text)
    }
}

// Lengths in tenths of a pixel across, whole pixels down, so that pictures are the same everywhere.

const fn x_of(columns: u16) -> u32 {
    columns as u32 * 84
}

const fn y_of(rows: u16) -> u32 {
    rows as u32 * ROW_HEIGHT
}

fn tenths(length: u32) -> String {
    format!("{}.{}", length / 10, length % 10)
}

const ROW_HEIGHT: u32 = 18;
const BASELINE: u32 = 14;
const X_MARGIN: u32 = 80;
const Y_MARGIN: u32 = 8;
