//! The command line of `sealpostd`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use sealpost_core::ids::Phone;
use sealpost_core::server::RegisteredPhones;
use sealpost_core::wire::Profile;
use sealpost_programs::{CryptoName, FormatArg, Verify};

use crate::couriers::OtpRoute;
use crate::size::Size;

/// The Sealpost server: accepts end-to-end encrypted messages and delivers them to their
/// recipients.
///
/// Without a command it runs the server until SIGTERM or SIGINT stops it gracefully; a second one
/// ends it at once. SIGHUP, SIGUSR1 and SIGUSR2 are logged and ignored: there is nothing to reload.
/// The log goes to standard error. Once the server accepts connections, it prints one line to
/// standard output: `ready ADDRESS:PORT sha256:FINGERPRINT`.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, subcommand_help_heading = "Commands for operators")]
#[command(disable_help_subcommand = true)]
pub(crate) struct Args {
    /// Folder with the server's keys and database; created if it does not exist
    #[arg(long, global = true, value_name = "DIR", default_value = "./sealpost-data")]
    pub(crate) data: PathBuf,

    #[command(flatten)]
    pub(crate) serving: Serving,

    #[command(subcommand)]
    pub(crate) task: Option<Task>,
}

const EXAMPLES: &str = "Examples:
  Try it out on this machine:
    sealpostd --otp in-band --no-limits
  Serve other machines, and send one-time passwords with a program:
    sealpostd --data /var/lib/sealpost --listen 0.0.0.0:7465 --otp exec:/usr/local/bin/send-sms
  List the users, one JSON object a line:
    sealpostd users list --json --data /var/lib/sealpost

The environment variable SEALPOST_LOG sets the log level: off, error, warn, info (the default),
debug or trace.";

/// Options of the server.
#[derive(clap::Args, Debug)]
pub(crate) struct Serving {
    /// Address and port to listen on; port 0 lets the system choose a port
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7465")]
    pub(crate) listen: SocketAddr,

    /// How to deliver one-time passwords: console (print them), in-band (answer with them, on loopback
    /// addresses only; in-band-to-anyone on others), exec:PROGRAM (run for each password; reads phone
    /// number and password from standard input, one line each) or webhook:FILE (POST them as JSON to
    /// the URL in the file's first line). With console and in-band nobody proves to own a number
    #[arg(long, value_name = "ROUTE", default_value = "console")]
    pub(crate) otp: OtpRoute,

    /// Answer requests for a one-time password alike for every phone number, so that strangers don't
    /// learn which are registered; owners of registered numbers then get passwords that they did not
    /// request
    #[arg(long)]
    pub(crate) hide_registered: bool,

    /// Width of user ids; fixed once the data folder exists [default: that of the data folder,
    /// compact for a new one]
    #[arg(long)]
    pub(crate) profile: Option<ProfileName>,

    /// Cryptography provider
    #[arg(long, value_enum, default_value_t = CryptoName::AwsLc)]
    pub(crate) crypto: CryptoName,

    /// How aws-lc verifies signatures that come together
    #[arg(long, value_enum, default_value_t = Verify::Auto)]
    pub(crate) verify: Verify,

    /// Threads for cryptography, in addition to the main thread, which takes a share [default: one
    /// fewer than the number of cores, but at least one]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<NonZeroUsize>,

    /// Turn off all rate limits, and what one sender may have stored; for tests and benchmarks,
    /// allowed on loopback addresses only
    #[arg(long)]
    pub(crate) no_limits: bool,

    #[command(flatten)]
    pub(crate) bounds: Bounds,
}

/// Bounds on memory and disk. Sizes are in bytes, or end in KiB, MiB or GiB.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Memory and disk (sizes end in KiB, MiB or GiB)")]
pub(crate) struct Bounds {
    /// Connections at once
    #[arg(long, value_name = "N", default_value_t = 16_384)]
    pub(crate) connections: usize,

    /// Memory for what all connections hold, and as much for what their peers leave unread; those
    /// with the most are disconnected when it is used up. Senders are slowed down before that, when
    /// their packets take a quarter of it
    #[arg(long, value_name = "SIZE", default_value = "128MiB")]
    pub(crate) packet_memory: Size,

