//! Questions before what can't be undone.

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Read, Write};

use sealpost_messenger::foreign_text::OneLine;
use sealpost_programs::Failure;

/// Asks a question on the terminal, which is to be answered with yes.
///
/// # Errors
/// The answer is another one, or nobody can answer.
pub(crate) fn confirm(question: impl Display) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("nobody can confirm this without a terminal: pass --yes"));
    }
    write!(io::stderr(), "{} [yes/no] ", OneLine(question))?;
    let mut answer = String::new();
    io::stdin().lock().take(ANSWER_MAX).read_line(&mut answer)?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(Failure::new("not confirmed, so nothing was changed"))
}

/// Longest answer that is read, in bytes.
const ANSWER_MAX: u64 = 100;
