//! The log, on standard error.

use std::io::{self, ErrorKind, Write};
use std::sync::Mutex;

use tracing_subscriber::filter::LevelFilter;

use crate::{Failure, OneLine};

/// Starts logging to standard error. The environment variable `SEALPOST_LOG` sets the level (`off`,
/// `error`, `warn`, `info`, `debug` or `trace`); without it, the level is `default`.
pub fn log_to_stderr(default: LevelFilter) -> Result<(), Failure> {
    let level = match std::env::var(VARIABLE) {
        Err(_) => default,
        Ok(level) => level.parse().map_err(Failure::context(VARIABLE))?,
    };
    log_at(level);
    Ok(())
}

/// Starts logging to standard error at this level.
pub fn log_at(level: LevelFilter) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(Mutex::new(LogWriter::new(io::stderr())))
        // It reports errors by `eprintln`, which panics if standard error can't be written to.
        .log_internal_errors(false)
        .with_ansi(false)
        .with_target(false)
        .init();
}

/// Writes log lines, and never fails: a program goes on without its log. A line that can't be
/// written is dropped, and the next one that can be is preceded by the number of dropped lines.
struct LogWriter<W> {
    out: W,
    dropped: u64,
    /// The last line that was written is incomplete.
    torn: bool,
}

impl<W: Write> LogWriter<W> {
    const fn new(out: W) -> Self {
        Self { out, dropped: 0, torn: false }
    }

    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.dropped > 0 {
            let end = if self.torn { "\n" } else { "" };
            let note =
                format!("{end}{} log lines could not be written and are lost\n", self.dropped);
            self.write_whole(note.as_bytes())?;
            self.dropped = 0;
        }
        self.write_whole(line)
    }

    /// As `write_all`, but remembers whether it failed in the middle of a line.
    fn write_whole(&mut self, mut rest: &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.out.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    let (written, left) = rest.split_at_checked(count).unwrap_or((rest, &[]));
                    self.torn = !written.ends_with(b"\n");
                    rest = left;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl<W: Write> Write for LogWriter<W> {
    /// Takes one entry, which is what the subscriber passes. A text in it may have newlines.
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(entry.strip_suffix(b"\n").unwrap_or(entry));
        if self.write_line(format!("{}\n", OneLine(text)).as_bytes()).is_err() {
            self.dropped = self.dropped.saturating_add(1);
        }
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const VARIABLE: &str = "SEALPOST_LOG";

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for `room` more bytes.
    struct Disk {
        content: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            let count = bytes.len().min(self.room);
            self.content.extend(bytes.iter().take(count));
            self.room -= count;
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_dropped_and_counted() {
        let mut log = LogWriter::new(Disk { content: Vec::new(), room: 8 });
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        log.out.room = 1_000;
        log.write_all(b"five\n").unwrap();
        log.write_all(b"six\n").unwrap();
        let content = String::from_utf8(log.out.content).unwrap();
        let note = "2 log lines could not be written and are lost";
        assert_eq!(content, format!("one\ntwo\n{note}\nfive\nsix\n"));
    }

    #[test]
    fn entry_is_one_line_and_cannot_steer_the_terminal() {
        let mut log = LogWriter::new(Disk { content: Vec::new(), room: 1_000 });
        log.write_all("disk full\n INFO forged \u{9b}2J\n".as_bytes()).unwrap();
        let content = String::from_utf8(log.out.content).unwrap();
        assert_eq!(content, "disk full\\n INFO forged \\u{9b}2J\n");
    }

    #[test]
    fn note_does_not_continue_a_line_that_was_cut_off() {
        let mut log = LogWriter::new(Disk { content: Vec::new(), room: 2 });
        log.write_all(b"one\n").unwrap();
        log.out.room = 1_000;
        log.write_all(b"two\n").unwrap();
        let content = String::from_utf8(log.out.content).unwrap();
        assert_eq!(content, "on\n1 log lines could not be written and are lost\ntwo\n");
    }
}
