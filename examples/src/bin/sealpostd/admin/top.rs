//! `sealpostd top`: what the running server is doing, second by second. It names nobody.

use std::thread;
use std::time::{Duration, Instant};

use sealpost_programs::{Failure, Format, Line};
use serde::Serialize;

use super::call::Call;
use super::commands::unexpected;
use super::figures::{Live, Mailbox, Millis, Sample};
use super::rates::Rates;
use super::request::{Answer, Request};
use super::terminal::Terminal;
use crate::data::DataFolder;
use crate::size::Size;

/// How often `top` shows something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// After one second.
    Once,
    /// Every second.
    UntilLeft,
}

/// Shows what the running server is doing: in the terminal, or as lines of text or JSON.
pub(crate) fn top(data: &DataFolder, repeat: Repeat, format: Format) -> Result<(), Failure> {
    let mut watch = Watch::begin(data)?;
    let in_terminal = format == Format::Text && repeat == Repeat::UntilLeft && Terminal::is_there();
    if in_terminal {
        let terminal = Terminal::open().map_err(Failure::context("can't use the terminal"))?;
        return show(&mut watch, &terminal);
    }
    loop {
        thread::sleep(SECOND);
        let moment = watch.next()?;
        match format {
            Format::Json => Line::json(&moment)?,
            Format::Text => moment.lines().iter().try_for_each(Line::text)?,
        }
        if repeat == Repeat::Once {
            return Ok(());
        }
    }
}

fn show(watch: &mut Watch, terminal: &Terminal) -> Result<(), Failure> {
    let draw = |moment: &Moment| {
        let mut lines = moment.lines();
        lines.extend([String::new(), "q leaves".to_owned()]);
        terminal.show(&lines)
    };
    draw(&watch.first())?;
    loop {
        let begin = Instant::now();
        while let Some(rest) = SECOND.checked_sub(begin.elapsed()) {
            if terminal.wait_for_leave(rest)? {
                return Ok(());
            }
        }
        draw(&watch.next()?)?;
    }
}

/// The connection to the server, and the last moment.
struct Watch {
    call: Call,
    last: (Sample, Instant),
}

/// A moment, with the rates since the one before.
#[derive(Serialize)]
struct Moment {
    #[serde(flatten)]
    sample: Sample,
    rates: Rates,
}

impl Watch {
    fn begin(data: &DataFolder) -> Result<Self, Failure> {
        if data.try_lock()?.is_some() {
            return Err(Failure::new(format_args!(
                "no server runs on {}, and top needs one",
                data.path().display()
            )));
        }
        let mut call = Call::required(data)?;
        let last = (sample(&mut call)?, Instant::now());
        Ok(Self { call, last })
    }

    fn first(&self) -> Moment {
        Moment { sample: self.last.0.clone(), rates: Rates::default() }
    }

    fn next(&mut self) -> Result<Moment, Failure> {
        let now = sample(&mut self.call)?;
        let millis = u64::try_from(self.last.1.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (earlier, later) = (&self.last.0.figures.running, &now.figures.running);
        let rates = match (earlier, later) {
            (Some(earlier), Some(later)) => Rates::between(earlier, later, millis),
            (None, _) | (_, None) => return Err(unexpected()),
        };
        self.last = (now.clone(), Instant::now());
        Ok(Moment { sample: now, rates })
    }
}

fn sample(call: &mut Call) -> Result<Sample, Failure> {
    match call.ask(&Request::Top {})? {
        Answer::Top(sample) => Ok(*sample),
        Answer::Stats(_)
        | Answer::User(_)
        | Answer::Invitation { .. }
        | Answer::Key(_)
        | Answer::LogLevels(_)
        | Answer::Ready
        | Answer::Reloaded { .. }
        | Answer::Stopping => Err(unexpected()),
    }
}

impl Moment {
    fn lines(&self) -> Vec<String> {
        let figures = &self.sample.figures;
        let mut lines = figures.running.as_ref().map(|live| self.live(live)).unwrap_or_default();
        lines.extend([
            String::new(),
            format!(
                "waiting       {} messages ({}), {} receipts ({})",
                figures.pending_messages,
                Size(figures.pending_bytes),
                figures.pending_receipts,
                Size(figures.pending_receipt_bytes)
            ),
            format!("oldest        {}", figures.oldest.as_deref().unwrap_or("-")),
            String::new(),
            "largest mailboxes      messages   receipts         size".to_owned(),
        ]);
        let largest = self.sample.largest.iter().enumerate();
        lines.extend(largest.map(|(nth, mailbox)| row(nth + 1, mailbox)));
        lines
    }

    fn live(&self, live: &Live) -> Vec<String> {
        let Rates { forwarded, stored, commits, commit_requests, .. } = self.rates;
        let within =
            |bound: Option<u64>| bound.map_or_else(|| "-".into(), |b| Millis(b).to_string());
        vec![
            format!("sealpostd {}, up {}", live.version, uptime(live.uptime_secs)),
            String::new(),
            format!("connections   {}, {} of them in a session", live.connections, live.sessions),
            format!("in memory     {}", Size(live.held_bytes as u64)),
            format!("disconnected  {} strangers, {} to save memory", live.shed, live.relieved),
            String::new(),
            "                    each second    since the start".to_owned(),
            format!("forwarded       {forwarded:>15} {:>18}", live.forwarded),
            format!("stored          {stored:>15} {:>18}", live.stored),
            format!("commits         {commits:>15} {:>18}", live.commits.count),
            format!("requests        {commit_requests:>15} {:>18}", live.commits.requests),
            format!(
                "commit times  {} on average, half within {}, 99 % within {}",
                Millis(self.rates.commit_mean_micros),
                within(self.rates.commit_p50_micros),
                within(self.rates.commit_p99_micros)
            ),
        ]
    }
}

fn row(rank: usize, mailbox: &Mailbox) -> String {
    let Mailbox { messages, receipts, bytes, receipt_bytes } = *mailbox;
    let size = Size(bytes.saturating_add(receipt_bytes)).to_string();
    format!("{rank:>17}     {messages:>9}  {receipts:>9}  {size:>11}")
}

/// A time in the two largest units that it has.
fn uptime(secs: u64) -> String {
    let (days, hours, minutes) = (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{secs} s"),
        (0, 0, _) => format!("{minutes} min {} s", secs % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_is_shown_in_its_largest_units() {
        let shown = [0, 59, 60, 3_599, 3_600, 86_399, 86_400 * 3 + 7_200].map(uptime);
        let expected = ["0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "23 h 59 min"];
        assert_eq!(shown[..6], expected);
        assert_eq!(shown[6], "3 d 2 h");
    }
}
