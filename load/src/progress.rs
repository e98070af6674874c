//! What a run tells people: its progress on standard error, its report on standard output.

use std::fmt::Display;
use std::io::{self, Write};

use sealpost_programs::{Failure, Line};

/// Prints one line. A failure is ignored: nobody reads the progress then.
pub(crate) fn say(what: impl Display) {
    let _ = writeln!(io::stderr(), "sealpost-load: {what}");
}

/// Prints a report of several lines.
pub(crate) fn print_lines(report: &str) -> Result<(), Failure> {
    report.lines().try_for_each(Line::text)
}
