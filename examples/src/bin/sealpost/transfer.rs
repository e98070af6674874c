//! Following the transfer of a file: a bar on a terminal, and how it ends.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use sealpost_messenger::api::{
    Body, Changed, Entry, ErrorKind, FileRecipient, FileState, ListFiles, ListFilesParams,
    Notification,
};
use sealpost_programs::{Failure, Format, Line, OneLine, tell};

use crate::hands::{Hands, failure, subscribe_changes};
use crate::home::Home;
use crate::marks::file_word;
use crate::transcript::whom;

/// How far a transfer is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// It has begun.
    Begun,
    /// The recipient has the whole file.
    Complete,
}

/// Begins a transfer, or goes on with it, and follows it. `begin` returns the number of its entry; it is
/// repeated if the owner of the home ends. Returns the entry as it was last.
pub(crate) fn follow(
    home: &Home,
    begin: impl Fn(&Hands) -> Result<u64, Failure>,
    goal: Goal,
    patience: Duration,
) -> Result<Entry, Failure> {
    let mut begun = None;
    loop {
        let hands = Hands::take(home, subscribe_changes)?;
        let number = begun.map_or_else(|| begin(&hands), Ok);
        let followed = number.and_then(|number| {
            begun = Some(number);
            Follower::new(number, goal, patience).follow(&hands)
        });
        let is_lost = hands.is_lost();
        hands.finish()?;
        match followed {
            Err(_) | Ok(None) if is_lost => {}
            Err(failure) => return Err(failure),
            Ok(Some(entry)) => return Ok(entry),
            Ok(None) => return Err(Failure::new("stopped before the file was transferred")),
        }
    }
}

struct Follower {
    number: u64,
    goal: Goal,
    patience: Duration,
    /// When something moved last.
    moved: Instant,
    bar: Bar,
}

impl Follower {
    fn new(number: u64, goal: Goal, patience: Duration) -> Self {
        let bar = Bar { is_shown: io::stderr().is_terminal(), width: 0 };
        Self { number, goal, patience, moved: Instant::now(), bar }
    }

    /// Follows the transfer to its goal. `None` if there are no more notifications.
    fn follow(mut self, hands: &Hands) -> Result<Option<Entry>, Failure> {
        let mut entry = self.look(hands)?;
        if self.goal == Goal::Begun {
            return Ok(Some(entry));
        }
        loop {
            if let Some(ended) = self.judge(&entry)? {
                self.bar.clear()?;
                return ended.map(|()| Some(entry));
            }
            let left = self.patience.saturating_sub(self.moved.elapsed());
            match hands.notifications.recv_timeout(left) {
                Ok(Notification::Changed(Changed::Entry { entry: changed }))
                    if changed.entry == self.number =>
                {
                    if changed.body != entry.body {
                        self.moved = Instant::now();
                    }
                    entry = *changed;
                }
                Ok(Notification::Changed(Changed::Warning { text })) => {
                    self.bar.clear()?;
                    tell(format_args!("* {text}"))?;
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    self.bar.clear()?;
                    return Err(late(&entry));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.bar.clear()?;
                    return Ok(None);
                }
            }
        }
    }

    fn look(&self, hands: &Hands) -> Result<Entry, Failure> {
        let listed = hands.call::<ListFiles>(&ListFilesParams { limit: LISTED });
        let entries = listed.map_err(|error| failure(&error))?.entries;
        let found = entries.into_iter().find(|entry| entry.entry == self.number);
        found.ok_or_else(|| Failure::new(format_args!("there is no file {}", self.number)))
    }

    /// Whether the transfer is over, and how it ended.
    fn judge(&mut self, entry: &Entry) -> Result<Option<Result<(), Failure>>, Failure> {
        let Body::File { name, size, done, state, reason, .. } = &entry.body else {
            let gone = "the file was taken back by its sender";
            return Ok(Some(Err(Failure::with_status(gone, REFUSED))));
        };
        Ok(match state {
            FileState::Complete => Some(Ok(())),
            FileState::Offered | FileState::Underway | FileState::Unknown => {
                self.bar.draw(name, *done, *size)?;
                None
            }
            FileState::Refused | FileState::Cancelled | FileState::Failed => {
                let why = reason.as_deref().unwrap_or("the recipient did not want it");
                let message = format!("the file was not transferred: {why}");
                Some(Err(Failure::with_status(message, REFUSED)))
            }
        })
    }
}

