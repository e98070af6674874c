//! Lists and questions, drawn over the conversation.

use ratatui::layout::{Position, Rect};
use sealpost_messenger::api::{Body, Contact, Entry, KeyTrust, Peer, PhoneNumber};
use sealpost_messenger::foreign_text::OneLine;

use super::canvas::Canvas;
use crate::model::{Candidate, Composer, Confirm, Model, Overlay, Search};
use crate::text::{clip, width, wrap};
use crate::theme::{Line, Span, Tone};
use crate::update::{EMOJI, MUTES, SELECTION_KEYS, bindings};

/// A list or a question.
struct Panel<'a> {
    title: String,
    input: Option<&'a Composer>,
    lines: Vec<Line>,
    chosen: Option<usize>,
    scrolled: usize,
    hint: &'static str,
}

/// Draws an overlay above a row, and returns where the cursor is.
pub(super) fn draw(
    canvas: &mut Canvas,
    model: &Model,
    overlay: &Overlay,
    bottom: u16,
) -> Option<Position> {
    let area = area(model.size.width, bottom);
    let columns = usize::from(area.width).saturating_sub(2);
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
        canvas.rule(area, 0, Tone::Faint);
        let title = format!(" {} ", self.title);
        canvas.write(area, 0, 2, &[Span::new(Tone::Strong, title)]);
        if area.height > 3 {
            canvas.rule(area, area.height.saturating_sub(1), Tone::Faint);
            let hint = format!(" {} ", self.hint);
            canvas.write(area, area.height.saturating_sub(1), 2, &[Span::new(Tone::Faint, hint)]);
        }
        let mut inner = Rect {
            x: area.x.saturating_add(1),
            y: area.y.saturating_add(1),
            width: area.width.saturating_sub(2),
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
    let text = match &entry.body {
        Body::Text { text } => OneLine(text).to_string(),
        Body::File { name, text, .. } => format!("{} {}", OneLine(name), OneLine(text)),
        _ => String::new(),
    };
    let mut line = vec![Span::new(Tone::Faint, format!("{day:>11}  "))];
    line.push(Span::new(Tone::Strong, format!("{name}  ")));
    line.push(Span::new(Tone::Text, clip(&text, room)));
    line
}

fn help(columns: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let narrow = columns < 60;
    let row = |keys: &str, about: &str| {
        let pad = if narrow { 12 } else { 22 };
        vec![Span::new(Tone::Strong, format!("  {keys:<pad$} ")), Span::new(Tone::Text, about)]
    };
    for group in bindings() {
        lines.push(vec![Span::new(Tone::Unread, group.title)]);
        lines.extend(group.bindings.iter().map(|binding| row(binding.keys, binding.about)));
    }
    lines.push(vec![Span::new(Tone::Unread, "A selected message")]);
    lines.extend(SELECTION_KEYS.iter().map(|(keys, about)| row(keys, about)));
    lines.push(vec![Span::new(Tone::Unread, "Marks")]);
    let marks = [
        ("·", "waits to be sent"),
        ("✓", "the server has stored it"),
        ("✓✓", "the recipient's device has it"),
        ("✔✔", "the recipient has seen it"),
        ("✗", "it will not be sent: R tries again"),
        ("✎", "edited; in the list: a draft"),
        ("#", "a group"),
        ("z", "muted"),
        ("⚠", "the key has changed"),
    ];
    lines.extend(marks.iter().map(|(mark, about)| row(mark, about)));
    lines
}

fn key_panel(model: &Model, phone: PhoneNumber, columns: usize) -> Panel<'static> {
    let name = model.name(Peer::Person(phone));
    let name = clip(&name, 30);
    let contact = model.contacts.get(&phone);
    let mut lines = Vec::new();
    let mut say = |tone, text: &str| {
        for range in wrap(text, columns.max(1)) {
            lines.push(vec![Span::new(tone, text.get(range).unwrap_or_default())]);
        }
    };
    let hint = match contact {
        None => {
            say(Tone::Text, "Nothing is known of this key yet.");
            "Esc"
        }
        Some(Contact { offered: Some(offered), safety_number, .. }) => {
            say(
                Tone::Text,
                &format!(
                    "{name} has another key. Either they have a new device, or somebody sits between you. Compare the new number over another channel: by voice, or face to face."
                ),
            );
            say(Tone::Faint, "");
            say(Tone::Faint, "The number that you know:");
            say(Tone::Text, safety_number);
            say(Tone::Faint, "The number with the new key:");
            say(Tone::Strong, &offered.safety_number);
            say(Tone::Faint, "");
            say(Tone::Text, "v  It is the same on their screen: trust the key, as verified.");
            say(Tone::Text, "a  Accept it without comparing.");
            say(Tone::Text, "Esc  Not now: nothing is sent.");
            "v · a · Esc"
        }
        Some(contact) => {
            say(
                Tone::Text,
                &format!(
                    "If nobody sits between you and {name}, this number is the same on both screens:"
                ),
            );
            say(Tone::Faint, "");
            say(Tone::Strong, &contact.safety_number);
            say(Tone::Faint, "");
            match contact.trust {
                KeyTrust::Verified => {
                    say(Tone::Seen, "You have compared it.");
                    "Esc"
                }
                KeyTrust::FirstUse => {
                    say(Tone::Text, "v  It is the same: mark as verified.");
                    "v · Esc"
                }
            }
        }
    };
    let title = format!("Safety number with {name}");
    Panel { title, input: None, lines, chosen: None, scrolled: 0, hint }
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
