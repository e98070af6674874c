//! The command line of `sealpostd`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use sealpost_core::ids::Phone;
use sealpost_core::wire::Profile;
use sealpost_mio::OtpRoute;
use sealpost_programs::{CryptoName, FormatArg};

/// The Sealpost server: takes end-to-end encrypted messages in and brings them to their readers.
///
/// Without a command it serves, until SIGTERM or SIGINT stops it in order. It logs to standard
/// error; once it accepts connections, it prints one line to standard output:
/// `ready ADDRESS:PORT sha256:FINGERPRINT`.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, subcommand_help_heading = "Commands for the operator")]
#[command(disable_help_subcommand = true)]
pub(crate) struct Args {
    /// The folder with keys and database; made if it is missing
    #[arg(long, global = true, value_name = "DIR", default_value = "./sealpost-data")]
    pub(crate) data: PathBuf,

    #[command(flatten)]
    pub(crate) serving: Serving,

    #[command(subcommand)]
    pub(crate) task: Option<Task>,
}

const EXAMPLES: &str = "Examples:
  sealpostd --otp in-band --no-limits       to try things out on this machine
  sealpostd --data /var/lib/sealpost --listen 0.0.0.0:7465 --otp exec:/usr/local/bin/send-sms
  sealpostd users list --json --data /var/lib/sealpost

SEALPOST_LOG sets how much is logged: off, error, warn, info (as it is), debug or trace.";

/// How to serve.
#[derive(clap::Args, Debug)]
pub(crate) struct Serving {
    /// Where to listen; port 0 lets the system choose
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7465")]
    pub(crate) listen: SocketAddr,

    /// How one-time passwords reach their owners: console, in-band, exec:PROGRAM (run for each;
    /// reads phone number and password, a line each) or webhook:URL
    #[arg(long, value_name = "WAY", default_value = "console")]
    pub(crate) otp: OtpRoute,

    /// The width of user ids, for good [default: that of the data folder; compact for a new one]
    #[arg(long)]
    pub(crate) profile: Option<ProfileName>,

    /// Who does the cryptography
    #[arg(long, value_enum, default_value_t = CryptoName::AwsLc)]
    pub(crate) crypto: CryptoName,

    /// Threads that do it beside the one with the sockets, which takes a share [default: one for each
    /// core but one, at least one]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<NonZeroUsize>,

    /// Lift every limit on rates, for tests and benchmarks; loopback addresses only
    #[arg(long)]
    pub(crate) no_limits: bool,
}

/// The profiles as an operator names them.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ProfileName {
    /// 2 bytes: up to 65,535 users
    Compact,
    /// 8 bytes
    Wide,
}

impl ProfileName {
    /// The profile of this name.
    pub(crate) const fn profile(self) -> Profile {
        match self {
            Self::Compact => Profile::Compact,
            Self::Wide => Profile::Wide,
        }
    }
}

/// What an operator does beside serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// List, show or delete users
    Users {
        #[command(subcommand)]
        task: UserTask,
    },
    /// Tell how many users there are, and what waits for them
    Stats {
        #[command(flatten)]
        format: FormatArg,
    },
    /// Read everything in the database; exit status 1 if something is damaged
    Check {
        #[command(flatten)]
        format: FormatArg,
    },
    /// Print the address that clients register with, as of the server's last start
    Address {
        /// The name or address by which clients reach this machine, in place of the one listened on
        #[arg(long)]
        host: Option<String>,
    },
}

/// What an operator does about users.
#[derive(Debug, Subcommand)]
pub(crate) enum UserTask {
    /// List all users, by id
    List {
        #[command(flatten)]
        format: FormatArg,
    },
    /// Show one user
    Show {
        /// Whose phone number, as in +4915112345678
        #[arg(value_name = "+PHONE")]
        phone: Phone,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Delete a user and what waits for them; no server may be running
    Delete {
        /// Whose phone number, as in +4915112345678
        #[arg(value_name = "+PHONE")]
        phone: Phone,
    },
}
