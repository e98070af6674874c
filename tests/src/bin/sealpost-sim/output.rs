//! Standard output and standard error. The macros of the standard library would panic if one of them
//! can't be written.

use std::fmt::Display;
use std::io::{self, Write};

/// Writes to standard output.
pub(crate) fn print(text: impl Display) -> Result<(), String> {
    let mut stdout = io::stdout().lock();
    write!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .map_err(|error| format!("can't write to standard output: {error}"))
}

/// Writes to standard error. A failure is ignored: a run goes on when nobody reads its progress.
pub(crate) fn say(text: impl Display) {
    let _ = write!(io::stderr(), "{text}");
}