    /// Messages that may wait for one absent user
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) mailbox_messages: u64,

    /// Size of the messages that may wait for one absent user. Someone to whom the user has never
    /// written gets a quarter of it at most, and nothing of the last quarter
    #[arg(long, value_name = "SIZE", default_value = "64MiB")]
    pub(crate) mailbox_size: Size,

    /// Size of the receipts that may wait for one user, who sends no messages while there are more
    #[arg(long, value_name = "SIZE", default_value = "8MiB")]
    pub(crate) receipts_size: Size,

    /// Size of the messages that one user may have stored for absent recipients in a day
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    pub(crate) daily_size: Size,

    /// Size of everything that waits; above it, new messages to absent users are refused
    #[arg(long, value_name = "SIZE", default_value = "16GiB")]
    pub(crate) store_size: Size,

    /// Free space on the disk below which new messages to absent users and registrations are
    /// refused, so that receipts and sessions still fit
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    pub(crate) disk_reserve: Size,
}

impl Serving {
    /// The setting of the server machine for `--hide-registered`.
    pub(crate) const fn registered_phones(&self) -> RegisteredPhones {
        if self.hide_registered { RegisteredPhones::Hidden } else { RegisteredPhones::Told }
    }
}

/// Profiles by the names that operators use.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ProfileName {
    /// User ids of 2 bytes: up to 65,535 users
    Compact,
    /// User ids of 8 bytes
    Wide,
}

impl ProfileName {
    /// The profile with this name.
    pub(crate) const fn profile(self) -> Profile {
        match self {
            Self::Compact => Profile::Compact,
            Self::Wide => Profile::Wide,
        }
    }
}

/// Commands for operators.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// List, show or delete users
    Users {
        #[command(subcommand)]
        task: UserTask,
    },
    /// Show how many users are registered and how much waits for them
    Stats {
        #[command(flatten)]
        format: FormatArg,
    },
    /// Check the whole database, and whether it is an older copy; exit status 1 if anything is wrong
    Check {
        #[command(flatten)]
        format: FormatArg,
    },
    /// Confirm that this machine's clock is right, after the server has logged that it is
    /// implausible: old messages expire by it again; the server must be stopped first
    TrustClock,
    /// Copy the database, the keys and the configuration into a new folder; a running server goes on
    Backup {
        /// Folder to make; it must not exist or be empty
        #[arg(value_name = "DIR")]
        to: PathBuf,
    },
    /// Put a backup into the data folder: the server must be stopped, and accounts and messages of
    /// the time since the backup are lost
    Restore {
        /// Folder that sealpostd backup has made
        #[arg(value_name = "DIR")]
        backup: PathBuf,
        /// Move the present files of the data folder into a folder of their own inside it
        #[arg(long)]
        replace: bool,
        /// User ids to skip, because the lost server may have handed them out since the backup
        /// [default: as many as the data folder remembers, or else 1,000 of compact ids and
        /// 1,000,000 of wide ones]
        #[arg(long, value_name = "N")]
        skip_ids: Option<u64>,
    },
    /// Accept the database in the data folder, which the server refuses because it is older than
    /// what the server has handed out, or another one: what is missing from it is lost; the server
    /// must be stopped first
    AcceptDatabase {
        /// User ids to skip [default: as for restore]
        #[arg(long, value_name = "N")]
        skip_ids: Option<u64>,
    },
    /// Create an empty database in place of a lost one, which the server refuses to do by itself:
    /// every account and message is lost, the server's key and address stay
    NewDatabase {
        /// Width of user ids, which must be that of the lost database
        #[arg(long, default_value = "compact")]
        profile: ProfileName,
    },
    /// Print the address that clients register with, as of the last start of the server
    Address {
        /// Host name or IP address by which clients reach this machine [default: the address that
        /// the server listens on]
        #[arg(long)]
        host: Option<String>,
    },
}

/// Commands on users.
#[derive(Debug, Subcommand)]
pub(crate) enum UserTask {
    /// List all users, in the order of their ids
    List {
        #[command(flatten)]
        format: FormatArg,
    },
    /// Show one user
    Show {
        /// Phone number of the user, for example +4915112345678
        #[arg(value_name = "+PHONE")]
        phone: Phone,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Delete a user and everything that waits for them; the server must be stopped first
    Delete {
        /// Phone number of the user, for example +4915112345678
        #[arg(value_name = "+PHONE")]
        phone: Phone,
    },
}
