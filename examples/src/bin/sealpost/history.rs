//! `sealpost history` and `sealpost search`.

use std::str::FromStr;
use std::time::Duration;

use sealpost_chat::Zone;
use sealpost_core::time::Timestamp;
use sealpost_messenger::api::{
    Entry, History, HistoryParams, HistoryResult, Peer, Search, SearchParams, Time,
};
use sealpost_programs::{Failure, FormatArg, now, tell};

use crate::args::ZoneArg;
use crate::hands::{Hands, failure};
use crate::home::Home;
use crate::markdown::Document;
use crate::recipient::{Recipient, recipient};
use crate::transcript::Transcript;

/// Options of `history`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = HISTORY_EXAMPLES)]
pub(crate) struct HistoryArgs {
    /// Whose conversation: a phone number, or a group, by its name or the beginning of its id
    /// [default: all of them]
    #[arg(value_name = "+PHONE|GROUP", value_parser = recipient)]
    with: Option<Recipient>,
    /// Largest count of entries; the latest are printed [default: 50, or all of them with --since]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Only what arrived or was sent since then: a day, a time, or how long ago, as 2026-11-26,
    /// '2026-11-26 12:03' or 2h
    #[arg(long, value_name = "WHEN")]
    since: Option<Since>,
    /// Print a document in Markdown
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    #[command(flatten)]
    zone: ZoneArg,
    #[command(flatten)]
    format: FormatArg,
}

/// Options of `search`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = SEARCH_EXAMPLES)]
pub(crate) struct SearchArgs {
    /// Words that an entry must contain, all of them; the last one may be the beginning of a word
    #[arg(value_name = "WORD", required = true)]
    words: Vec<String>,
    /// Only in the conversation with a phone number, or of a group
    #[arg(long, value_name = "+PHONE|GROUP", value_parser = recipient)]
    with: Option<Recipient>,
    /// Largest count of entries; the latest are printed
    #[arg(long, value_name = "N", default_value_t = LIMIT)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    zone: ZoneArg,
    #[command(flatten)]
    format: FormatArg,
}

/// The time from which on entries are printed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Since {
    Ago(Duration),
    /// A day or a time of day, in the time zone of the output.
    Local(String),
}

/// A text that is neither a time nor a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a time nor a duration: write 2026-11-26, '2026-11-26 12:03', 90min, 2h or 7d")]
struct InvalidSince;

/// Prints what was sent and received, the oldest entry first.
pub(crate) fn history(home: &Home, args: &HistoryArgs) -> Result<(), Failure> {
    let zone = args.zone.zone();
    let since = args.since.as_ref().map(|since| since.resolve(&zone)).transpose()?;
    let limit = args.limit.unwrap_or(if since.is_some() { u32::MAX } else { LIMIT });
    let hands = Hands::offline(home)?;
    let latest = peer(&hands, args.with.as_ref())
        .and_then(|with| Ok((with, latest(&hands, with, limit, since)?)));
    hands.finish()?;
    let (with, HistoryResult { entries, more }) = latest?;
    if args.markdown {
        return Document { with, zone }.print(&entries);
    }
    print(&Transcript { format: args.format.format(), zone }, &entries)?;
    if more && args.limit.is_none() {
        tell("* there are earlier entries: pass --limit or --since to see them")?;
    }
    Ok(())
}

/// Prints the entries that contain words, the oldest first.
pub(crate) fn search(home: &Home, args: &SearchArgs) -> Result<(), Failure> {
    let query = args.words.join(" ");
    let hands = Hands::offline(home)?;
    let found = peer(&hands, args.with.as_ref()).and_then(|with| {
        let params = SearchParams { query, with, before: None, limit: args.limit };
        hands.call::<Search>(&params).map_err(|error| failure(&error))
    });
    hands.finish()?;
    let HistoryResult { mut entries, more } = found?;
    entries.reverse();
    print(&Transcript { format: args.format.format(), zone: args.zone.zone() }, &entries)?;
    if more {
        tell("* earlier entries contain this, too: pass a larger --limit, or more words")?;
    }
    Ok(())
}

