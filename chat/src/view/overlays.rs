//! Lists and questions, drawn over the conversation.

use ratatui::layout::{Position, Rect};
use sealpost_messenger::api::{Body, Contact, Entry, KeyTrust, Peer, PhoneNumber};
use sealpost_messenger::foreign_text::OneLine;

use super::canvas::Canvas;
use super::members;
use super::parts::beginning;
use crate::model::{Candidate, Composer, Confirm, Model, Overlay, Search, text_of};
use crate::text::{clip, one_line, width, wrap};
use crate::theme::{Line, Span, Tone};
use crate::update::{EMOJI, MUTES, SELECTION_KEYS, bindings};

/// A list or a question.
pub(super) struct Panel<'a> {
    pub(super) title: String,
    pub(super) input: Option<&'a Composer>,
    pub(super) lines: Vec<Line>,
    pub(super) chosen: Option<usize>,
    pub(super) scrolled: usize,
    pub(super) hint: &'static str,
}

/// Draws an overlay above a row, and returns where the cursor is.
pub(super) fn draw(
    canvas: &mut Canvas,
    model: &Model,
    overlay: &Overlay,
    bottom: u16,
) -> Option<Position> {
    let area = area(model.size.width, bottom);
    let columns = usize::from(area.width).saturating_sub(4);
    panel(model, overlay, columns).draw(canvas, area)
}

/// The middle of a large screen, all of a small one.
fn area(width: u16, height: u16) -> Rect {
    let (w, h) = if width >= 70 && height >= 18 {
        (width.saturating_sub(8).min(90), height.saturating_sub(4).min(30))
    } else {
        (width, height)
    };
    Rect::new(width.saturating_sub(w) / 2, height.saturating_sub(h) / 2, w, h)
}

impl Panel<'_> {
    fn draw(&self, canvas: &mut Canvas, area: Rect) -> Option<Position> {
        canvas.clear(area);
        canvas.frame(area);
        let room = usize::from(area.width).saturating_sub(6);
        let title = format!(" {} ", clip(&self.title, room));
        canvas.write(area, 0, 2, &[Span::new(Tone::Strong, title)]);
        if area.height > 3 {
            let hint = format!(" {} ", clip(self.hint, room));
            canvas.write(area, area.height.saturating_sub(1), 2, &[Span::new(Tone::Faint, hint)]);
        }
        let mut inner = Rect {
            x: area.x.saturating_add(2),
            y: area.y.saturating_add(1),
            width: area.width.saturating_sub(4),
            height: area.height.saturating_sub(2),
        };
        let cursor = self.input.and_then(|input| draw_input(canvas, &mut inner, input));
        let height = usize::from(inner.height);
        let first = match self.chosen {
            Some(chosen) => chosen.saturating_add(1).saturating_sub(height),
            None => self.scrolled.min(self.lines.len().saturating_sub(height)),
        };
        for (row, (at, line)) in (0..inner.height).zip(self.lines.iter().enumerate().skip(first)) {
            canvas.write(inner, row, 0, line);
            if self.chosen == Some(at) {
                canvas.choose(inner, row);
            }
        }
        cursor
    }
}

fn draw_input(canvas: &mut Canvas, area: &mut Rect, input: &Composer) -> Option<Position> {
    let row = Rect { height: area.height.min(1), ..*area };
    let before = input.text().get(..input.cursor()).unwrap_or_default();
    let room = usize::from(area.width).saturating_sub(3).max(1);
    // The end of a long text is what matters.
    let skipped = wrap(before, room).last().map_or(0, |range| range.start);
    let shown = input.text().get(skipped..).unwrap_or_default();
    canvas.write(row, 0, 0, &[Span::new(Tone::Strong, "> "), Span::new(Tone::Text, shown)]);
    let column = width(before.get(skipped..).unwrap_or_default()).min(room).saturating_add(2);
    let cursor = Position::new(row.x.saturating_add(u16::try_from(column).ok()?), row.y);
    area.y = area.y.saturating_add(row.height);
    area.height = area.height.saturating_sub(row.height);
    row.contains(cursor).then_some(cursor)
}

