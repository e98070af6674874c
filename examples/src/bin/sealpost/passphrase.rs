//! Reads a passphrase from a file or the terminal.

use std::io::{BufRead, BufReader};
use std::path::Path;

use sealpost_programs::Failure;
use zeroize::Zeroizing;

/// A passphrase, zeroized when dropped.
pub(crate) type Passphrase = Zeroizing<String>;

/// Reads the first line of a file, without its newline.
pub(crate) fn from_file(path: &Path) -> Result<Passphrase, Failure> {
    let file = std::fs::File::open(path).map_err(Failure::context(path.display()))?;
    let mut line = Zeroizing::new(String::new());
    BufReader::new(file).read_line(&mut line).map_err(Failure::context(path.display()))?;
    let line = Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned());
    not_empty(line)
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
