//! The passphrase of the key, and `sealpost passphrase`, which changes it.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sealpost_core::keys::PemError;
use sealpost_programs::{Failure, Line, SecretText, secret_line_of_file, tell};
use sealpost_storage::key_file::KeyFileError;
use zeroize::Zeroizing;

use crate::home::Home;

/// A passphrase, zeroized when dropped.
pub(crate) type Passphrase = SecretText;

/// Where the passphrase of the key comes from.
#[derive(Clone, Debug)]
pub(crate) enum Passphrases {
    /// The first line of a file.
    File(PathBuf),
    /// The first line that a command of the shell prints.
    Command(String),
    /// The user, who is asked on the terminal.
    Terminal,
}

/// Options of `passphrase`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PassphraseArgs {
    /// File whose first line is the new passphrase, and that others can't read [default: ask twice]
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
    /// Leave the key without a passphrase
    #[arg(long, conflicts_with = "new_passphrase_file")]
    remove: bool,
}

/// Encrypts the key with another passphrase, or with none.
pub(crate) fn change(home: &Home, args: &PassphraseArgs) -> Result<(), Failure> {
    let new = match (&args.new_passphrase_file, args.remove) {
        (_, true) => None,
        (Some(file), false) => Some(from_file(file)?),
        (None, false) => Some(ask_for_new()?),
    };
    home.protect_key(new.as_ref())?;
    Line::text(match new {
        Some(_) => "the key is encrypted with the new passphrase",
        None => "the key has no passphrase any more",
    })
}

impl Passphrases {
    /// The source that was named: on the command line, or else in the environment.
    pub(crate) fn of(file: Option<PathBuf>, command: Option<String>) -> Self {
        let variable = || std::env::var(VARIABLE).ok().filter(|command| !command.is_empty());
        match (file, command) {
            (Some(file), _) => Self::File(file),
            (None, Some(command)) => Self::Command(command),
            (None, None) => variable().map_or(Self::Terminal, Self::Command),
        }
    }

    /// The passphrase that the key has.
    pub(crate) fn present(&self) -> Result<Passphrase, Failure> {
        self.unasked()?.map_or_else(ask, Ok)
    }

    /// The passphrase, unless the user is to be asked for it.
    pub(crate) fn unasked(&self) -> Result<Option<Passphrase>, Failure> {
        match self {
            Self::File(file) => from_file(file).map(Some),
            Self::Command(command) => from_command(command).map(Some),
            Self::Terminal => Ok(None),
        }
    }

    /// Whether the user is asked.
    pub(crate) const fn are_asked_for(&self) -> bool {
        matches!(self, Self::Terminal)
    }

    /// How often a wrong one can be given.
    const fn attempts(&self) -> u8 {
        if self.are_asked_for() { ATTEMPTS } else { 1 }
    }

    /// Unlocks something with the passphrase. The user is asked again if it is the wrong one.
    pub(crate) fn unlock<T>(
        &self,
        with: impl Fn(&Passphrase) -> Result<T, KeyFileError>,
    ) -> Result<T, Failure> {
        let mut attempts_left = self.attempts();
        loop {
            let unlocked = with(&self.present()?);
            attempts_left -= 1;
            let is_wrong = matches!(unlocked, Err(KeyFileError::Pem(_, PemError::WrongPassphrase)));
            if !is_wrong || attempts_left == 0 {
                return Ok(unlocked?);
            }
            tell("wrong passphrase; try again")?;
        }
    }
}

/// Reads the first line of a file, without its newline.
pub(crate) fn from_file(path: &Path) -> Result<Passphrase, Failure> {
    not_empty(secret_line_of_file(path)?)
}

/// Reads the first line that a command prints. The command may ask its user on the terminal.
fn from_command(command: &str) -> Result<Passphrase, Failure> {
    let failed = |error: io::Error| Failure::context("the passphrase command failed")(error);
    let mut child =
        Command::new("sh").args(["-c", command]).stdout(Stdio::piped()).spawn().map_err(failed)?;
    // Never grows, because that would leave a copy of the passphrase behind.
    let mut printed = Zeroizing::new(Vec::with_capacity(PRINTED_MAX));
    if let Some(stdout) = child.stdout.take() {
        let limit = u64::try_from(PRINTED_MAX).unwrap_or(0);
        stdout.take(limit).read_to_end(&mut printed).map_err(failed)?;
    }
    let status = child.wait().map_err(failed)?;
    if !status.success() {
        return Err(Failure::new(format_args!("the passphrase command failed: {status}")));
    }
    let line = printed.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = str::from_utf8(line)
        .map_err(Failure::context("the passphrase command printed something else than text"))?;
    not_empty(Zeroizing::new(line.to_owned()))
}

/// Asks for the passphrase on the terminal. An empty one is a wrong one.
pub(crate) fn ask() -> Result<Passphrase, Failure> {
    prompt("passphrase: ")
}

/// Asks for a new passphrase on the terminal, twice; and again, up to [`ATTEMPTS`] times, if it is
/// empty or was not repeated.
pub(crate) fn ask_for_new() -> Result<Passphrase, Failure> {
    let mut attempts_left = ATTEMPTS;
    loop {
        let first = prompt("new passphrase: ")?;
        let why = if first.is_empty() {
            "the passphrase is empty"
        } else if *prompt("again: ")? != *first {
            "the two passphrases differ"
        } else {
            return Ok(first);
        };
        attempts_left -= 1;
        if attempts_left == 0 {
            return Err(Failure::new(why));
        }
        tell(format_args!("{why}; try again"))?;
    }
}

fn prompt(question: &str) -> Result<Passphrase, Failure> {
    rpassword::prompt_password(question).map(Zeroizing::new).map_err(Failure::context(
        "can't ask for the passphrase on a terminal; use --passphrase-file, or the option of the \
         command that names a file",
    ))
}

fn not_empty(passphrase: Passphrase) -> Result<Passphrase, Failure> {
    if passphrase.is_empty() {
        return Err(Failure::new("the passphrase is empty"));
    }
    Ok(passphrase)
}

/// How often a passphrase is asked for.
pub(crate) const ATTEMPTS: u8 = 3;
const VARIABLE: &str = "SEALPOST_PASSPHRASE_COMMAND";
const EXAMPLES: &str = "Examples:
  sealpost passphrase
  sealpost passphrase --remove
  sealpost --passphrase-command 'pass show sealpost' passphrase --new-passphrase-file new.txt";
/// Most bytes that a passphrase command may print. What is longer is cut off, and does not fit.
const PRINTED_MAX: usize = 4_096;
