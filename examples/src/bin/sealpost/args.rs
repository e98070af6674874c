//! The command line of `sealpost`.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use sealpost_core::address::ServerAddress;
use sealpost_core::ids::Phone;
use sealpost_core::wire::Otp;
use sealpost_programs::{CryptoName, Failure, FormatArg};

/// A Sealpost client: sends and receives end-to-end encrypted messages.
///
/// Its key, its contacts and its messages are in one folder, its home, which one process at a time
/// may use. The exit status is 0 only if everything that was asked for was done.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[arg(long, global = true, value_name = "DIR", help = HOME_HELP)]
    home: Option<PathBuf>,

    /// The file with the key's passphrase, its first line; else you are asked if there is one
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,

    /// Who does the cryptography
    #[arg(long, global = true, value_enum, default_value_t = CryptoName::AwsLc)]
    pub(crate) crypto: CryptoName,

    #[command(subcommand)]
    pub(crate) task: Task,
}

const HOME_HELP: &str =
    "The folder with key and messages [default: $SEALPOST_HOME, else ~/.sealpost]";

const EXAMPLES: &str = "Examples:
  sealpost register sealpost://chat.example.org:7465/FINGERPRINT +4915112345678
  sealpost send +4915187654321 'See you at eight'
  sealpost listen
  sealpost verify +4915187654321 --mark

SEALPOST_LOG sets how much is logged to standard error: off, error (as it is), warn, info, debug
or trace.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Make a key and an account; asks for the one-time password unless it comes in band
    Register(RegisterArgs),
    /// Send a message; prints how far it came: stored, delivered or queued
    Send(SendArgs),
    /// Print messages as they come, until SIGINT or SIGTERM
    Listen(ListenArgs),
    /// List the people whose keys are known
    Contacts {
        #[command(flatten)]
        format: FormatArg,
    },
    /// Show the safety number to compare with a person, each on your own screen
    Verify(VerifyArgs),
    /// Tell whose account this is, and what waits to be sent
    Status {
        #[command(flatten)]
        format: FormatArg,
    },
}

/// How to register.
#[derive(clap::Args, Debug)]
pub(crate) struct RegisterArgs {
    /// The server's address, sealpost://HOST:PORT/FINGERPRINT, as its operator tells it
    pub(crate) address: ServerAddress,
    /// Your phone number, as in +4915112345678
    #[arg(value_name = "+PHONE")]
    pub(crate) phone: Phone,
    /// The one-time password of an earlier call, which asked for it
    #[arg(long, value_name = "CODE")]
    pub(crate) otp: Option<Otp>,
    /// Ask for a passphrase, twice, and keep the new key under it
    #[arg(long, conflicts_with = "passphrase_file")]
    pub(crate) passphrase: bool,
    /// How long to wait for the server, in seconds
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub(crate) timeout: u64,
}

/// How to send.
#[derive(clap::Args, Debug)]
pub(crate) struct SendArgs {
    /// To whom, as in +4915112345678
    #[arg(value_name = "+PHONE")]
    pub(crate) to: Phone,
    /// What; standard input, as it is, if this is missing or -
    pub(crate) text: Option<String>,
    /// How far the message must come
    #[arg(long, value_enum, default_value_t = Wait::Stored)]
    pub(crate) wait: Wait,
    /// For how long to wait, in seconds; the message is sent later if that was not enough
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub(crate) timeout: u64,
}

/// How far a message must come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wait {
    /// To its reader, who has signed for it
    Delivered,
    /// To the server, which can't lose it any more, or to its reader
    Stored,
    /// Into the outbox here; it goes out with the next send or listen
    None,
}

/// How to listen.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct ListenArgs {
    #[command(flatten)]
    pub(crate) format: FormatArg,
    /// End after so many messages
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// End after so many seconds; with --count that is a failure
    #[arg(long, value_name = "S")]
    pub(crate) seconds: Option<u64>,
}

/// What to verify.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct VerifyArgs {
    /// With whom, as in +4915112345678
    #[arg(value_name = "+PHONE")]
    pub(crate) phone: Phone,
    /// Accept the changed key that the server offers, in place of the one known
    #[arg(long)]
    pub(crate) accept: bool,
    /// Note that you have compared the number, and it was the same
    #[arg(long)]
    pub(crate) mark: bool,
    /// How long to wait for the server, in seconds, if the person is not known yet
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub(crate) timeout: u64,
}

impl Args {
    /// The home: what was given, else what the environment says.
    pub(crate) fn home_folder(&self) -> Result<PathBuf, Failure> {
        if let Some(home) = &self.home {
            return Ok(home.clone());
        }
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        set("SEALPOST_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(set("HOME")?).join(".sealpost")))
            .ok_or_else(|| Failure::usage("neither --home nor SEALPOST_HOME nor HOME is set"))
    }
}