fn print(transcript: &Transcript, entries: &[Entry]) -> Result<(), Failure> {
    if entries.is_empty() {
        tell("* nothing found")?;
    }
    entries.iter().try_for_each(|entry| transcript.print(entry))
}

/// The conversation that was asked for, as methods name it.
fn peer(hands: &Hands, with: Option<&Recipient>) -> Result<Option<Peer>, Failure> {
    with.map(|with| with.peer(&hands.owner)).transpose()
}

/// The latest entries, oldest first, at most `limit` and none before `since`.
fn latest(
    hands: &Hands,
    with: Option<Peer>,
    limit: u32,
    since: Option<Timestamp>,
) -> Result<HistoryResult, Failure> {
    // The latest first, until all are there.
    let mut entries = Vec::new();
    let mut before = None;
    loop {
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(entries.len());
        if wanted == 0 {
            break;
        }
        let page = u32::try_from(wanted).unwrap_or(u32::MAX).min(PAGE);
        let params = HistoryParams { with, before, after: None, limit: page };
        let found = hands.call::<History>(&params).map_err(|error| failure(&error))?;
        before = found.entries.first().map(|entry| entry.entry);
        let count = found.entries.len();
        let recent = found.entries.into_iter().rev().take_while(|entry| is_since(entry, since));
        let all = entries.len().saturating_add(count);
        entries.extend(recent);
        if entries.len() < all || !found.more {
            entries.reverse();
            return Ok(HistoryResult { entries, more: false });
        }
    }
    entries.reverse();
    Ok(HistoryResult { entries, more: true })
}

/// Whether an entry came into the history at `since` or later, by our own clock.
fn is_since(entry: &Entry, since: Option<Timestamp>) -> bool {
    let Time(at) = entry.received_at.unwrap_or(entry.sent_at);
    since.is_none_or(|since| at >= since)
}

impl Since {
    fn resolve(&self, zone: &Zone) -> Result<Timestamp, Failure> {
        match self {
            Self::Ago(duration) => {
                let secs = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
                let at = now()?.unix_secs().saturating_sub(secs);
                Ok(Timestamp::from_unix_secs(at.max(0)))
            }
            Self::Local(text) => {
                let Time(at) = zone.read(text).ok_or(InvalidSince)?;
                Ok(at)
            }
        }
    }
}

impl FromStr for Since {
    type Err = InvalidSince;

    fn from_str(text: &str) -> Result<Self, InvalidSince> {
        if let Ok(duration) = humantime::parse_duration(text) {
            return Ok(Self::Ago(duration));
        }
        // Whatever the zone, the form is the same.
        Zone::UTC.read(text).map(|_| Self::Local(text.to_owned())).ok_or(InvalidSince)
    }
}

const HISTORY_EXAMPLES: &str = "Examples:
  sealpost history +4915187654321
  sealpost history --since 2h
  sealpost history +4915187654321 --since 2026-11-01 --markdown > november.md
  sealpost history --json --limit 1000";
const SEARCH_EXAMPLES: &str = "Examples:
  sealpost search see you at
  sealpost search invoice --with +4915187654321 --json";

/// Entries that are printed unless the user asks for another count.
const LIMIT: u32 = 50;
/// Entries in a page: as many as the method gives.
const PAGE: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_a_duration() {
        assert_eq!("2h".parse(), Ok(Since::Ago(Duration::from_hours(2))));
        assert_eq!("7d".parse(), Ok(Since::Ago(Duration::from_hours(7 * 24))));
        for time in ["2026-11-26", "2026-11-26 12:03"] {
            assert_eq!(time.parse(), Ok(Since::Local(time.into())));
        }
        for bad in ["", "yesterday", "2026-11", "12:03", "-1h"] {
            assert_eq!(bad.parse::<Since>(), Err(InvalidSince), "{bad}");
        }
        let at = Since::Local("2026-11-26 12:03".into()).resolve(&Zone::UTC).unwrap();
        assert_eq!(at.to_string(), "2026-11-26 12:03:00");
    }
}
