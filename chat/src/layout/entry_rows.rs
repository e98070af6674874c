//! The rows of each entry of a conversation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sealpost_messenger::api::{Body, Entry, Peer, Progress, Trust, failures};
use sealpost_messenger::foreign_text::{OneLine, framed_lines};

use super::facts::{self, written_at};
use super::file_rows::{FileRows, file_rows};
use super::text_rows::{names, text_rows};
use super::{GUTTER_WIDTH, Gutter, MARGIN_WIDTH, Row};
use crate::model::{Model, Thread, picture_of};
use crate::text::{clip, one_line, wrap};
use crate::theme::{Line, Span, Tone};

/// The rows of a conversation for a width in columns.
pub(crate) fn rows(model: &Model, thread: &Thread, width: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut before: Option<&Entry> = None;
    let mut unopened: usize = 0;
    for entry in &thread.entries {
        let page = Page { model, thread, entry, before, width };
        if page.repeats_notice() {
            // One notice for all messages in a row that do not open.
            unopened = unopened.saturating_add(1);
            rows.pop();
            rows.push(page.unopened(unopened));
        } else {
            unopened = 1;
            page.write(&mut rows);
        }
        before = Some(entry);
    }
    rows
}

/// An entry, and what its rows depend on.
struct Page<'a> {
    model: &'a Model,
    thread: &'a Thread,
    entry: &'a Entry,
    before: Option<&'a Entry>,
    width: usize,
}

