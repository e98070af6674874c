//! The log, on standard error.

use tracing_subscriber::filter::LevelFilter;

use crate::Failure;

/// Starts logging to standard error. The environment variable `SEALPOST_LOG` sets the level (`off`,
/// `error`, `warn`, `info`, `debug` or `trace`); without it, the level is `default`.
pub fn log_to_stderr(default: LevelFilter) -> Result<(), Failure> {
    let level = match std::env::var(VARIABLE) {
        Err(_) => default,
        Ok(level) => level.parse().map_err(Failure::context(VARIABLE))?,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .init();
    Ok(())
}

const VARIABLE: &str = "SEALPOST_LOG";
