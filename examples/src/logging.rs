//! The log, on standard error.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sealpost_messenger::foreign_text::JsonText;
use serde::Deserialize;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, FilterFn, LevelFilter, Targets};
use tracing_subscriber::fmt::format::{self, FormatEvent, FormatFields};
use tracing_subscriber::fmt::{self as log, FmtContext};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::{Failure, OneLine};

/// Format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// One line an entry; with journald's priorities, and without the time, if journald reads it
    Text,
    /// One JSON object a line
    Json,
}

/// Changes the levels of the running log, and tells how much of it was lost.
#[derive(Clone, Debug)]
pub struct LogControl {
    levels: reload::Handle<Targets, Registry>,
    lost: Arc<AtomicU64>,
}

/// Levels of the log: one for everything (`debug`), others for modules (`sealpost_mio=trace`), or
/// several of these, separated by commas.
#[derive(Clone, Debug)]
pub struct LogLevels(Targets);

/// Starts logging to standard error, at the levels in the environment variable `SEALPOST_LOG`, or
/// at `default`.
pub fn log_to_stderr(default: LevelFilter, format: LogFormat) -> Result<LogControl, Failure> {
    let levels = match std::env::var(VARIABLE) {
        Err(_) => LogLevels(Targets::new().with_default(default)),
        Ok(levels) => levels.parse().map_err(Failure::context(VARIABLE))?,
    };
    Ok(start_log(levels, format))
}

/// Starts logging to standard error.
pub fn start_log(LogLevels(levels): LogLevels, format: LogFormat) -> LogControl {
    let (filter, levels) = reload::Layer::new(levels);
    let lost = Arc::new(AtomicU64::new(0));
    let writer = || Mutex::new(LogWriter::new(io::stderr(), format, Arc::clone(&lost)));
    // It reports errors by `eprintln`, which panics if standard error can't be written to.
    let text = log::layer().with_ansi(false).with_target(false).log_internal_errors(false);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Json => log::layer()
            .json()
            .flatten_event(true)
            .log_internal_errors(false)
            .with_writer(writer())
            .boxed(),
        LogFormat::Text if is_read_by_journald() => {
            text.event_format(JournalFormat).with_writer(writer()).boxed()
        }
        LogFormat::Text => text.with_writer(writer()).boxed(),
    };
    let filter = filter.and(FilterFn::new(is_ours));
    tracing_subscriber::registry().with(layer.with_filter(filter)).init();
    LogControl { levels, lost }
}

/// Whether a line is for operators. The client of NATS logs each attempt as an error; what matters of
/// that, `sealpostd` says itself.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    !metadata.target().starts_with("async_nats") || *metadata.level() > Level::INFO
}

impl LogControl {
    /// The levels at present, as [`LogLevels`] are written.
    pub fn levels(&self) -> Result<String, Failure> {
        Ok(self.levels.with_current(ToString::to_string)?)
    }

    /// Number of lines that could not be written since the start.
    pub fn lost_lines(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Replaces all levels.
    pub fn replace(&self, LogLevels(levels): LogLevels) {
        // It fails only once the log is gone.
        let _ = self.levels.reload(levels);
    }

    /// Changes the level of everything (`debug`), which forgets those of modules, or of one module
    /// (`sealpost_mio=trace`).
    ///
    /// # Errors
    /// Fails for another text, with the levels that there are.
    pub fn set(&self, change: &str) -> Result<(), Failure> {
        let LogLevels(change) = change.parse()?;
        self.levels.modify(|levels| {
            if change.default_level().is_some() {
                *levels = change;
            } else {
                let all = std::mem::take(levels);
                let default = all.default_level();
                *levels = all.into_iter().chain(change).collect::<Targets>();
                if let Some(default) = default {
                    *levels = std::mem::take(levels).with_default(default);
                }
            }
        })?;
        Ok(())
    }
}

impl FromStr for LogLevels {
    type Err = InvalidLevels;

