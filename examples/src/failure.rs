//! How a program reports a failure: one line on standard error, and an exit status.

use std::fmt::{self, Display};
use std::io::Write;
use std::process::ExitCode;

use crate::OneLine;

/// Why a program could not do what it was asked to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    message: String,
    status: u8,
}

impl Failure {
    /// A failure of a valid request. Exit status 1.
    pub fn new(message: impl Display) -> Self {
        Self { message: message.to_string(), status: 1 }
    }

    /// An invalid request. Exit status 2, the same as for arguments that clap refuses.
    pub fn usage(message: impl Display) -> Self {
        Self { message: message.to_string(), status: 2 }
    }

    /// A failure with an exit status of its own.
    pub fn with_status(message: impl Display, status: u8) -> Self {
        Self { message: message.to_string(), status }
    }

    /// What the failure says, without the program's name.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same failure, with what follows from it.
    #[must_use]
    pub fn and(self, consequence: impl Display) -> Self {
        Self { message: format!("{}; {consequence}", self.message), ..self }
    }

    /// Returns a closure for `map_err`: the message is `context`, a colon, and the error.
    pub fn context<E: Display>(context: impl Display) -> impl FnOnce(E) -> Self {
        move |error| Self::new(format_args!("{context}: {error}"))
    }
}

/// The message. A failure is not an error, so that every error converts into one.
impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

/// Ends a program: prints its failure, if any, after the program's name.
pub fn report(program: &str, outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { message, status }) => {
            // If standard error is closed, the exit status has to be enough.
            let _ =
                writeln!(std::io::stderr(), "{}", OneLine(format_args!("{program}: {message}")));
            ExitCode::from(status)
        }
    }
}
