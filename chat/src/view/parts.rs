//! The parts of the screen.

use ratatui::layout::{Position, Rect};
use sealpost_messenger::api::{Conversation, Group, GroupStanding, Mute, Peer};

use super::canvas::Canvas;
use super::hints::{fitting, hints, last};
use crate::layout::{
    Gutter, PROMPT_WIDTH, Screen, Window, banner as banner_text, composer_columns, status_text,
};
use crate::model::{Model, Purpose, text_of, unread};
use crate::text::{clip, one_line, width, wrap};
use crate::theme::{Line, Span, Tone};

pub(super) fn sidebar(canvas: &mut Canvas, model: &Model, area: Rect) {
    if area.width < 4 {
        return;
    }
    let open = model.thread.as_ref().map(|thread| thread.with);
    let inner = Rect { width: area.width.saturating_sub(1), ..area };
    for row in 0..area.height {
        canvas.write(area, row, inner.width, &[Span::new(Tone::Faint, "│")]);
    }
    let shown = model.conversations.iter().skip(first_conversation(model));
    for (row, conversation) in (0..area.height).zip(shown) {
        let marks = marks(model, conversation);
        let marks_width: usize = marks.iter().map(|mark| width(&mark.text)).sum();
        let room = usize::from(inner.width).saturating_sub(marks_width).saturating_sub(3);
        let name = model.name(conversation.with);
        let tone = if unread(conversation) > 0 { Tone::Strong } else { Tone::Text };
        let name = Span::new(tone, clip(&name, room));
        canvas.write(inner, row, 0, &[Span::new(Tone::Faint, kind_mark(conversation.with)), name]);
        canvas.write_right(inner, row, &marks);
        if open == Some(conversation.with) {
            canvas.choose(inner, row);
        }
    }
}

/// The first conversation of the sidebar, so that the open one is in it.
pub(crate) fn first_conversation(model: &Model) -> usize {
    let height = usize::from(Screen::of(model).sidebar.height);
    let open = model.thread.as_ref().map(|thread| thread.with);
    let at = model.conversations.iter().position(|known| Some(known.with) == open);
    at.unwrap_or(0).saturating_add(1).saturating_sub(height)
}

/// A person or a group. No name can change it.
const fn kind_mark(with: Peer) -> &'static str {
    match with {
        Peer::Person(_) => "  ",
        Peer::Group(_) => "# ",
    }
}

fn marks(model: &Model, conversation: &Conversation) -> Line {
    let mut marks = Line::new();
    if conversation.key_changed {
        marks.push(Span::new(Tone::Warning, "⚠ "));
    }
    if !conversation.draft.is_empty() {
        marks.push(Span::new(Tone::Faint, "✎ "));
    }
    let is_muted = model.is_muted(conversation);
    if is_muted {
        marks.push(Span::new(Tone::Faint, "z "));
    }
    if model.is_mentioned(conversation) {
        marks.push(Span::new(Tone::Unread, "@ "));
    }
    let unread = unread(conversation);
    if unread > 0 {
        let tone = if is_muted { Tone::Faint } else { Tone::Unread };
        marks.push(Span::new(tone, format!("{} ", count(unread))));
    }
    marks
}

