//! The command line of `sealpost-load`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use sealpost_core::address::ServerAddress;
use sealpost_programs::FormatArg;

use crate::ceiling::CeilingArgs;
use crate::compare::CompareArgs;
use crate::idle::IdleArgs;
use crate::offline::OfflineArgs;
use crate::online::OnlineArgs;
use crate::reconnect::ReconnectArgs;
use crate::storm::StormArgs;

/// Puts a Sealpost server under load, and measures it.
///
/// Users are registered over the wire and do what clients must: readers sign receipts, senders
/// acknowledge them. Every packet that arrives is compared, byte for byte and in order, with what
/// was sent; one that is missing, changed or too many ends the run with exit status 1.
///
/// A client's own cryptography is done before the clock starts, on all cores: messages, receipts
/// and acknowledgements are sealed and signed, and in long runs sent again and again, which to the
/// server is the same work as new ones. What arrives is compared, not opened, and what only the
/// server could have sealed is checked after the clock has stopped. The generator is one thread;
/// its processor time is reported beside the server's.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) task: Task,
}

const EXAMPLES: &str = "Examples:
  sealpost-load online                          as fast as 50 pairs can
  sealpost-load online --rate 5000 --json       latency at 5,000 messages a second
  sealpost-load offline --readers 1             what one reader drains
  sealpost-load reconnect                       new connections, from nothing to 255
  sealpost-load compare --markdown              everything, five times, as a table

Latencies at a fixed rate count from the time at which a message was due, so that a stall shows.";

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Messages between users who are both connected
    Online(OnlineArgs),
    /// Messages for readers who are away, and the drain when they come back
    Offline(OfflineArgs),
    /// A storm of clients that come back
    Reconnect(ReconnectArgs),
    /// What an idle connection costs the server in memory
    Idle(IdleArgs),
    /// What a storm of registrations does to the latency of messages
    Storm(StormArgs),
    /// What this machine allows: RSA, and SQLite's group commits
    Ceiling(CeilingArgs),
    /// All of it, against what the machine allows
    Compare(CompareArgs),
}

/// Which server.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct ServerArgs {
    /// The server to start, for this run only [default: the sealpostd beside this program]
    #[arg(long, value_name = "PATH", conflicts_with = "connect")]
    pub(crate) server: Option<PathBuf>,

    /// Where the server's data is kept during the run, and so which disk is measured
    /// [default: the system's folder for temporary files]
    #[arg(long, value_name = "DIR", conflicts_with = "connect")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Threads that do the server's cryptography beside its main one [default: one for each core but
    /// one, at least one]
    #[arg(long, value_name = "N", conflicts_with = "connect")]
    pub(crate) workers: Option<u16>,

    /// A running server in place of an own one: compact profile, --otp in-band --no-limits
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) connect: Option<ServerAddress>,

    /// That server's process, if it is on this machine, for its processor time and memory
    #[arg(long, value_name = "PID", requires = "connect")]
    pub(crate) pid: Option<u32>,
}

/// What every task has.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Common {
    #[command(flatten)]
    pub(crate) server: ServerArgs,

    #[command(flatten)]
    pub(crate) format: FormatArg,
}
