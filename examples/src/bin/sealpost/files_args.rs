//! The command line of `sealpost files`.

use clap::Subcommand;
use sealpost_programs::FormatArg;

use crate::recipient::{Recipient, recipient};

/// Options of `files`.
#[derive(clap::Args, Debug)]
#[command(after_help = FILES_EXAMPLES)]
pub(crate) struct FilesArgs {
    #[command(subcommand)]
    pub(crate) task: Option<FilesTask>,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

const FILES_EXAMPLES: &str = "Received files are in the folder files of the home.

Examples:
  sealpost files
  sealpost files accept 12
  sealpost files accept-up-to 10000000 +4915187654321";

/// What is done about files.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum FilesTask {
    /// List the latest files: number, state, size, name, and where it is (the default)
    List {
        /// Largest count of files
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
    /// Accept a file that was offered, and wait until it is here
    Accept {
        /// Number of the file, as listed
        entry: u64,
        /// Don't wait: the file comes while sealpost daemon, chat or listen runs
        #[arg(long)]
        no_wait: bool,
        /// How long to wait, in seconds since something moved
        #[arg(long, value_name = "S", default_value_t = 30)]
        timeout: u64,
    },
    /// Refuse a file that was offered
    Refuse {
        /// Number of the file, as listed
        entry: u64,
    },
    /// Give up a file that is being received or sent, or that you have offered
    Cancel {
        /// Number of the file, as listed
        entry: u64,
    },
    /// Accept the files of a person, or those in a group, without asking, as long as all on their way
    /// have at most so many bytes; 0 to be asked about each
    AcceptUpTo {
        /// Bytes; a file has at most 67108864
        bytes: u64,
        /// Phone number of the person, or name of the group
        #[arg(value_name = "+PHONE|GROUP", value_parser = recipient)]
        from: Recipient,
    },
}
