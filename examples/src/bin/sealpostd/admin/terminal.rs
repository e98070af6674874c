//! A terminal that shows one screen after another and reads single keys.

use std::io::{self, IsTerminal, Read, Stdin, Stdout, Write};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// The terminal at standard input and output. It gets its settings and its content back when this is
/// dropped.
#[derive(Debug)]
pub(super) struct Terminal {
    stdin: Stdin,
    stdout: Stdout,
    before: Termios,
}

impl Terminal {
    /// Whether standard input and output are a terminal.
    pub(super) fn is_there() -> bool {
        io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    /// Switches to the alternate screen, and to keys without echo.
    pub(super) fn open() -> io::Result<Self> {
        let (stdin, stdout) = (io::stdin(), io::stdout());
        let before = tcgetattr(&stdin)?;
        let mut raw = before.clone();
        raw.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        let terminal = Self { stdin, stdout, before };
        terminal.write(ENTER)?;
        Ok(terminal)
    }

    /// Shows lines in place of what is shown. What does not fit is cut off.
    pub(super) fn show(&self, lines: &[String]) -> io::Result<()> {
        let (columns, rows) = match tcgetwinsize(&self.stdout) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
            Ok(_) | Err(_) => (80, 24),
        };
        let mut screen = HOME.to_owned();
        for (row, line) in lines.iter().take(rows.into()).enumerate() {
            if row > 0 {
                screen.push_str("\r\n");
            }
            screen.extend(line.chars().take(columns.into()));
            screen.push_str(CLEAR_TO_END_OF_LINE);
        }
        screen.push_str(CLEAR_BELOW);
        self.write(&screen)
    }

    /// Waits for a time, or for a key that means to leave. Returns whether one came.
    pub(super) fn wait_for_leave(&self, time: Duration) -> io::Result<bool> {
        let timeout = Timespec::try_from(time).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&self.stdin, PollFlags::IN)], Some(&timeout)) {
            // A window whose size has changed is drawn again.
            Ok(0) | Err(Errno::INTR) => Ok(false),
            Ok(_) => {
                let mut keys = [0; 32];
                let count = self.stdin.lock().read(&mut keys)?;
                let leaves = |key: &u8| matches!(*key, b'q' | b'Q' | CTRL_C);
                Ok(count == 0 || keys.iter().take(count).any(leaves))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let mut stdout = self.stdout.lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = self.write(LEAVE);
        let _ = tcsetattr(&self.stdin, OptionalActions::Now, &self.before);
    }
}

/// Alternate screen, no cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const CLEAR_TO_END_OF_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";
const CTRL_C: u8 = 3;
