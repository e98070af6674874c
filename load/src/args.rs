//! The command line of `sealpost-load`.

use clap::{Parser, Subcommand};

use crate::tasks::ceiling::CeilingArgs;
use crate::tasks::compare::CompareArgs;
use crate::tasks::idle::IdleArgs;
use crate::tasks::mosquitto::MosquittoArgs;
use crate::tasks::offline::OfflineArgs;
use crate::tasks::online::OnlineArgs;
use crate::tasks::reconnect::ReconnectArgs;
use crate::tasks::siege::SiegeArgs;
use crate::tasks::storm::StormArgs;

/// Puts a Sealpost server under load and measures it.
///
/// Users register over the wire and do what clients must: recipients sign receipts, senders
/// acknowledge them. Every packet that arrives is compared with what was sent, byte for byte and in
/// order. A missing, changed or surplus packet ends the run with exit status 1.
///
/// The clients' own cryptography is done before the measurement, on all cores: messages, receipts
/// and acknowledgements are sealed and signed in advance. Long runs send the same packets several
/// times, which costs the server as much as new ones. Arriving packets are compared but not opened;
/// packets that only the server could seal are verified after the measurement. The generator is one
/// thread. Its processor time is reported beside the server's.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) task: Task,
}

const EXAMPLES: &str = "Examples:
  sealpost-load online                          50 pairs, as fast as they can
  sealpost-load online --rate 5000 --json       latency at 5,000 messages a second
  sealpost-load offline --recipients 1          how fast one recipient drains its mailbox
  sealpost-load reconnect                       new connections, from dialling to 255
  sealpost-load mosquitto                       what an MQTT broker does with the same load
  sealpost-load compare --markdown              everything, five times, as a table

At a fixed rate, latency counts from the time when a message was due, so that stalls show.";

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Messages between users who are both connected
    Online(OnlineArgs),
    /// Messages for absent recipients, and the drain when they come back
    Offline(OfflineArgs),
    /// A storm of reconnecting clients
    Reconnect(ReconnectArgs),
    /// How much of the server's memory an idle connection takes
    Idle(IdleArgs),
    /// How a storm of registrations affects the latency of messages
    Storm(StormArgs),
    /// What ordinary users notice while greedy users and strangers attack
    Siege(SiegeArgs),
    /// The load of `online` on mosquitto, an MQTT broker, for comparison
    Mosquitto(MosquittoArgs),
    /// What this machine can do: RSA operations, and SQLite's group commits
    Ceiling(CeilingArgs),
    /// All of these, compared with what the machine can do
    Compare(CompareArgs),
}
