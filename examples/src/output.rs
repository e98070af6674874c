//! Standard output, for people or for programs.

use std::fmt::Display;
use std::io::{self, StdoutLock, Write};

use sealpost_core::time::Timestamp;
use sealpost_messenger::foreign_text::{JsonLine, framed_lines};
use serde::Serialize;

use crate::{Failure, OneLine};

/// The option that selects the output format.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct FormatArg {
    /// Print JSON for programs, one object per line
    #[arg(long)]
    json: bool,
}

/// The format of a command's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl FormatArg {
    /// The selected format.
    pub const fn format(self) -> Format {
        if self.json { Format::Json } else { Format::Text }
    }
}

/// Writes lines to standard output. A line is flushed when the call returns.
#[derive(Clone, Copy, Debug)]
pub struct Line;

impl Line {
    /// Writes text on one line, escaped as [`OneLine`] does it.
    pub fn text(text: impl Display) -> Result<(), Failure> {
        Self::write(|stdout| writeln!(stdout, "{}", OneLine(text)))
    }

    /// Writes text on one line, escaped as [`framed_lines`] does it: for a line that the caller marks as
    /// part of something.
    pub fn framed(text: impl Display) -> Result<(), Failure> {
        let line: Vec<String> = framed_lines(&text.to_string()).collect();
        Self::write(|stdout| writeln!(stdout, "{}", line.join(" ")))
    }

    /// Writes one JSON object on one line.
    pub fn json(value: &impl Serialize) -> Result<(), Failure> {
        Self::write(|stdout| {
            let mut out = serde_json::Serializer::with_formatter(&mut *stdout, JsonLine::default());
            value.serialize(&mut out)?;
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

/// Writes a line for the person to standard error, escaped as [`OneLine`] does it: standard output is
/// for programs.
pub fn tell(text: impl Display) -> Result<(), Failure> {
    Ok(writeln!(io::stderr(), "{}", OneLine(text))?)
}

/// Formats a time for programs, as in RFC 3339: `2026-01-31T12:00:00Z`.
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
