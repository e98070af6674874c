//! Reads a passphrase from a file or the terminal.

use std::path::Path;

use sealpost_programs::{Failure, SecretText, secret_line_of_file};
use zeroize::Zeroizing;

/// A passphrase, zeroized when dropped.
pub(crate) type Passphrase = SecretText;

/// Reads the first line of a file, without its newline.
pub(crate) fn from_file(path: &Path) -> Result<Passphrase, Failure> {
    not_empty(secret_line_of_file(path)?)
}

/// Asks for the passphrase on the terminal.
pub(crate) fn ask() -> Result<Passphrase, Failure> {
    not_empty(prompt("passphrase: ")?)
}

/// Asks for a new passphrase on the terminal, twice.
pub(crate) fn ask_for_new() -> Result<Passphrase, Failure> {
    let first = not_empty(prompt("new passphrase: ")?)?;
    if *prompt("again: ")? != *first {
        return Err(Failure::new("the two passphrases differ; try again"));
    }
    Ok(first)
}

fn prompt(question: &str) -> Result<Passphrase, Failure> {
    rpassword::prompt_password(question).map(Zeroizing::new).map_err(Failure::context(
        "can't ask for the passphrase on a terminal; use --passphrase-file",
    ))
}

fn not_empty(passphrase: Passphrase) -> Result<Passphrase, Failure> {
    if passphrase.is_empty() {
        return Err(Failure::new("the passphrase is empty"));
    }
    Ok(passphrase)
}
