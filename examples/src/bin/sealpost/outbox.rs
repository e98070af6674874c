//! `sealpost outbox`: what waits to be sent, and what failed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sealpost_messenger::api::{
    CancelMessage, Changed, Empty, Entry, EntryParams, ErrorKind, ListOutbox, Notification,
    Progress, RetryMessage,
};
use sealpost_programs::{Failure, Format, FormatArg, Line, tell};

use crate::args::ZoneArg;
use crate::body::Body;
use crate::hands::{Hands, failure, subscribe_changes};
use crate::home::Home;
use crate::transcript::{marks, whom};

/// Options of `outbox`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES, disable_help_subcommand = true, args_conflicts_with_subcommands = true)]
pub(crate) struct OutboxArgs {
    #[command(subcommand)]
    task: Option<OutboxTask>,
    #[command(flatten)]
    zone: ZoneArg,
    #[command(flatten)]
    format: FormatArg,
}

/// What is done about messages of the outbox.
#[derive(clap::Subcommand, Clone, Debug)]
enum OutboxTask {
    /// Send messages again that failed, and print how far they got
    Retry {
        /// Numbers of the messages, as outbox shows them [default: all that failed]
        #[arg(value_name = "NUMBER")]
        entries: Vec<u64>,
        /// How long to wait until the server has stored them, in seconds; after that they stay
        /// queued, and are sent later
        #[arg(long, value_name = "S", default_value_t = 30)]
        timeout: u64,
    },
    /// Give messages up that wait. One that is on its way can't be given up
    Cancel {
        /// Numbers of the messages, as outbox shows them
        #[arg(value_name = "NUMBER", required = true)]
        entries: Vec<u64>,
    },
}

/// Lists the messages that wait and those that failed, or does something about them.
pub(crate) fn outbox(home: &Home, args: &OutboxArgs) -> Result<(), Failure> {
    match &args.task {
        None => list(home, args),
        Some(OutboxTask::Retry { entries, timeout }) => retry(home, entries, *timeout),
        Some(OutboxTask::Cancel { entries }) => cancel(home, entries),
    }
}

fn list(home: &Home, args: &OutboxArgs) -> Result<(), Failure> {
    let hands = Hands::offline(home)?;
    let listed = waiting(&hands);
    hands.finish()?;
    let zone = args.zone.zone();
    for entry in listed? {
        match args.format.format() {
            Format::Json => Line::json(&entry)?,
            Format::Text => {
                let (number, stamp) = (entry.entry, zone.stamp(entry.sent_at));
                let marks = marks(&entry).join(", ");
                let text = Body::of(&entry.body).text();
                Line::text(format!("{number:>6}  {stamp}  {} [{marks}]: {text}", whom(&entry)))?;
            }
        }
    }
    Ok(())
}

fn waiting(hands: &Hands) -> Result<Vec<Entry>, Failure> {
    let listed = hands.call::<ListOutbox>(&Empty {}).map_err(|error| failure(&error))?;
    Ok(listed.entries)
}

fn retry(home: &Home, entries: &[u64], timeout: u64) -> Result<(), Failure> {
    let hands = Hands::take(home, subscribe_changes)?;
    let outcome = retry_with(&hands, entries, timeout);
    hands.finish()?;
    outcome
}

fn retry_with(hands: &Hands, named: &[u64], timeout: u64) -> Result<(), Failure> {
    let mut outcome = Outcome::default();
    let failed = if named.is_empty() {
        let has_failed = |entry: &Entry| matches!(entry.progress, Some(Progress::Failed { .. }));
        waiting(hands)?.into_iter().filter(has_failed).map(|entry| entry.entry).collect()
    } else {
        named.to_vec()
    };
    let mut sending = BTreeSet::new();
    for entry in failed {
        match hands.call::<RetryMessage>(&EntryParams { entry }) {
            Ok(_) => drop(sending.insert(entry)),
            Err(error) => outcome.add(failure(&error))?,
        }
    }
    follow(hands, &mut sending, timeout, &mut outcome)?;
    for entry in sending {
        Line::text(format_args!("queued {entry}"))?;
        outcome.keep();
    }
    outcome.end()
}

/// Prints how far messages get, until all are stored or have failed again. Those that wait stay in
/// the set.
fn follow(
    hands: &Hands,
    sending: &mut BTreeSet<u64>,
    timeout: u64,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let deadline = Instant::now().checked_add(Duration::from_secs(timeout));
    while !sending.is_empty() {
        let left = deadline
            .map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
        let Ok(notification) = hands.notifications.recv_timeout(left) else { break };
        let Notification::Changed(Changed::Entry { entry }) = notification else { continue };
        if !sending.contains(&entry.entry) {
            continue;
        }
        let word = match &entry.progress {
            None | Some(Progress::Queued) => continue,
            Some(Progress::Failed { reason }) => {
                sending.remove(&entry.entry);
                let refused = ErrorKind::Refused.exit_status();
                let message = format_args!("message {} failed again: {reason}", entry.entry);
                outcome.add(Failure::with_status(message, refused))?;
                continue;
            }
            Some(Progress::Stored) => "stored",
            Some(Progress::Delivered) => "delivered",
            Some(Progress::Read) => "read",
        };
        sending.remove(&entry.entry);
        Line::text(format_args!("{word} {}", entry.entry))?;
    }
    Ok(())
}

fn cancel(home: &Home, entries: &[u64]) -> Result<(), Failure> {
    let hands = Hands::offline(home)?;
    let mut outcome = Outcome::default();
    for &entry in entries {
        match hands.call::<CancelMessage>(&EntryParams { entry }) {
            Ok(_) => Line::text(format_args!("cancelled {entry}"))?,
            Err(error) => outcome.add(failure(&error))?,
        }
    }
    hands.finish()?;
    outcome.end()
}

/// What could not be done for some of several messages.
#[derive(Default)]
struct Outcome {
    failure: Option<Failure>,
    kept: Option<Failure>,
}

impl Outcome {
    /// Notes a failure. Only the last one is the failure of the command, so others are told at once.
    fn add(&mut self, failure: Failure) -> Result<(), Failure> {
        match self.failure.replace(failure) {
            None => Ok(()),
            Some(before) => tell(before),
        }
    }

    /// A message waits.
    fn keep(&mut self) {
        let status = ErrorKind::KeptForLater.exit_status();
        self.kept = Some(Failure::with_status("not sent in time; kept, and sent later", status));
    }

    fn end(self) -> Result<(), Failure> {
        self.failure.or(self.kept).map_or(Ok(()), Err)
    }
}

const EXAMPLES: &str = "Examples:
  sealpost outbox
  sealpost outbox retry
  sealpost outbox retry 17 18
  sealpost outbox cancel 19";