fn panel<'a>(model: &Model, overlay: &'a Overlay, columns: usize) -> Panel<'a> {
    match overlay {
        Overlay::Switcher { query, chosen } => Panel {
            title: "Go to".to_owned(),
            input: Some(query),
            lines: model.candidates(query.text()).iter().map(|c| candidate(model, c)).collect(),
            chosen: Some(*chosen),
            scrolled: 0,
            hint: "a part of a name, or a phone number · Enter opens · Esc",
        },
        Overlay::Search(search) => search_panel(model, search, columns),
        Overlay::Help { scrolled } => Panel {
            title: "Keys".to_owned(),
            input: None,
            lines: help(columns),
            chosen: None,
            scrolled: *scrolled,
            hint: "Up, Down, PgUp, PgDn · Esc",
        },
        Overlay::Key { phone } => key_panel(model, *phone, columns),
        Overlay::Members { with } => members::panel(model, *with, columns),
        Overlay::Mute { chosen } => Panel {
            title: "Mute this conversation".to_owned(),
            input: None,
            lines: MUTES.iter().map(|(name, _)| plain(format!(" {name}"))).collect(),
            chosen: Some(*chosen),
            scrolled: 0,
            hint: "Enter · Esc",
        },
        Overlay::React { emoji, .. } => Panel {
            title: "React".to_owned(),
            input: Some(emoji),
            lines: EMOJI
                .iter()
                .enumerate()
                .map(|(at, emoji)| plain(format!(" {}  {emoji}", at.saturating_add(1))))
                .collect(),
            chosen: None,
            scrolled: 0,
            hint: "a number, or an emoji and Enter · nothing takes it back · Esc",
        },
        Overlay::Name { phone, name } => Panel {
            title: format!("Name of {phone}"),
            input: Some(name),
            lines: Vec::new(),
            chosen: None,
            scrolled: 0,
            hint: "only you see it · Enter · Esc",
        },
        Overlay::File { path } => Panel {
            title: "Send a file".to_owned(),
            input: Some(path),
            lines: Vec::new(),
            chosen: None,
            scrolled: 0,
            hint: "its path · what is written goes with it · Enter · Esc",
        },
        Overlay::Confirm(confirm) => confirm_panel(confirm, columns),
    }
}

fn candidate(model: &Model, candidate: &Candidate) -> Line {
    match candidate {
        Candidate::Known { with, name } => {
            let unread = model.conversation(*with).map_or(0, |known| known.unread);
            let mut line = match with {
                Peer::Person(phone) => vec![
                    Span::new(Tone::Text, format!("  {name}")),
                    Span::new(
                        Tone::Faint,
                        if phone.to_string() == *name {
                            String::new()
                        } else {
                            format!("  {phone}")
                        },
                    ),
                ],
                Peer::Group(_) => vec![Span::new(Tone::Faint, "# "), Span::new(Tone::Text, name)],
            };
            if unread > 0 {
                line.push(Span::new(Tone::Unread, format!("  {unread} unread")));
            }
            line
        }
        Candidate::LookUp { phone } => plain(format!("  Ask the server for {phone}")),
    }
}

fn search_panel<'a>(model: &Model, search: &'a Search, columns: usize) -> Panel<'a> {
    let mut lines: Vec<Line> =
        search.results.iter().map(|entry| found(model, entry, columns)).collect();
    if search.more {
        lines.push(vec![Span::new(Tone::Faint, "There are more: add a word.")]);
    }
    if lines.is_empty() && !search.asked.is_empty() {
        let text = if search.is_running { "Searching …" } else { "No message has these words." };
        lines.push(vec![Span::new(Tone::Faint, text)]);
    }
    Panel {
        title: "Search".to_owned(),
        input: Some(&search.query),
        lines,
        chosen: Some(search.chosen).filter(|_| !search.results.is_empty()),
        scrolled: 0,
        hint: "words, the last one may be a beginning · Enter shows it in its place · Esc",
    }
}

fn found(model: &Model, entry: &Entry, columns: usize) -> Line {
    let name = clip(&model.name(entry.conversation), 16).into_owned();
    let day = model.zone.short_day(entry.sent_at);
    let head = format!("{day:>11}  {name}  ");
    let room = columns.saturating_sub(width(&head));
    let file = if let Body::File { name, .. } = &entry.body {
        format!("▤ {} ", OneLine(name))
    } else {
        String::new()
    };
    let text = format!("{file}{}", one_line(beginning(text_of(&entry.body).unwrap_or_default())));
    let mut line = vec![Span::new(Tone::Faint, format!("{day:>11}  "))];
    line.push(Span::new(Tone::Strong, format!("{name}  ")));
    line.push(Span::new(Tone::Text, clip(&text, room)));
    line
}

fn help(columns: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for group in bindings() {
        lines.push(vec![Span::new(Tone::Unread, group.title)]);
        for binding in group.bindings {
            explain(&mut lines, columns, binding.keys, binding.about);
        }
    }
    let lists = [("A selected message", SELECTION_KEYS.as_slice()), ("Marks", MARKS.as_slice())];
    for (title, rows) in lists {
        lines.push(vec![Span::new(Tone::Unread, title)]);
        for (name, about) in rows {
            explain(&mut lines, columns, name, about);
        }
    }
    lines
}

