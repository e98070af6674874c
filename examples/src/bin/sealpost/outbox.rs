//! `sealpost outbox`: what waits to be sent, and what failed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sealpost_messenger::api::{
    CancelMessage, CancelResult, ChangeKind, Changed, Copy, Empty, Entry, EntryParams, ErrorKind,
    ListOutbox, Notification, OutboxChange, OutboxResult, Progress, RetryMessage, failures,
    summary,
};
use sealpost_programs::{Failure, Format, FormatArg, Line, OneLine, tell};

use crate::args::ZoneArg;
use crate::body::Body;
use crate::hands::{Hands, failure, subscribe_changes};
use crate::home::Home;
use crate::transcript::{fates, marks, progressed, whom};

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
    /// Send messages again that failed, and changes of them, and print how far they got. In a group,
    /// only the copies that failed are sent, to those who are members now
    Retry {
        /// Numbers of the messages, as outbox or history shows them [default: all that failed; not what
        /// was given up]
        #[arg(value_name = "NUMBER")]
        entries: Vec<u64>,
        /// How long to wait until the server has stored them, in seconds; after that they stay
        /// queued, and are sent later
        #[arg(long, value_name = "S", default_value_t = 30)]
        timeout: u64,
    },
    /// Give messages up that wait, for all recipients to whom they are not on their way, and take off
    /// the list what has failed. A change of a message that waits can't be given up: make another one
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
    let OutboxResult { entries, changes } = listed?;
    if entries.is_empty() && changes.is_empty() {
        tell("nothing waits to be sent, and nothing has failed")?;
    }
    let (format, zone) = (args.format.format(), args.zone.zone());
    for entry in entries {
        match format {
            Format::Json => Line::json(&entry)?,
            Format::Text => {
                let (number, stamp) = (entry.entry, zone.stamp(entry.sent_at));
                let marks = marks(&entry).join(", ");
                let text = Body::of(&entry.body).text();
                Line::text(format!("{number:>6}  {stamp}  {} [{marks}]: {text}", whom(&entry)))?;
                fates(&entry).iter().try_for_each(Line::text)?;
                reasons(&entry.copies).iter().try_for_each(Line::text)?;
            }
        }
    }
    changes.iter().try_for_each(|change| match format {
        Format::Json => Line::json(change),
        Format::Text => {
            Line::text(described(change))?;
            reasons(&change.copies).iter().try_for_each(Line::text)
        }
    })
}

/// Why copies wait, each reason once.
fn reasons(copies: &[Copy]) -> BTreeSet<String> {
    let reasons = copies.iter().filter_map(|copy| copy.waits_for.as_ref());
    reasons.map(|reason| format!("    waits: {reason}")).collect()
}

/// A change on one line. One of a group has no number: it is sent until it arrives.
fn described(change: &OutboxChange) -> String {
    let number = change.entry.map_or_else(|| "-".to_owned(), |entry| entry.to_string());
    let what = match change.change {
        ChangeKind::Edit => "edit of a message",
        ChangeKind::Delete => "message taken back",
        ChangeKind::Reaction => "reaction to a message",
        ChangeKind::Read => "what was seen",
        ChangeKind::Group => "change of the group",
        ChangeKind::Unknown => "change",
    };
    let with = change
        .group_name
        .as_ref()
        .map_or_else(|| change.conversation.to_string(), |name| format!("“{}”", OneLine(name)));
    let people: Vec<_> = change.copies.iter().map(|copy| copy.to.to_string()).collect();
    let (marks, people) = (summary(&change.progress, &change.copies), people.join(", "));
    format!("{number:>6}  {what} in {with} [{marks}]: for {people}")
}

fn waiting(hands: &Hands) -> Result<OutboxResult, Failure> {
    hands.call::<ListOutbox>(&Empty {}).map_err(|error| failure(&error))
}

fn retry(home: &Home, entries: &[u64], timeout: u64) -> Result<(), Failure> {
    let hands = Hands::take(home, subscribe_changes)?;
    let outcome = retry_with(&hands, entries, timeout);
    hands.finish()?;
    outcome
}

fn retry_with(hands: &Hands, named: &[u64], timeout: u64) -> Result<(), Failure> {
    let mut outcome = Outcome::default();
    let outbox = waiting(hands)?;
    let failed = if named.is_empty() { with_failures(&outbox) } else { named.to_vec() };
    if failed.is_empty() {
        tell("nothing has failed; what waits is sent by itself")?;
    }
    let mut sending = BTreeSet::new();
    for entry in failed {
        // What was given up is in no list.
        let is_message = outbox.entries.iter().any(|listed| listed.entry == entry)
            || outbox.changes.iter().all(|change| change.entry != Some(entry));
        match hands.call::<RetryMessage>(&EntryParams { entry }) {
            Ok(_) if is_message => drop(sending.insert(entry)),
            // The progress of a message does not say how far its changes are.
            Ok(_) => Line::text(format_args!("queued the changes of {entry}"))?,
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

/// Numbers of the messages of which a copy failed, or a copy of a change.
fn with_failures(outbox: &OutboxResult) -> Vec<u64> {
    let entries = outbox.entries.iter().map(|entry| (Some(entry.entry), &entry.copies));
    let changes = outbox.changes.iter().map(|change| (change.entry, &change.copies));
    let failed = entries.chain(changes).filter(|(_, copies)| failures(copies).next().is_some());
    failed.filter_map(|(entry, _)| entry).collect::<BTreeSet<_>>().into_iter().collect()
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
        let Some(progress) = entry.progress.as_ref().filter(|it| **it != Progress::Queued) else {
            continue;
        };
        sending.remove(&entry.entry);
        match failed_again(&entry) {
            Some(failure) => outcome.add(failure)?,
            None => {
                Line::text(progressed(entry.entry, progress, &entry.copies))?;
            }
        }
    }
    Ok(())
}

/// The failure of a message of which a copy has failed.
fn failed_again(entry: &Entry) -> Option<Failure> {
    let failed: Vec<_> = failures(&entry.copies).collect();
    let (_, reason) = failed.first()?;
    let people: Vec<_> = failed.iter().map(|(to, _)| to.to_string()).collect();
    let people = match entry.copies.len() {
        1 => String::new(),
        _ => format!(" for {}", people.join(", ")),
    };
    let message = format_args!("message {} failed again{people}: {reason}", entry.entry);
    Some(Failure::with_status(message, ErrorKind::Refused.exit_status()))
}

fn cancel(home: &Home, entries: &[u64]) -> Result<(), Failure> {
    let hands = Hands::offline(home)?;
    let mut outcome = Outcome::default();
    for &entry in entries {
        match hands.call::<CancelMessage>(&EntryParams { entry }) {
            Ok(CancelResult { cancelled, too_late }) => {
                let too_late: Vec<_> = too_late.iter().map(ToString::to_string).collect();
                let others = match &*too_late {
                    [] => String::new(),
                    people => format!(
                        " for {} of {}; too late for {}",
                        cancelled.len(),
                        cancelled.len() + people.len(),
                        people.join(", ")
                    ),
                };
                Line::text(format_args!("cancelled {entry}{others}"))?;
            }
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
  sealpost outbox cancel 19
  sealpost outbox --json | jq .entry";
