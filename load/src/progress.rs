//! Progress of a run: lines on standard error.

use std::fmt::Display;
use std::io::{self, Write};

/// Prints one line. A failure is ignored: nobody reads the progress then.
pub(crate) fn say(what: impl Display) {
    let _ = writeln!(io::stderr(), "sealpost-load: {what}");
}
