//! What a run tells while it runs: lines on standard error.

use std::fmt::Display;
use std::io::{self, Write};

/// Says what is going on. Without a standard error nobody wants to know.
pub(crate) fn say(what: impl Display) {
    let _ = writeln!(io::stderr(), "sealpost-load: {what}");
}
