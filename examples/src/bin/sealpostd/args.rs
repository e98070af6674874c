//! The command line of `sealpostd`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use sealpost_core::ids::Phone;
use sealpost_core::wire::Profile;
use sealpost_programs::{FormatArg, Manual, VERSION};
use serde::Deserialize;

use crate::config::Flags;
use crate::invite::InviteTask;
use crate::key::KeyTask;

/// The Sealpost server: accepts end-to-end encrypted messages and delivers them to their
/// recipients.
///
/// Without a command it runs the server until SIGTERM or SIGINT stops it gracefully; a second one
/// ends it at once. SIGHUP reloads the configuration; SIGUSR1 and SIGUSR2 are logged and ignored.
/// The log goes to standard error. Once the server accepts connections, it prints one line to
/// standard output: `ready ADDRESS:PORT sha256:FINGERPRINT`.
#[derive(Debug, Parser)]
#[command(name = "sealpostd", version = VERSION, after_help = EXAMPLES, subcommand_help_heading = "Commands for operators")]
#[command(disable_help_subcommand = true)]
pub(crate) struct Args {
    /// Configuration file [default: sealpostd.toml in the data folder, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) flags: Flags,

    /// Make the data folder if there is none, as the command init does
    #[arg(long)]
    pub(crate) init: bool,

    #[command(subcommand)]
    pub(crate) task: Option<Task>,
}

const EXAMPLES: &str = "Examples:
  Try it out on this machine:
    sealpostd --otp in-band --no-limits
  Serve other machines, and send one-time passwords with a program:
    sealpostd --data /var/lib/sealpost --listen 0.0.0.0:7465 init
    sealpostd --data /var/lib/sealpost --listen 0.0.0.0:7465 --otp exec:/usr/local/bin/send-sms
  Let them use TLS, with a certificate for the name chat.example.org:
    sealpostd --listen 0.0.0.0:7465 --tls-cert fullchain.pem --tls-key privkey.pem
  List the users, one JSON object a line:
    sealpostd users list --json --data /var/lib/sealpost

`sealpostd config` lists every option, also those that only the configuration file and the
environment have. The environment goes before the file, and the command line before both. The
environment variable SEALPOST_LOG sets the log level: off, error, warn, info (the default), debug
or trace; MODULE=LEVEL for one module; or several of these, separated by commas.";

/// Profiles by the names that operators use.
#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
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
    /// Make the data folder with keys, an empty database and a commented configuration file
    Init {
        #[command(flatten)]
        format: FormatArg,
    },
    /// Print the configuration in force as a file, with every option, its default, and whether a
    /// reload applies it
    Config {
        #[command(subcommand)]
        task: Option<ConfigTask>,
    },
    /// List, show, suspend, resume or delete users
    Users {
        #[command(subcommand)]
        task: UserTask,
    },
    /// Show the server's key, or change it
    Key {
        #[command(subcommand)]
        task: KeyTask,
    },
    /// Make, list or revoke invitations
    Invite {
        #[command(subcommand)]
        task: InviteTask,
    },
    /// Show how many users are registered, how much waits for them, and what the server has done
    Stats {
        #[command(flatten)]
        format: FormatArg,
    },
    /// Say whether the running server is ready; exit status 1 if not
    Health {
        /// Address of the server's metrics [default: that of the configuration, or else the server's
        /// socket in the data folder]
        #[arg(long, value_name = "ADDR")]
        metrics: Option<SocketAddr>,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Change the log levels of the running server, or print them
    LogLevel {
        /// off, error, warn, info, debug or trace for everything, or MODULE=LEVEL for one module,
        /// such as `sealpost_mio=debug`
        #[arg(value_name = "LEVEL|MODULE=LEVEL")]
        level: Option<String>,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Show what the running server is doing, second by second; q leaves
    Top {
        /// Show one second, and end
        #[arg(long)]
        once: bool,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Have the running server reload its configuration, as SIGHUP does, and say what has changed
    Reload {
        #[command(flatten)]
        format: FormatArg,
    },
    /// Stop the running server in order, and wait for its end
    Stop {
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
    TrustClock {
        #[command(flatten)]
        format: FormatArg,
    },
    /// Copy the database, the keys and the configuration into a new folder; a running server goes on
    Backup {
        /// Folder to make; it must not exist or be empty
        #[arg(value_name = "DIR")]
        to: PathBuf,
        #[command(flatten)]
        format: FormatArg,
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
        #[command(flatten)]
        format: FormatArg,
    },
    /// Move all accounts and messages from the database to NATS, or back: the server must be stopped, and
    /// if it was interrupted, the same command goes on
    #[command(after_help = MIGRATE_EXAMPLES)]
    Migrate {
        #[command(flatten)]
        args: MigrateArgs,
    },
    /// Accept the database in the data folder, which the server refuses because it is older than
    /// what the server has handed out, or another one: what is missing from it is lost; the server
    /// must be stopped first
    AcceptDatabase {
        /// User ids to skip [default: as for restore]
        #[arg(long, value_name = "N")]
        skip_ids: Option<u64>,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Create an empty database in place of a lost one, which the server refuses to do by itself:
    /// every account and message is lost, the server's key and address stay
    NewDatabase {
        /// Width of user ids, which must be that of the lost database
        #[arg(long, default_value = "compact")]
        profile: ProfileName,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Print the address that clients register with, as of the last start of the server
    Address {
        /// Host name or IP address by which clients reach this machine, in place of all that the address
        /// has [default: those of the public address, or the address that the server listens on]
        #[arg(long)]
        host: Option<String>,
        /// Print the address with the old key, while the server changes its key
        #[arg(long)]
        old: bool,
        #[command(flatten)]
        format: FormatArg,
    },
    #[command(flatten)]
    Manual(Manual),
}

const MIGRATE_EXAMPLES: &str = "Examples:
  Count what would be moved:
    sealpostd --data /var/lib/sealpost migrate --to nats --dry-run
  Move to the NATS of the configuration file, with the server stopped:
    sealpostd --data /var/lib/sealpost migrate --to nats
  Move to a deployment with another name, and say in the environment what the file does not:
    SEALPOST_NATS_TRUST_SYNC=true sealpostd --deployment chat migrate --to nats://127.0.0.1:4222
  Move back into a database, with every server of the deployment stopped:
    sealpostd --data /var/lib/sealpost migrate --to database";

/// Commands on the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigTask {
    /// Check the file, the environment and the command line, as the server does at its start
    Check {
        #[command(flatten)]
        format: FormatArg,
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
    /// Delete a user and everything that waits for them, for good
    Delete {
        #[command(flatten)]
        user: ChangeArgs,
    },
    /// Suspend a user: their session ends and no other begins; what is sent to them is stored
    Suspend {
        #[command(flatten)]
        user: ChangeArgs,
    },
    /// Resume a suspended user
    Resume {
        #[command(flatten)]
        user: ChangeArgs,
    },
}

/// Arguments of a migration.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct MigrateArgs {
    /// Where to move them: `database`; `nats` for the store in the configuration; or the address of
    /// NATS, whose other options are in the configuration
    #[arg(long, value_name = "database|nats|nats://HOST:PORT")]
    pub(crate) to: String,
    /// Read and count everything, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// Arguments of a command that changes a user.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct ChangeArgs {
    /// Phone number of the user, for example +4915112345678
    #[arg(value_name = "+PHONE")]
    pub(crate) phone: Phone,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}
