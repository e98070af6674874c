//! Options of `sealpost send`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use sealpost_messenger::api::{InvalidPeer, Mention, PhoneNumber};
use sealpost_programs::{Failure, FormatArg};

use crate::recipient::{Recipient, recipient};

/// Options of `send`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SendArgs {
    /// Phone number of the recipient, for example +4915112345678, or a group: its name, or the
    /// beginning of its id
    #[arg(value_name = "+PHONE|GROUP", value_parser = recipient)]
    pub(crate) to: Recipient,
    /// Text of the message, not empty [default: standard input, unchanged; also with -]; with --file
    /// what is written with the file, if anything
    pub(crate) text: Option<String>,
    /// Where TEXT first stands in the message, it means the person with this number, for example
    /// @Bob=+4915187654321; can be given several times
    #[arg(long = "mention", value_name = "TEXT=+PHONE", conflicts_with = "file")]
    pub(crate) mentions: Vec<Mentioned>,
    /// Send this file, of at most 64 MiB. It must stay as it is until the recipient has it
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Option<PathBuf>,
    /// What to wait for before exiting [default: stored; with --file delivered]
    #[arg(long, value_enum)]
    pub(crate) wait: Option<Wait>,
    /// How long to wait, in seconds, with --file since something moved; after that the message stays
    /// queued, and is sent later
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub(crate) timeout: u64,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// A part of a message that stands for a person.
#[derive(Clone, Debug)]
pub(crate) struct Mentioned {
    text: String,
    number: PhoneNumber,
}

impl FromStr for Mentioned {
    type Err = String;

    fn from_str(argument: &str) -> Result<Self, String> {
        let parts = argument.rsplit_once('=').filter(|(text, _)| !text.is_empty());
        let (text, number) =
            parts.ok_or("write it as TEXT=+PHONE, for example @Bob=+4915187654321")?;
        let number = number.parse().map_err(|error: InvalidPeer| error.to_string())?;
        Ok(Self { text: text.into(), number })
    }
}

impl Mentioned {
    /// The first place of a message where its text stands.
    pub(crate) fn within(&self, message: &str) -> Result<Mention, Failure> {
        let (before, _) = message.split_once(&self.text).ok_or_else(|| {
            Failure::usage(format_args!("--mention: the message does not contain {:?}", self.text))
        })?;
        let chars = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let (start, length) = (chars(before), chars(&self.text));
        Ok(Mention { start, length, number: Some(self.number) })
    }
}

/// What `send` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wait {
    /// The recipient has received the message and signed a receipt; with --file, has the whole file
    Delivered,
    /// The server has stored the message, or the offer of the file, durably, or the recipient has
    /// received it
    Stored,
    /// Nothing: the message is in the local outbox, and goes out with the next send or listen
    None,
}

const EXAMPLES: &str = "Examples:
  sealpost send +4915187654321 'See you at eight'
  sealpost send Climbers '@Bob brings the rope' --mention @Bob=+4915187654321
  sealpost send +4915187654321 --file route.png
  date | sealpost send +4915187654321 --wait delivered";
