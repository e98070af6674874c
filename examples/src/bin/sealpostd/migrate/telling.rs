//! What the operator is told of a migration.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sealpost_programs::{Failure, Format, Line, LogFormat, log_to_stderr};
use sealpost_storage::server::moving::{Migrated, Progress};
use serde_json::json;
use tracing::level_filters::LevelFilter;

/// Shows progress on standard error: on a terminal every second, and otherwise as lines of the log.
pub(super) struct Teller {
    format: Format,
    is_terminal: bool,
    began: Instant,
    last: Cell<Instant>,
}

/// What a migration has done.
pub(super) enum Outcome {
    /// Everything was read, and nothing was changed.
    Rehearsed(Migrated),
    /// The accounts are in a deployment in NATS.
    InEngine {
        /// `None` if it was copied before an interruption.
        migrated: Option<Migrated>,
        deployment: String,
        old_database: Option<PathBuf>,
    },
    /// The accounts are in the database.
    InDatabase { migrated: Option<Migrated>, deployment: String, database: PathBuf },
}

impl Teller {
    pub(super) fn start(format: Format) -> Result<Self, Failure> {
        let is_terminal = io::stderr().is_terminal();
        if !is_terminal {
            log_to_stderr(LevelFilter::INFO, LogFormat::Text)?;
        }
        let began = Instant::now();
        Ok(Self { format, is_terminal, began, last: Cell::new(began) })
    }

    pub(super) fn progress(&self, Progress { accounts, all_accounts, items }: Progress) {
        let every = if self.is_terminal { ON_TERMINAL } else { IN_LOG };
        let is_first = accounts == 0;
        if self.last.get().elapsed() < every && !is_first {
            return;
        }
        self.last.set(Instant::now());
        if !self.is_terminal {
            tracing::info!(accounts, of = all_accounts, items, "moving accounts");
            return;
        }
        let rate = rate(accounts, self.began.elapsed());
        // Progress that can't be shown is no reason to stop.
        let _ = writeln!(
            io::stderr(),
            "sealpostd: moved {accounts} of {all_accounts} accounts, with {items} messages and \
             receipts ({rate} accounts a second)"
        );
    }

    pub(super) fn tell(&self, outcome: &Outcome) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.tell_programs(outcome),
            Format::Text => self.tell_people(outcome),
        }
    }

    fn tell_programs(&self, outcome: &Outcome) -> Result<(), Failure> {
        let (state, migrated) = match outcome {
            Outcome::Rehearsed(migrated) => ("unchanged", Some(migrated)),
            Outcome::InEngine { migrated, .. } => ("nats", migrated.as_ref()),
            Outcome::InDatabase { migrated, .. } => ("database", migrated.as_ref()),
        };
        let old_database = match outcome {
            Outcome::InEngine { old_database: Some(path), .. } => Some(path.to_string_lossy()),
            Outcome::InEngine { old_database: None, .. }
            | Outcome::Rehearsed(_)
            | Outcome::InDatabase { .. } => None,
        };
        let left_out = migrated.map(|migrated| {
            let each = migrated.left_out.iter();
            each.map(|(user, items)| json!({ "user": user.value(), "items": items }))
                .collect::<Vec<_>>()
        });
        Line::json(&json!({
            "store": state,
            "accounts": migrated.map(|migrated| migrated.accounts),
            "items": migrated.map(|migrated| migrated.items),
            "left_out": left_out,
            "old_database": old_database,
            "seconds": self.began.elapsed().as_secs(),
        }))
    }

    fn tell_people(&self, outcome: &Outcome) -> Result<(), Failure> {
        match outcome {
            Outcome::Rehearsed(migrated) => {
                self.tell_counts("would be moved", migrated)?;
                Line::text("nothing was changed")
            }
            Outcome::InEngine { migrated, deployment, old_database } => {
                if let Some(migrated) = migrated {
                    self.tell_counts("moved and compared", migrated)?;
                }
                Line::text(format_args!(
                    "the accounts are in NATS, in the deployment \"{deployment}\": set store and the \
                     section [nats] in the configuration, and start the server"
                ))?;
                match old_database {
                    Some(path) => Line::text(format_args!(
                        "the old database is kept as {}: remove it when the server has run for a while",
                        path.display()
                    )),
                    None => Ok(()),
                }
            }
            Outcome::InDatabase { migrated, deployment, database } => {
                if let Some(migrated) = migrated {
                    self.tell_counts("moved and compared", migrated)?;
                }
                Line::text(format_args!(
                    "the accounts are in {}: remove store and the section [nats] from the configuration, \
                     and start this server and no other",
                    database.display()
                ))?;
                Line::text(format_args!(
                    "the streams in NATS are kept, and no server opens them: remove each one that `nats \
                     stream ls` shows with a name that begins with {deployment}-, with nats stream rm \
                     NAME"
                ))
            }
        }
    }

    fn tell_counts(&self, what: &str, migrated: &Migrated) -> Result<(), Failure> {
        let Migrated { accounts, items, left_out } = migrated;
        let taken = self.began.elapsed();
        Line::text(format_args!(
            "{what}: {accounts} accounts, with {items} messages and receipts, in {} s",
            taken.as_secs()
        ))?;
        for (user, items) in left_out {
            Line::text(format_args!(
                "left out: {items} items of the mailbox of user {user}, because another mailbox has an \
                 item with the same id, and a database can't have both"
            ))?;
        }
        Ok(())
    }
}

fn rate(count: u64, taken: Duration) -> u64 {
    let millis = u64::try_from(taken.as_millis()).unwrap_or(u64::MAX).max(1);
    count.saturating_mul(1_000) / millis
}

const ON_TERMINAL: Duration = Duration::from_secs(1);
const IN_LOG: Duration = Duration::from_secs(10);
