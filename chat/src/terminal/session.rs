//! The terminal while the program has it.

use std::io::{self, IsTerminal, Stdout, Write};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

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
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Signal, kill_current_process_group};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM};

use super::kitty::Images;
use super::workers::PICTURES;
use super::{Mouse, RunError};
use crate::Picture;

/// The terminal, in raw mode and on its other screen. It is as it was when the value is dropped.
pub(super) struct Session {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    images: Images,
    mouse: Mouse,
    is_active: bool,
    /// Set by a signal that asks the program to end.
    is_to_end: Arc<AtomicBool>,
    /// Set when the program goes on after it was stopped.
    has_gone_on: Arc<AtomicBool>,
}

/// What came of waiting for the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// It is there, and may have something to say.
    There,
    /// Its window was closed, or the connection to it is lost. Reading from it would end at once, for
    /// ever.
    Gone,
}

/// Waits until the terminal has something to say.
pub(super) fn wait(timeout: Duration) -> io::Result<Awaited> {
    let stdin = io::stdin();
    let mut terminal = [PollFd::new(&stdin, PollFlags::IN)];
    let timeout = Timespec { tv_sec: 0, tv_nsec: timeout.subsec_nanos().into() };
    match poll(&mut terminal, Some(&timeout)) {
        // A signal may be a new size, of which the events tell.
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let is_gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    let [terminal] = terminal;
    Ok(if terminal.revents().intersects(is_gone) { Awaited::Gone } else { Awaited::There })
}

impl Session {
    /// Fails where there is no terminal.
    pub(super) fn check() -> Result<(), RunError> {
        let is_there = io::stdin().is_terminal() && io::stdout().is_terminal();
        is_there.then_some(()).ok_or(RunError::NoTerminal)
    }

    pub(super) fn begin(mouse: Mouse) -> Result<Self, RunError> {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |report| {
            // What panics there is caught, and the screen stays.
            if thread::current().name() == Some(PICTURES) {
                return;
            }
            restore();
            before(report);
        }));
        let is_to_end = Arc::default();
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            // The second time, the program ends at once.
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&is_to_end))?;
            signal_hook::flag::register(signal, Arc::clone(&is_to_end))?;
        }
        let has_gone_on = Arc::default();
        signal_hook::flag::register(SIGCONT, Arc::clone(&has_gone_on))?;
        enter(mouse)?;
        let terminal =
            Terminal::new(CrosstermBackend::new(io::stdout())).inspect_err(|_| restore())?;
        Ok(Self {
            terminal,
            images: Images::default(),
            mouse,
            is_active: true,
            is_to_end,
            has_gone_on,
        })
    }

    /// Whether a signal has asked the program to end.
    pub(super) fn is_to_end(&self) -> bool {
        self.is_to_end.load(Ordering::Relaxed)
    }

    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.is_active) {
            self.drop_images();
            restore();
        }
    }

    pub(super) fn size(&self) -> io::Result<Size> {
        self.terminal.size()
    }

    pub(super) fn draw(&mut self, picture: &Picture) -> io::Result<()> {
        self.images.show(&picture.shown, &mut io::stdout().lock())?;
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
        self.drop_images();
        self.terminal.clear()
    }

    /// Stops the program until the shell lets it go on. Nothing happens where no shell could do that.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        // The shell waits for everything that runs with the program, such as a script around it. The
        // signal is handled before the call returns: this is the main thread.
        self.suspend(|| kill_current_process_group(Signal::TSTP))??;
        self.has_gone_on.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Takes the terminal again if the program was stopped from outside and goes on. Returns whether it
    /// was.
    pub(super) fn resume(&mut self) -> io::Result<bool> {
        let has_gone_on = self.has_gone_on.swap(false, Ordering::Relaxed);
        if has_gone_on {
            self.suspend(|| ())?;
        }
        Ok(has_gone_on)
    }

    /// Gives the terminal to something else for a while.
    pub(super) fn suspend<T>(&mut self, other: impl FnOnce() -> T) -> io::Result<T> {
        self.drop_images();
        restore();
        let outcome = other();
        enter(self.mouse)?;
        self.terminal.clear()?;
        Ok(outcome)
    }
}

impl Session {
    /// Deletes the images in the terminal. If it fails, so does what is written next.
    fn drop_images(&mut self) {
        let _ = self.images.delete(&mut io::stdout().lock());
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
