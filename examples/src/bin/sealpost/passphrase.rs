//! Where a passphrase comes from.

use std::io::{BufRead, BufReader};
use std::path::Path;

use sealpost_programs::Failure;
use zeroize::Zeroizing;

/// A passphrase.
pub(crate) type Passphrase = Zeroizing<String>;

/// The first line of a file, without its end.
pub(crate) fn from_file(path: &Path) -> Result<Passphrase, Failure> {
    let file = std::fs::File::open(path).map_err(Failure::context(path.display()))?;
    let mut line = Zeroizing::new(String::new());
    BufReader::new(file).read_line(&mut line).map_err(Failure::context(path.display()))?;
    let line = Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned());
    not_empty(line)
}

/// Asks on the terminal.
pub(crate) fn ask() -> Result<Passphrase, Failure> {
    not_empty(prompt("passphrase: ")?)
}

/// Asks on the terminal, twice.
pub(crate) fn ask_for_new() -> Result<Passphrase, Failure> {
    let first = not_empty(prompt("new passphrase: ")?)?;
    if *prompt("again: ")? != *first {
        return Err(Failure::new("these were two different passphrases"));
    }
    Ok(first)
}

fn prompt(question: &str) -> Result<Passphrase, Failure> {
    rpassword::prompt_password(question).map(Zeroizing::new).map_err(Failure::context(
        "no terminal to ask for the passphrase on; use --passphrase-file",
    ))
}

fn not_empty(passphrase: Passphrase) -> Result<Passphrase, Failure> {
    if passphrase.is_empty() {
        return Err(Failure::new("the passphrase is empty"));
    }
    Ok(passphrase)
}
