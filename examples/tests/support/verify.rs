//! How the programs of a test verify signatures.

use clap::ValueEnum;
use sealpost_programs::Verify;

/// The value of `--verify` that the environment demands. Without one, the programs have their
/// default.
pub(crate) fn verify() -> Option<Verify> {
    let name = std::env::var(VARIABLE).ok()?;
    let known = Verify::from_str(&name, false);
    Some(known.unwrap_or_else(|_| panic!("{VARIABLE}={name}, which --verify does not know")))
}

/// The option for a program that a test starts.
pub(crate) fn option() -> Option<String> {
    verify().map(|verify| format!("--verify={verify}"))
}

const VARIABLE: &str = "SEALPOST_TEST_VERIFY";