pub(super) fn title(canvas: &mut Canvas, model: &Model, window: &Window, area: Rect) {
    let Some(thread) = &model.thread else { return };
    let name = model.name(thread.with);
    let mut line = vec![
        Span::new(Tone::Faint, kind_mark(thread.with).trim_start()),
        Span::new(Tone::Strong, name.clone()),
    ];
    if let Peer::Person(phone) = thread.with
        && phone.to_string() != name
    {
        line.push(Span::new(Tone::Faint, format!("  {phone}")));
    }
    if let Some(conversation) = model.open_conversation() {
        let mut facts = Vec::new();
        if matches!(thread.with, Peer::Person(_)) {
            facts.push(if conversation.verified { "verified" } else { "not verified" }.to_owned());
        }
        facts.extend(conversation.group.as_deref().map(membership));
        if conversation.blocked {
            facts.push("blocked: M-x unblocks".to_owned());
        }
        match conversation.mute {
            Mute::Always => facts.push("muted".to_owned()),
            Mute::Until(end) if model.is_muted(conversation) => {
                facts.push(format!("muted until {}", model.zone.clock(end)));
            }
            Mute::Off | Mute::Until(_) => {}
        }
        if conversation.expiry_seconds > 0 {
            facts.push(format!("disappears after {}", duration(conversation.expiry_seconds)));
        }
        line.push(Span::new(Tone::Faint, format!("  {}", facts.join(", "))));
    }
    let below = window.below();
    let below = if below > 0 { format!(" ↓ {below} more") } else { String::new() };
    let room = area.width.saturating_sub(u16::try_from(width(&below)).unwrap_or(u16::MAX));
    canvas.write(Rect { width: room, ..area }, 0, 1, &line);
    canvas.write_right(area, 0, &[Span::new(Tone::Unread, below)]);
}

/// How the user stands to a group; how many have joined, if the user has.
fn membership(group: &Group) -> String {
    match group.standing {
        GroupStanding::Invited => "you are invited".to_owned(),
        GroupStanding::Accepted => "joining".to_owned(),
        GroupStanding::Joined => {
            let joined = group.members.iter().filter(|member| member.joined).count();
            format!("{joined} member{}", if joined == 1 { "" } else { "s" })
        }
        GroupStanding::Declined => "declined".to_owned(),
        GroupStanding::Leaving | GroupStanding::Out => "you have left".to_owned(),
    }
}

pub(super) fn banner(canvas: &mut Canvas, model: &Model, area: Rect) {
    if let Some(text) = banner_text(model) {
        let text = clip(&text, usize::from(area.width).saturating_sub(3)).into_owned();
        canvas.write(area, 0, 1, &[Span::new(Tone::Warning, format!("⚠ {text}"))]);
    }
}

pub(super) fn thread(canvas: &mut Canvas, model: &Model, window: &Window, area: Rect) {
    let Some(thread) = &model.thread else { return welcome(canvas, model, area) };
    let empty = window.height.saturating_sub(window.count);
    if thread.entries.is_empty() && !thread.is_loading {
        let hint = "No messages yet. Write the first one.";
        canvas.write(area, area.height.saturating_sub(1), 1, &[Span::new(Tone::Faint, hint)]);
    }
    for (at, row) in window.visible().iter().enumerate() {
        let Ok(y) = u16::try_from(at.saturating_add(empty)) else { return };
        canvas.write(area, y, 1, &[Span::new(Tone::Faint, row.gutter.mark())]);
        canvas.write(area, y, row.indent(), &row.line);
        canvas.write_right(area, y, &row.margin);
        if let Some((picture, at)) = &row.picture {
            let pictures = model.gallery.pictures;
            canvas.draw_picture(area, (y, row.indent()), (picture, *at), pictures);
            continue;
        }
        if thread.selected == Some(row.entry) && row.gutter != Gutter::Head {
            canvas.choose(area, y);
        }
    }
}

fn welcome(canvas: &mut Canvas, model: &Model, area: Rect) {
    let lines = [
        "Nobody has written yet, and nor have you.",
        "",
        "C-t and a phone number begins a conversation.",
        "F1 lists all keys.",
    ];
    let inner = Rect { x: area.x.saturating_add(1), width: area.width.saturating_sub(1), ..area };
    for (row, line) in (0..area.height).zip(lines) {
        canvas.write(inner, row, 0, &[Span::new(Tone::Faint, line)]);
    }
    if let Some(account) = model.account {
        let own = format!("Your number is {account}.");
        canvas.write(inner, 5, 0, &[Span::new(Tone::Faint, own)]);
    }
}

