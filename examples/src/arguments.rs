//! The command line of a program.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::{Failure, report, tell};

/// The version of the programs, and the commit that they were built from.
pub const VERSION: &str = env!("SEALPOST_VERSION");

/// Runs `program` with its arguments. Prints help, the version or what is wrong with the arguments,
/// and then `run`'s failure, if any.
pub fn run_program<A: Parser>(
    program: &str,
    run: impl FnOnce(A) -> Result<(), Failure>,
) -> ExitCode {
    match A::try_parse() {
        Ok(args) => report(program, run(args)),
        Err(message) if message.use_stderr() => {
            // An argument that is quoted may have come from outside, as an address does. If standard
            // error is closed, the exit status has to be enough.
            let _ = message.render().to_string().lines().try_for_each(tell);
            ExitCode::from(u8::try_from(message.exit_code()).unwrap_or(u8::MAX))
        }
        // clap's own `parse` reports success for help that could not be written.
        Err(help) => report(
            program,
            help.print()
                .and_then(|()| std::io::stdout().flush())
                .map_err(Failure::context("can't write to standard output")),
        ),
    }
}