/// Adds a name and what it means, beside it or, where there is little room, below it.
fn explain(lines: &mut Vec<Line>, columns: usize, name: &str, about: &str) {
    let indent = if columns < 60 { 4 } else { NAMES_WIDTH };
    let name = Span::new(Tone::Strong, format!("  {name}"));
    let mut rows = wrap(about, columns.saturating_sub(indent)).into_iter().map(|range| {
        let text = about.get(range).unwrap_or_default();
        Span::new(Tone::Text, text)
    });
    let pad = |columns: usize| Span::new(Tone::Text, " ".repeat(columns));
    if indent == NAMES_WIDTH {
        let gap = pad(indent.saturating_sub(width(&name.text)));
        lines.push([name, gap].into_iter().chain(rows.next()).collect());
    } else {
        lines.push(vec![name]);
    }
    lines.extend(rows.map(|row| vec![pad(indent), row]));
}

fn key_panel(model: &Model, phone: PhoneNumber, columns: usize) -> Panel<'static> {
    let name = model.name(Peer::Person(phone));
    let name = clip(&name, 30);
    let mut text = Paragraphs::new(columns);
    let hint = match model.contacts.get(&phone) {
        None => {
            text.say(Tone::Text, "Nothing is known of this key yet.");
            "Esc"
        }
        Some(Contact { offered: Some(offered), safety_number, .. }) => {
            text.say(
                Tone::Text,
                &format!(
                    "{name} has another key. Either they have a new device, or somebody sits between \
                     you. Compare the new number by voice, or face to face."
                ),
            );
            text.say(Tone::Faint, "The number that you know:");
            text.say_number(Tone::Text, safety_number);
            text.say(Tone::Faint, "The number with the new key:");
            text.say_number(Tone::Strong, &offered.safety_number);
            text.say(Tone::Text, "v  It is the same on their screen: trust the key, as verified.");
            text.say(Tone::Text, "a  Accept it without comparing.");
            text.say(Tone::Text, "Esc  Not now: nothing is sent.");
            "v · a · Esc"
        }
        Some(contact) => {
            text.say(
                Tone::Text,
                &format!("If nobody sits between you and {name}, both screens show this number:"),
            );
            text.say_number(Tone::Strong, &contact.safety_number);
            match contact.trust {
                KeyTrust::Verified => {
                    text.say(Tone::Seen, "You have compared it.");
                    "Esc"
                }
                KeyTrust::FirstUse => {
                    text.say(Tone::Text, "v  It is the same: mark as verified.");
                    "v · Esc"
                }
            }
        }
    };
    let title = format!("Safety number with {name}");
    Panel { title, input: None, lines: text.lines, chosen: None, scrolled: 0, hint }
}

/// Text in a panel.
pub(super) struct Paragraphs {
    lines: Vec<Line>,
    columns: usize,
}

impl Paragraphs {
    pub(super) const fn new(columns: usize) -> Self {
        Self { lines: Vec::new(), columns }
    }

    pub(super) fn into_lines(self) -> Vec<Line> {
        self.lines
    }

    pub(super) fn say(&mut self, tone: Tone, text: &str) {
        for range in wrap(text, self.columns) {
            self.lines.push(vec![Span::new(tone, text.get(range).unwrap_or_default())]);
        }
    }

    /// A safety number, in rows of 20 digits, as other screens show it.
    fn say_number(&mut self, tone: Tone, number: &str) {
        let groups: Vec<&str> = number.split_whitespace().collect();
        for row in groups.chunks(4) {
            self.lines.push(vec![Span::new(tone, format!("  {}", row.join(" ")))]);
        }
    }
}

fn confirm_panel(confirm: &Confirm, columns: usize) -> Panel<'static> {
    let (title, text) = match confirm {
        Confirm::Delete { .. } => {
            ("Delete?", "It is deleted here, and recipients are asked to delete it.".to_owned())
        }
        Confirm::Open { link } => ("Open this address?", link.clone()),
    };
    let lines = wrap(&text, columns.max(1))
        .into_iter()
        .map(|range| plain(text.get(range).unwrap_or_default()))
        .collect();
    Panel {
        title: title.to_owned(),
        input: None,
        lines,
        chosen: None,
        scrolled: 0,
        hint: "y yes · n no",
    }
}

fn plain(text: impl Into<String>) -> Line {
    vec![Span::new(Tone::Text, text)]
}

/// Columns of the names in the help.
const NAMES_WIDTH: usize = 24;

/// Marks, and what they mean.
const MARKS: [(&str, &str); 9] = [
    ("·", "waits to be sent"),
    ("✓", "the server has stored it"),
    ("✓✓", "the device of the recipient has it"),
    ("✔✔", "the recipient has seen it"),
    ("✗", "it will not be sent"),
    ("✎", "it was edited; in the list: there is a draft"),
    ("#", "a group"),
    ("z", "muted"),
    ("⚠", "the key has changed"),
];
