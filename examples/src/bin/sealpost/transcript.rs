//! Entries of conversations, as commands print them.

use std::collections::BTreeMap;

use sealpost_chat::Zone;
use sealpost_messenger::api::{
    Body, Copy, Entry, FileState, Peer, Progress, Quote, Reaction, summary,
};
use sealpost_programs::{Failure, Format, Line};

use crate::body::Body as Content;
use crate::marks::{ArrivalName, TrustName, WrittenName, file_word};

/// Prints entries, each on a line of its own, followed by lines about it that begin with spaces.
pub(crate) struct Transcript {
    pub(crate) format: Format,
    pub(crate) zone: Zone,
}

impl Transcript {
    /// Prints an entry.
    pub(crate) fn print(&self, entry: &Entry) -> Result<(), Failure> {
        match self.format {
            Format::Json => Line::json(entry),
            Format::Text => self.lines(entry).iter().try_for_each(Line::text),
        }
    }

    fn lines(&self, entry: &Entry) -> Vec<String> {
        let body = Content::of(&entry.body);
        let marks = marks(entry).join(", ");
        let stamp = self.zone.stamp(entry.sent_at);
        let mut lines = vec![format!("{stamp}  {} [{marks}]: {}", whom(entry), body.text())];
        lines.extend(entry.reply_to.as_ref().map(answered));
        lines.extend(fates(entry));
        lines.extend(entry.reactions.iter().map(reacted));
        lines
    }
}

/// The author of an entry, or its recipients if it is our own.
pub(crate) fn whom(entry: &Entry) -> String {
    let group = entry.group_name.as_ref().map(|name| format!("“{name}”"));
    match (entry.from, entry.conversation) {
        (Some(from), Peer::Person(_)) => from.to_string(),
        (Some(from), to) => format!("{from} in {}", group.unwrap_or_else(|| to.to_string())),
        (None, to) => format!("to {}", group.unwrap_or_else(|| to.to_string())),
    }
}

/// What is to be known of an entry beside what it says. Every entry has a mark, so that no text can
/// forge one.
pub(crate) fn marks(entry: &Entry) -> Vec<String> {
    let first = match (&entry.progress, entry.from) {
        (_, Some(_)) => TrustName::from(entry.trust).words().to_owned(),
        (Some(progress), None) => own_mark(entry, progress),
        (None, None) => "noted".to_owned(),
    };
    let arrival = entry.arrival.map(|arrival| ArrivalName::from(arrival).words().to_owned());
    let edited = entry.edited_at.map(|_| "edited".to_owned());
    let gap = entry.after_gap.then(|| "a message is missing before it".to_owned());
    let written = entry.written_in.map(|state| WrittenName::from(state).words().to_owned());
    [first].into_iter().chain(arrival).chain(written).chain(gap).chain(edited).collect()
}

/// How far an entry of ours has come. Of a file, it is the offer that is delivered first.
fn own_mark(entry: &Entry, progress: &Progress) -> String {
    let summary = summary(progress, &entry.copies);
    let Body::File { state, reason, .. } = &entry.body else { return summary };
    match (state, reason) {
        (FileState::Offered, _) => format!("offer {summary}"),
        (state, Some(reason)) => format!("{}: {reason}", file_word(*state)),
        (state, None) => file_word(*state).to_owned(),
    }
}

/// How far a message has come that was sent now: a word and its number, or a sentence if its copies
/// differ.
pub(crate) fn progressed(entry: u64, progress: &Progress, copies: &[Copy]) -> String {
    let summary = summary(progress, copies);
    if copies.iter().all(|copy| copy.progress == *progress) {
        return format!("{summary} {entry}");
    }
    format!("message {entry} {summary}")
}

