//! Screens as text.

use ratatui::buffer::Buffer;
use ratatui::layout::Size;
use ratatui::style::Modifier;
use sealpost_chat::{Message, Picture, Request, Stage, Theme};
use sealpost_messenger::api::{Body, Changed, Entry, Notification, Peer, Time};
use unicode_width::UnicodeWidthStr;

/// The people of the demo on a screen.
pub(crate) fn stage(width: u16, height: u16) -> Stage {
    Stage::new(Size::new(width, height), now(), Theme::Dark)
}

pub(crate) fn now() -> Time {
    "2026-11-26T12:03:00Z".parse().unwrap()
}

/// The rows of a buffer as text.
pub(crate) fn rows(buffer: &Buffer) -> Vec<String> {
    let area = buffer.area;
    (0..area.height).map(|y| row(buffer, y)).collect()
}

fn row(buffer: &Buffer, y: u16) -> String {
    let mut text = String::new();
    let mut x = 0;
    while x < buffer.area.width {
        let symbol = buffer[(x, y)].symbol();
        text.push_str(symbol);
        x += u16::try_from(symbol.width().max(1)).unwrap();
    }
    text
}

/// A screen as text. `<` follows a row that is chosen; what isolates text is shown as an escape.
pub(crate) fn text(picture: &Picture) -> String {
    let buffer = &picture.buffer;
    let mut out = String::new();
    for (y, row) in (0..).zip(rows(buffer)) {
        let is_chosen =
            (0..buffer.area.width).any(|x| buffer[(x, y)].modifier.contains(Modifier::REVERSED));
        let row = row.replace('\u{2068}', "\\u{2068}").replace('\u{2069}', "\\u{2069}");
        out.push_str(row.trim_end());
        out.push_str(if is_chosen { " <\n" } else { "\n" });
    }
    match picture.cursor {
        Some(cursor) => out + &format!("cursor {},{}\n", cursor.x, cursor.y),
        None => out + "no cursor\n",
    }
}

/// Tells the screen of an entry.
pub(crate) fn tell(stage: &mut Stage, entry: Entry) {
    let changed = Changed::Entry { entry: Box::new(entry) };
    stage.take(Message::Notified(Notification::Changed(changed)));
}

/// A message of somebody whom the demo knows.
pub(crate) fn entry(text: &str) -> Entry {
    let from = "+15550100105".parse().unwrap();
    let at = Time(now().0.plus_secs(60));
    Entry {
        entry: 1000,
        conversation: Peer::Person(from),
        from: Some(from),
        message_id: None,
        sent_at: at,
        received_at: Some(at),
        body: Body::Text { text: text.to_owned() },
        mentions: Vec::new(),
        reply_to: None,
        edited_at: None,
        reactions: Vec::new(),
        progress: None,
        copies: Vec::new(),
        trust: None,
        arrival: None,
        after_gap: false,
        group_name: None,
        written_in: None,
        expires_at: None,
    }
}

/// Somebody with whom the demo has a conversation, by the last digits of the number.
pub(crate) fn person(last: u64) -> Peer {
    format!("+1555010{last:04}").parse().unwrap()
}

/// What was asked for, without lists and pages.
pub(crate) fn deeds(stage: &mut Stage) -> Vec<Request> {
    let is_deed = |request: &Request| {
        !matches!(
            request,
            Request::Subscribe(_)
                | Request::Status(_)
                | Request::Conversations(_)
                | Request::Contacts(_)
                | Request::History(_)
                | Request::Unseen(_)
        )
    };
    stage.requests().into_iter().filter(is_deed).collect()
}
