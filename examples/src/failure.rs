//! How a program fails: one line on standard error, and an exit status.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// Why a program could not do what it was asked.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    message: String,
    status: u8,
}

impl Failure {
    /// It was asked rightly, and failed. Exit status 1.
    pub fn new(message: impl Display) -> Self {
        Self { message: one_line(message), status: 1 }
    }

    /// It was asked wrongly. Exit status 2, as for what the command line's own check refuses.
    pub fn usage(message: impl Display) -> Self {
        Self { message: one_line(message), status: 2 }
    }

    /// For `map_err`: says `context`, a colon, and the error.
    pub fn context<E: Display>(context: impl Display) -> impl FnOnce(E) -> Self {
        move |error| Self::new(format_args!("{context}: {error}"))
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

/// Ends a program: says what failed, if anything did, in the program's name.
pub fn report(program: &str, outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { message, status }) => {
            // Without a standard error the status must do.
            let _ = writeln!(std::io::stderr(), "{program}: {message}");
            ExitCode::from(status)
        }
    }
}

fn one_line(message: impl Display) -> String {
    message.to_string().split(['\n', '\r']).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_one_line() {
        let failure: Failure = Failure::context("no")(std::io::Error::other("a\nb"));
        assert_eq!(failure, Failure { message: "no: a b".into(), status: 1 });
    }
}