/// For whom the copies of a message are how far, if they differ.
pub(crate) fn fates(entry: &Entry) -> Vec<String> {
    let of_copy = |copy: &Copy| {
        let fate = match &copy.progress {
            Progress::Read => "read by".to_owned(),
            Progress::Delivered => "delivered to".to_owned(),
            Progress::Stored => "stored for".to_owned(),
            Progress::Queued => "queued for".to_owned(),
            Progress::Failed { reason } => format!("failed, because {reason}, for"),
        };
        (fate, copy.to)
    };
    let fates: Vec<_> = if let Body::File { recipients, .. } = &entry.body
        && !recipients.is_empty()
    {
        recipients.iter().map(|it| (format!("{} for", file_word(it.state)), it.to)).collect()
    } else {
        entry.copies.iter().map(of_copy).collect()
    };
    let mut people: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (fate, to) in fates {
        people.entry(fate).or_default().push(to.to_string());
    }
    if people.len() < 2 {
        return Vec::new();
    }
    people.into_iter().map(|(fate, people)| format!("    {fate} {}", people.join(", "))).collect()
}

fn answered(quote: &Quote) -> String {
    match (quote.entry, quote.from) {
        (None, _) => "    answers a message that is not here".to_owned(),
        (Some(_), Some(from)) => format!("    answers {from}: {}", quote.text),
        (Some(_), None) => format!("    answers you: {}", quote.text),
    }
}

fn reacted(reaction: &Reaction) -> String {
    match reaction.from {
        Some(from) => format!("    reaction of {from}: {}", reaction.emoji),
        None => format!("    your reaction: {}", reaction.emoji),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::tests::{entry, text};
    use sealpost_messenger::api::{Arrival, Trust};

    fn lines(entry: &Entry) -> Vec<String> {
        Transcript { format: Format::Text, zone: Zone::UTC }.lines(entry)
    }

    #[test]
    fn entry_of_another_person_says_how_far_its_key_is_trusted() {
        let received = Entry {
            trust: Some(Trust::Changed),
            arrival: Some(Arrival::Late),
            edited_at: Some("1970-01-01T00:00:09Z".parse().unwrap()),
            ..entry(text("hi"))
        };
        assert_eq!(
            lines(&received),
            ["1970-01-01 00:00:00Z  +4915112345678 [by a changed key!, late, edited]: hi"]
        );
    }

    #[test]
    fn own_entry_says_how_far_it_has_come() {
        let reason = "nobody is registered".to_owned();
        for (progress, shown) in [
            (Progress::Queued, "queued"),
            (Progress::Failed { reason }, "failed: nobody is registered"),
        ] {
            let own = Entry { from: None, progress: Some(progress), ..entry(text("hi")) };
            assert_eq!(
                lines(&own),
                [format!("1970-01-01 00:00:00Z  to +4915112345678 [{shown}]: hi")]
            );
        }
    }

    #[test]
    fn copies_that_differ_are_told_apart() {
        let copy = |digit: u8, progress| Copy {
            to: format!("+491511234567{digit}").parse().unwrap(),
            message_id: None,
            progress,
            waits_for: None,
        };
        let reason = "nobody is registered".to_owned();
        let copies = vec![
            copy(1, Progress::Delivered),
            copy(2, Progress::Failed { reason }),
            copy(3, Progress::Delivered),
        ];
        let progress = Some(Progress::Delivered);
        let own = Entry { from: None, progress, copies, ..entry(text("hi")) };
        assert_eq!(
            lines(&own),
            [
                "1970-01-01 00:00:00Z  to +4915112345678 [delivered to 2 of 3, failed for 1]: hi",
                "    delivered to +4915112345671, +4915112345673",
                "    failed, because nobody is registered, for +4915112345672",
            ]
        );
    }

    #[test]
    fn what_others_added_begins_with_spaces() {
        let from = Some("+4915112345678".parse().unwrap());
        let entry = Entry {
            reply_to: Some(Quote { entry: Some(1), from: None, text: "eight?".into() }),
            reactions: vec![Reaction { from, emoji: "👍".into() }],
            ..entry(text("yes"))
        };
        assert_eq!(
            lines(&entry)[1..],
            ["    answers you: eight?", "    reaction of +4915112345678: 👍"]
        );
    }
}