    fn from_str(text: &str) -> Result<Self, InvalidLevels> {
        let invalid = || InvalidLevels(text.to_owned());
        // A word that is no level would be taken for a module, at the level trace.
        let levels = text.split(',').map(|part| part.rsplit('=').next().unwrap_or(part));
        for level in levels {
            let level = Some(level).filter(|level| !level.is_empty()).ok_or_else(invalid)?;
            level.parse::<LevelFilter>().map_err(|_| invalid())?;
        }
        text.parse().map(Self).map_err(|_| invalid())
    }
}

/// The text is not a list of log levels.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "{0:?} is not a log level: write off, error, warn, info, debug or trace, or MODULE=LEVEL for one \
     module, such as sealpost_mio=debug"
)]
pub struct InvalidLevels(String);

/// Whether standard error goes to journald, by what systemd says of it: its device and inode.
fn is_read_by_journald() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let stderr = rustix::fs::fstat(io::stderr());
    stderr.is_ok_and(|found| stream == format!("{}:{}", found.st_dev, found.st_ino))
}

/// Writes the priority that journald reads at the start of a line. Journald has the time already.
struct JournalFormat;

impl<S, N> FormatEvent<S, N> for JournalFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: format::Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "<{}>", priority(*event.metadata().level()))?;
        format::Format::default()
            .without_time()
            .with_level(false)
            .with_target(false)
            .with_ansi(false)
            .format_event(context, writer, event)
    }
}

/// Priority of syslog.
const fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// Writes log lines, and never fails: a program goes on without its log. A line that can't be
/// written is dropped, and the next one that can be is preceded by the number of dropped lines.
struct LogWriter<W> {
    out: W,
    format: LogFormat,
    dropped: u64,
    /// Number of lines that were dropped since the start.
    lost: Arc<AtomicU64>,
    /// The last line that was written is incomplete.
    torn: bool,
}

impl<W: Write> LogWriter<W> {
    const fn new(out: W, format: LogFormat, lost: Arc<AtomicU64>) -> Self {
        Self { out, format, dropped: 0, lost, torn: false }
    }

    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.dropped > 0 {
            let end = if self.torn { "\n" } else { "" };
            let lost = format!("{} log lines could not be written and are lost", self.dropped);
            let note = match self.format {
                LogFormat::Text => format!("{end}{lost}\n"),
                LogFormat::Json => format!("{end}{{\"level\":\"WARN\",\"message\":\"{lost}\"}}\n"),
            };
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
        let line = match self.format {
            LogFormat::Text => format!("{}\n", OneLine(text)),
            LogFormat::Json => format!("{}\n", JsonText(&text)),
        };
        if self.write_line(line.as_bytes()).is_err() {
            self.dropped = self.dropped.saturating_add(1);
            self.lost.fetch_add(1, Ordering::Relaxed);
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
        let lost = Arc::default();
        let mut log = LogWriter::new(
            Disk { content: Vec::new(), room: 8 },
            LogFormat::Text,
            Arc::clone(&lost),
        );
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        log.out.room = 1_000;
        log.write_all(b"five\n").unwrap();
        log.write_all(b"six\n").unwrap();
        let content = String::from_utf8(log.out.content).unwrap();
        let note = "2 log lines could not be written and are lost";
        assert_eq!(content, format!("one\ntwo\n{note}\nfive\nsix\n"));
        assert_eq!(lost.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn entry_is_one_line_and_cannot_steer_the_terminal() {
        let mut log = LogWriter::new(
            Disk { content: Vec::new(), room: 1_000 },
            LogFormat::Text,
            Arc::default(),
        );
        log.write_all("disk full\n INFO forged \u{9b}2J\n".as_bytes()).unwrap();
        let content = String::from_utf8(log.out.content).unwrap();
        assert_eq!(content, "disk full\\n INFO forged \\u{9b}2J\n");
    }

    #[test]
    fn note_does_not_continue_a_line_that_was_cut_off() {
        let mut log =
            LogWriter::new(Disk { content: Vec::new(), room: 2 }, LogFormat::Text, Arc::default());
        log.write_all(b"one\n").unwrap();
        log.out.room = 1_000;
        log.write_all(b"two\n").unwrap();
        let content = String::from_utf8(log.out.content).unwrap();
        assert_eq!(content, "on\n1 log lines could not be written and are lost\ntwo\n");
    }
}
