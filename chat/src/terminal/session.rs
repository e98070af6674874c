//! The terminal while the program has it.

use std::io::{self, IsTerminal, Stdout, Write};
use std::panic;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste,
    EnableFocusChange, EnableMouseCapture,
};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::Size;

use super::{Mouse, RunError};
use crate::Picture;

/// The terminal, in raw mode and on its other screen. It is as it was when the value is dropped.
pub(super) struct Session {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    mouse: Mouse,
    is_active: bool,
}

impl Session {
    pub(super) fn begin(mouse: Mouse) -> Result<Self, RunError> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(RunError::NoTerminal);
        }
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |report| {
            restore();
            before(report);
        }));
        enter(mouse)?;
        let terminal =
            Terminal::new(CrosstermBackend::new(io::stdout())).inspect_err(|_| restore())?;
        Ok(Self { terminal, mouse, is_active: true })
    }

    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.is_active) {
            restore();
        }
    }

    pub(super) fn size(&self) -> io::Result<Size> {
        self.terminal.size()
    }

    pub(super) fn draw(&mut self, picture: &Picture) -> io::Result<()> {
        self.terminal.draw(|frame| {
            let area = frame.area();
            let buffer = frame.buffer_mut();
            // The terminal may have changed its size since the picture was drawn.
            for position in area.intersection(picture.buffer.area).positions() {
                if let (Some(to), Some(from)) =
                    (buffer.cell_mut(position), picture.buffer.cell(position))
                {
                    to.clone_from(from);
                }
            }
            if let Some(cursor) = picture.cursor.filter(|at| area.contains(*at)) {
                frame.set_cursor_position(cursor);
            }
        })?;
        Ok(())
    }

    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }

    /// Gives the terminal to something else for a while.
    pub(super) fn suspend<T>(&mut self, other: impl FnOnce() -> T) -> io::Result<T> {
        restore();
        let outcome = other();
        enter(self.mouse)?;
        self.terminal.clear()?;
        Ok(outcome)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

fn enter(mouse: Mouse) -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange)?;
    if mouse == Mouse::Captured {
        execute!(io::stdout(), EnableMouseCapture)?;
    }
    Ok(())
}

/// Gives the terminal back. A failure can't be shown to anybody.
fn restore() {
    let _ = disable_raw_mode();
    let _ = execute!(
        io::stdout(),
        DisableMouseCapture,
        DisableFocusChange,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Show
    );
    let _ = io::stdout().flush();
}