pub(super) fn purpose(canvas: &mut Canvas, model: &Model, area: Rect) {
    let entry = model.purpose_entry();
    let what = match model.purpose {
        Purpose::New => return,
        Purpose::Reply { .. } => {
            let author = entry.map_or_else(String::new, |entry| model.author(entry.from));
            format!("↳ answer to {author}")
        }
        Purpose::Edit { .. } => "✎ another text".to_owned(),
    };
    let quoted = entry.and_then(|entry| text_of(&entry.body)).unwrap_or_default();
    let quoted = one_line(beginning(quoted));
    let text = format!("{what}: {quoted}");
    let text = clip(&text, usize::from(area.width).saturating_sub(14)).into_owned();
    canvas.write(
        area,
        0,
        1,
        &[Span::new(Tone::Notice, text), Span::new(Tone::Faint, " (Esc: not)")],
    );
}

/// Draws what is being written, and returns where the cursor is.
pub(super) fn composer(canvas: &mut Canvas, model: &Model, area: Rect) -> Option<Position> {
    let columns = composer_columns(area.width);
    let text = model.composer.text();
    let mut rows: Vec<&str> = Vec::new();
    let mut cursor = (0, 0);
    let mut start: usize = 0;
    for line in text.split('\n') {
        for range in wrap(line, columns) {
            let from = start.saturating_add(range.start);
            if model.composer.cursor() >= from {
                let before = line.get(range.start..model.composer.cursor().saturating_sub(start));
                let before = before.unwrap_or_default();
                cursor = (rows.len(), width(before).min(columns));
            }
            rows.push(line.get(range).unwrap_or_default());
        }
        start = start.saturating_add(line.len()).saturating_add(1);
    }
    let height = usize::from(area.height);
    let first = cursor.0.saturating_add(1).saturating_sub(height);
    for (y, row) in (0..area.height).zip(rows.iter().skip(first)) {
        let prompt = if y == 0 && first == 0 { "> " } else { "  " };
        canvas.write(area, y, 0, &[Span::new(Tone::Strong, prompt), Span::new(Tone::Text, *row)]);
    }
    let x = u16::try_from(cursor.1).ok()?.saturating_add(PROMPT_WIDTH).saturating_add(area.x);
    let y = u16::try_from(cursor.0.saturating_sub(first)).ok()?.saturating_add(area.y);
    area.contains(Position::new(x, y)).then_some(Position::new(x, y))
}

pub(super) fn status(canvas: &mut Canvas, model: &Model, area: Rect) {
    let (tone, text) = status_text(model);
    let columns = usize::from(area.width).saturating_sub(2);
    let rows = wrap(&text, columns);
    for (row, range) in (0..area.height).zip(&rows) {
        let rest = text.get(range.start..).unwrap_or_default();
        let is_last = row.saturating_add(1) == area.height;
        let shown = if is_last { rest } else { text.get(range.clone()).unwrap_or_default() };
        canvas.write(area, row, 1, &[Span::new(tone, clip(shown, columns))]);
        let room = columns.saturating_sub(width(shown)).saturating_sub(1);
        let hints = hints(model);
        if is_last && width(last(&hints)) <= room {
            let hints = format!("{} ", fitting(&hints, room));
            canvas.write_right(area, row, &[Span::new(Tone::Faint, hints)]);
        }
    }
}

/// A count, in four columns.
pub(super) fn count(unread: u64) -> String {
    if unread > 999 { "999+".to_owned() } else { unread.to_string() }
}

/// As much of a text as can be on one row.
pub(super) fn beginning(text: &str) -> &str {
    text.get(..text.floor_char_boundary(300)).unwrap_or(text)
}

pub(super) fn duration(secs: u32) -> String {
    match secs {
        0..60 => format!("{secs} s"),
        60..3_600 => format!("{} min", secs / 60),
        3_600..86_400 => format!("{} h", secs / 3_600),
        86_400.. => format!("{} d", secs / 86_400),
    }
}