impl Page<'_> {
    fn write(&self, rows: &mut Vec<Row>) {
        self.write_separators(rows);
        if let Body::Invitation { text } | Body::Notice { text } = &self.entry.body {
            let text = OneLine(text).to_string();
            return self.write_own(rows, Gutter::Notice, Tone::Notice, &format!("• {text}"));
        }
        if self.needs_author() || self.needs_separator() {
            self.write_author(rows);
        }
        self.write_quote(rows);
        let first = rows.len();
        self.write_body(rows);
        if let Some(row) = rows.get_mut(first) {
            row.margin = facts::margin(self.model, self.entry);
        }
        self.write_fate(rows);
        self.write_reactions(rows);
    }

    fn write_separators(&self, rows: &mut Vec<Row>) {
        if self.is_new_day() {
            let day = self.model.zone.day(written_at(self.entry));
            self.rule(rows, Tone::Faint, &day);
        }
        if self.thread.first_unread == Some(self.entry.entry) {
            self.rule(rows, Tone::Unread, "new");
        }
        if self.entry.after_gap {
            let author = self.model.author(self.entry.from);
            self.write_own(
                rows,
                Gutter::Head,
                Tone::Warning,
                &format!("⚠ A message of {author} is missing here."),
            );
        }
    }

    fn write_author(&self, rows: &mut Vec<Row>) {
        let name = self.model.author(self.entry.from);
        let mut line = vec![Span::new(author_tone(self.entry), clip(&name, self.width))];
        if self.entry.trust == Some(Trust::Changed) {
            line.push(Span::new(Tone::Warning, "  signed by a changed key!"));
        }
        rows.push(self.row(Gutter::Head, line));
    }

    fn write_quote(&self, rows: &mut Vec<Row>) {
        let Some(quote) = &self.entry.reply_to else { return };
        let author = match quote.entry {
            Some(_) => self.model.author(quote.from),
            None => "a message that is not here".to_owned(),
        };
        let text = format!("{author}: {}", one_line(&quote.text));
        let columns = self.width.saturating_sub(GUTTER_WIDTH);
        rows.push(self.row(Gutter::Quote, vec![Span::new(Tone::Faint, clip(&text, columns))]));
    }

    fn write_body(&self, rows: &mut Vec<Row>) {
        match &self.entry.body {
            Body::Text { text } => self.write_text(rows, text),
            Body::Bytes { hex } => {
                let bytes = hex.len() / 2;
                self.write_gone(rows, &format!("{bytes} bytes of an application"));
            }
            Body::File { text, .. } => {
                let screen = (self.model.keeping, self.text_columns());
                let is_own = self.entry.from.is_none();
                let Some(FileRows { line, place, below }) =
                    file_rows(&self.entry.body, is_own, screen)
                else {
                    return;
                };
                rows.push(self.row(Gutter::File, line));
                if let Some(place) = place {
                    self.write_gone(rows, &place);
                }
                self.write_picture(rows);
                if !text.is_empty() {
                    self.write_text(rows, text);
                }
                if let Some(below) = below {
                    self.write_gone(rows, &below);
                }
            }
            Body::Deleted => self.write_gone(rows, "deleted"),
            Body::Expired => self.write_gone(rows, "its time was over"),
            Body::Undecryptable => self.write_gone(rows, "1 message does not open."),
            Body::NeedsNewerVersion | Body::Unknown => {
                self.write_gone(rows, "This message needs a newer version of Sealpost.");
            }
            Body::Invitation { .. } | Body::Notice { .. } => {}
        }
    }

    fn write_picture(&self, rows: &mut Vec<Row>) {
        let shown = picture_of(self.entry).and_then(|path| self.model.gallery.shown(path));
        match shown {
            None => {}
            Some(Ok(picture)) => {
                let row = |row| Row {
                    picture: Some((Arc::clone(picture), row)),
                    ..self.row(Gutter::Text, Line::new())
                };
                rows.extend((0..picture.rows()).map(row));
            }
            Some(Err(why)) => {
                let why = OneLine(why);
                self.write_gone(rows, &format!("the picture can't be shown: {why}"));
            }
        }
    }

    fn write_text(&self, rows: &mut Vec<Row>, text: &str) {
        let columns = self.text_columns();
        let is_whole = self.thread.unfolded.contains(&self.entry.entry);
        let most = if is_whole { usize::MAX } else { FOLDED_ROWS };
        let shown = if is_whole { text } else { beginning(text) };
        let names = names(text, &self.entry.mentions);
        let mut lines = framed_lines(shown).flat_map(|line| text_rows(&line, columns, &names));
        for row in lines.by_ref().take(most) {
            rows.push(self.row(Gutter::Text, row));
        }
        if lines.next().is_some() || shown.len() < text.len() {
            self.write_gone(rows, "… more: M-Up selects it, o shows it all");
        }
        if let Some(how) = facts::arrival(self.entry) {
            self.write_gone(rows, how);
        }
        if let Some(state) = facts::written_in(self.entry) {
            self.write_gone(rows, state);
        }
    }

    /// Why a message is not sent; and who of a group has it, while it is selected.
    fn write_fate(&self, rows: &mut Vec<Row>) {
        const AGAIN: &str = "M-Up selects it, R tries again";
        if let Some(Progress::Failed { reason }) = &self.entry.progress {
            self.write_gone(rows, &format!("not sent: {}; {AGAIN}", OneLine(reason)));
        } else if let Some((_, reason)) = failures(&self.entry.copies).next() {
            let (failed, all) = (failures(&self.entry.copies).count(), self.entry.copies.len());
            let reason = OneLine(reason);
            self.write_gone(rows, &format!("not sent to {failed} of {all}: {reason}; {AGAIN}"));
        }
        let waiting = self.entry.copies.iter().filter_map(|copy| copy.waits_for.as_deref());
        for reason in waiting.collect::<BTreeSet<_>>() {
            self.write_gone(rows, &format!("waits: {}", OneLine(reason)));
        }
        if self.thread.selected != Some(self.entry.entry) || self.entry.copies.len() < 2 {
            return;
        }
        for (title, is_at) in FATES {
            let there = self.entry.copies.iter().filter(|copy| is_at(&copy.progress));
            let names: Vec<String> =
                there.map(|copy| self.model.name(Peer::Person(copy.to))).collect();
            if !names.is_empty() {
                self.write_gone(rows, &format!("{title} {}", names.join(", ")));
            }
        }
    }

    fn write_gone(&self, rows: &mut Vec<Row>, text: &str) {
        for range in wrap(text, self.text_columns()) {
            let text = text.get(range).unwrap_or_default();
            rows.push(self.row(Gutter::Gone, vec![Span::new(Tone::Notice, text)]));
        }
    }

    fn write_own(&self, rows: &mut Vec<Row>, gutter: Gutter, tone: Tone, text: &str) {
        for range in wrap(text, self.width.saturating_sub(2)) {
            let text = text.get(range).unwrap_or_default();
            rows.push(self.row(gutter, vec![Span::new(tone, text)]));
        }
    }

    fn write_reactions(&self, rows: &mut Vec<Row>) {
        let mut counts: BTreeMap<String, (usize, bool)> = BTreeMap::new();
        for reaction in &self.entry.reactions {
            let emoji = one_line(&reaction.emoji);
            let (count, is_own) = counts.entry(clip(&emoji, 8).into_owned()).or_default();
            *count = count.saturating_add(1);
            *is_own |= reaction.from.is_none();
        }
        let mut line = Line::new();
        for (emoji, (count, is_own)) in counts {
            let count = if count > 1 { format!(" {count}") } else { String::new() };
            let tone = if is_own { Tone::Own } else { Tone::Text };
            line.push(Span::new(tone, format!("{emoji}{count}  ")));
        }
        if !line.is_empty() {
            rows.push(self.row(Gutter::Reactions, line));
        }
    }

    fn is_new_day(&self) -> bool {
        let time = written_at(self.entry);
        self.before.is_none_or(|before| !self.model.zone.same_day(written_at(before), time))
    }

    fn needs_separator(&self) -> bool {
        let is_unread = self.thread.first_unread == Some(self.entry.entry);
        self.is_new_day() || is_unread || self.entry.after_gap
    }

    fn needs_author(&self) -> bool {
        self.before.is_none_or(|before| {
            let pause = written_at(self.entry).0.secs_since(written_at(before).0);
            let is_notice = matches!(before.body, Body::Invitation { .. } | Body::Notice { .. });
            is_notice
                || before.from != self.entry.from
                || before.trust != self.entry.trust
                || pause > LONG_PAUSE_SECS
        })
    }

    fn repeats_notice(&self) -> bool {
        let unopened = |entry: &Entry| matches!(entry.body, Body::Undecryptable);
        unopened(self.entry)
            && self.before.is_some_and(unopened)
            && !self.needs_author()
            && !self.needs_separator()
    }

    fn unopened(&self, count: usize) -> Row {
        let text = format!("{count} messages do not open.");
        let mut row = self.row(Gutter::Gone, vec![Span::new(Tone::Notice, text)]);
        row.margin = facts::margin(self.model, self.entry);
        row
    }

    fn rule(&self, rows: &mut Vec<Row>, tone: Tone, text: &str) {
        let text = format!(" {} ", clip(text, self.width.saturating_sub(6)));
        let dashes = self.width.saturating_sub(crate::text::width(&text)).saturating_sub(2);
        let (left, right) = ("─".repeat(dashes / 2), "─".repeat(dashes.saturating_sub(dashes / 2)));
        rows.push(self.row(Gutter::Head, vec![Span::new(tone, format!("{left}{text}{right}"))]));
    }

    fn row(&self, gutter: Gutter, line: Line) -> Row {
        Row::new(self.entry.entry, gutter, line)
    }

    fn text_columns(&self) -> usize {
        self.width.saturating_sub(GUTTER_WIDTH).saturating_sub(MARGIN_WIDTH).max(1)
    }
}

/// The tone of an author's name: one of a few, always the same for the same number.
fn author_tone(entry: &Entry) -> Tone {
    match entry.from {
        None => Tone::Own,
        Some(phone) => Tone::Author(u8::try_from(phone.0.digits() % 7 % 4).unwrap_or(0)),
    }
}

/// As much of a long message as is looked at.
fn beginning(text: &str) -> &str {
    text.get(..text.floor_char_boundary(FOLDED_LEN)).unwrap_or(text)
}

/// How far a copy has come, for people.
type Fate = (&'static str, fn(&Progress) -> bool);

const FATES: [Fate; 5] = [
    ("seen by", |progress| *progress == Progress::Read),
    ("delivered to", |progress| *progress == Progress::Delivered),
    ("stored for", |progress| *progress == Progress::Stored),
    ("waiting for", |progress| *progress == Progress::Queued),
    ("not sent to", |progress| matches!(progress, Progress::Failed { .. })),
];

/// Rows of a long message that are shown until it is selected and opened.
const FOLDED_ROWS: usize = 20;

/// Bytes of it that are looked at, so that long messages don't slow the screen down.
const FOLDED_LEN: usize = 2048;

/// After a pause the author is named again.
const LONG_PAUSE_SECS: i64 = 15 * 60;