/// The file takes longer than somebody waits.
fn late(entry: &Entry) -> Failure {
    let is_offer = matches!(&entry.body, Body::File { state: FileState::Offered, .. });
    let state = if is_offer && entry.from.is_none() {
        "the recipient has not accepted the file yet"
    } else {
        "the file is not complete yet"
    };
    Failure::with_status(
        format_args!("{state}; it goes on while sealpost daemon, chat or listen runs"),
        ErrorKind::KeptForLater.exit_status(),
    )
}

/// A bar on standard error, if that is a terminal.
struct Bar {
    is_shown: bool,
    /// Characters that were written last.
    width: usize,
}

impl Bar {
    fn draw(&mut self, name: &str, done: u64, size: u64) -> Result<(), Failure> {
        if !self.is_shown {
            return Ok(());
        }
        let share = |of: u64| done.saturating_mul(of).checked_div(size).unwrap_or(of).min(of);
        let filled = usize::try_from(share(BAR)).unwrap_or(0);
        let empty = usize::try_from(BAR).unwrap_or(0).saturating_sub(filled);
        let (filled, empty) = ("#".repeat(filled), ".".repeat(empty));
        let line = format!("[{filled}{empty}] {:>3} %  {}", share(100), OneLine(name));
        self.clear()?;
        self.width = line.chars().count();
        write(&line)
    }

    fn clear(&mut self) -> Result<(), Failure> {
        match std::mem::take(&mut self.width) {
            0 => Ok(()),
            width => write(&format!("\r{}\r", " ".repeat(width))),
        }
    }
}

fn write(text: &str) -> Result<(), Failure> {
    let mut stderr = io::stderr().lock();
    Ok(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush())?)
}

/// Prints a file.
pub(crate) fn print(entry: &Entry, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => Line::json(entry),
        Format::Text => {
            Line::text(text(entry))?;
            recipients(entry).iter().try_for_each(|it| Line::text(format!("  {}", of_one(it))))
        }
    }
}

/// How far a file is for each member of a group.
fn recipients(entry: &Entry) -> &[FileRecipient] {
    if let Body::File { recipients, .. } = &entry.body { recipients } else { &[] }
}

fn of_one(recipient: &FileRecipient) -> String {
    let FileRecipient { to, done, state, reason } = recipient;
    let reason = reason.as_ref().map(|reason| format!("  {reason}")).unwrap_or_default();
    format!("{:<10} {done:>16} B to {to}{reason}", file_word(*state))
}

/// A file on one line: state, number, size, who it is with, name, and where it is or why not.
fn text(entry: &Entry) -> String {
    let Body::File { name, size, done, state, reason, path, .. } = &entry.body else {
        return format!("{:<10} {:>6}", "gone", entry.entry);
    };
    let percent = done.saturating_mul(100).checked_div(*size).unwrap_or(0);
    let state = if *state == FileState::Underway {
        format!("{percent} %")
    } else {
        file_word(*state).to_owned()
    };
    let direction = if entry.from.is_some() { "from " } else { "" };
    let place = match (reason, path) {
        (Some(reason), _) => format!("  {reason}"),
        (None, Some(path)) if entry.from.is_some() => format!("  {path}"),
        (None, _) => String::new(),
    };
    let number = entry.entry;
    format!("{state:<10} {number:>6} {size:>9} B {direction}{}  {name}{place}", whom(entry))
}

/// Files among which one is looked for.
const LISTED: u32 = 1_000;
/// Width of the bar.
const BAR: u64 = 30;
const REFUSED: u8 = ErrorKind::Refused.exit_status();
