//! Options that several subcommands share.

use std::path::PathBuf;
use std::time::Duration;

use sealpost_core::address::ServerAddress;
use sealpost_programs::{Failure, FormatArg, Verify};

/// Options that name or configure the server.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ServerArgs {
    /// Server program to start for this run [default: the sealpostd beside this program]
    #[arg(long, value_name = "PATH", conflicts_with = "connect")]
    pub(crate) server: Option<PathBuf>,

    /// Folder for the server's data during the run; it decides which disk is measured
    /// [default: the system's folder for temporary files]
    #[arg(long, value_name = "DIR", conflicts_with = "connect")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Threads for the server's cryptography, in addition to its main thread [default: one fewer
    /// than the number of cores, but at least one]
    #[arg(long, value_name = "N", conflicts_with = "connect")]
    pub(crate) workers: Option<u16>,

    /// How the server verifies signatures that come together [default: auto]
    #[arg(long, value_enum, conflicts_with = "connect")]
    pub(crate) verify: Option<Verify>,

    /// Measure a running server instead of starting one. It must use the compact profile and run
    /// with --otp in-band --no-limits
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) connect: Option<ServerAddress>,

    /// Process id of that server, if it runs on this machine, to measure its processor time and
    /// memory
    #[arg(long, value_name = "PID", requires = "connect")]
    pub(crate) pid: Option<u32>,
}

/// Options of every measurement of a server.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Common {
    #[command(flatten)]
    pub(crate) server: ServerArgs,

    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// The time that an option in seconds names. It is bounded, so that it can be added to the clock.
pub(crate) fn span_of(seconds: f64) -> Result<Duration, Failure> {
    let span = Duration::try_from_secs_f64(seconds).ok().filter(|span| *span <= LONGEST_SPAN);
    span.ok_or_else(|| {
        Failure::usage(format_args!(
            "a number of seconds must be from 0 to {}, not {seconds}",
            LONGEST_SPAN.as_secs()
        ))
    })
}

/// Upper bound on such a time, far longer than any measurement takes.
const LONGEST_SPAN: Duration = Duration::from_hours(24 * 365);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn span_can_be_added_to_the_clock() {
        assert_eq!(span_of(1.5), Ok(Duration::from_millis(1_500)));
        for seconds in [1e18, 1e300, f64::INFINITY, f64::NAN, -1.0] {
            assert!(span_of(seconds).is_err(), "{seconds}");
        }
    }
}
