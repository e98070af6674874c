//! Standard output: what people and programs read.

use std::fmt::Display;
use std::io::{self, StdoutLock, Write};

use sealpost_core::time::Timestamp;
use serde::Serialize;

use crate::Failure;

/// For whom a command writes.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct FormatArg {
    /// Write JSON, one object a line, for programs
    #[arg(long)]
    json: bool,
}

/// For whom a command writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl FormatArg {
    /// As a name instead of a flag.
    pub const fn format(self) -> Format {
        if self.json { Format::Json } else { Format::Text }
    }
}

/// One line of standard output, which has gone out when the call returns.
#[derive(Clone, Copy, Debug)]
pub struct Line;

impl Line {
    /// Writes text. It may have more than one line; a line's end is added.
    pub fn text(text: impl Display) -> Result<(), Failure> {
        Self::write(|stdout| writeln!(stdout, "{text}"))
    }

    /// Writes one JSON object on one line.
    pub fn json(value: &impl Serialize) -> Result<(), Failure> {
        Self::write(|stdout| {
            serde_json::to_writer(&mut *stdout, value)?;
            stdout.write_all(b"\n")
        })
    }

    fn write(write: impl FnOnce(&mut StdoutLock<'_>) -> io::Result<()>) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        write(&mut stdout)
            .and_then(|()| stdout.flush())
            .map_err(Failure::context("can't write to standard output"))
    }
}

/// A time as programs read it: `2026-01-31T12:00:00Z` (RFC 3339).
pub fn utc(time: Timestamp) -> String {
    time.to_string().replace(' ', "T") + "Z"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_written_as_in_rfc_3339() {
        assert_eq!(utc(Timestamp::from_unix_secs(0)), "1970-01-01T00:00:00Z");
    }
}
