//! Lists and questions, drawn over the conversation.

use std::borrow::Cow;

use ratatui::layout::{Position, Rect};
use sealpost_messenger::api::{Body, Entry, Peer};
use sealpost_messenger::foreign_text::OneLine;

use super::canvas::Canvas;
use super::help::help;
use super::panel::{Panel, Paragraphs};
use super::parts::beginning;
use super::{group, key};
use crate::layout::Screen;
use crate::model::{Candidate, Composer, Confirm, Model, Overlay, Search, text_of, unread};
use crate::text::{clip, one_line, width};
use crate::theme::{Line, Span, Tone};
use crate::update::{EXPIRIES, MUTES, reactions};

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

/// Count of positions to which the help can be scrolled.
pub(crate) fn rows_of_help(model: &Model) -> usize {
    let area = area(model.size.width, Screen::of(model).status.y);
    let shown = usize::from(area.height.saturating_sub(2));
    let rows = help(usize::from(area.width).saturating_sub(4)).len();
    rows.saturating_sub(shown).saturating_add(1)
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

fn panel<'a>(model: &Model, overlay: &'a Overlay, columns: usize) -> Panel<'a> {
    match overlay {
        Overlay::Switcher { query, chosen } => {
            let found = model.candidates(query.text());
            let lines = found.iter().map(|found| candidate(model, found)).collect();
            let hint = match &model.remark {
                Some(remark) => Cow::Owned(remark.clone()),
                None => "Enter opens · a part of a name, or a phone number · Esc".into(),
            };
            Panel::new("Go to", hint).with_input(query).with_list(lines, *chosen)
        }
        Overlay::Search(search) => search_panel(model, search, columns),
        Overlay::Help { scrolled, .. } => {
            let panel = Panel::new("Keys", "Up, Down, PgUp, PgDn · Esc");
            panel.with_lines(help(columns)).scrolled(*scrolled)
        }
        Overlay::Key { phone } => key::panel(model, *phone, columns),
        Overlay::Group { group_id, chosen } => group::panel(model, *group_id, *chosen, columns),
        Overlay::GroupName { group_id, name } => {
            let title = if group_id.is_some() { "Name of the group" } else { "New group" };
            let hint = "Enter goes on · its name, for everybody in it · Esc";
            Panel::new(title, hint).with_input(name)
        }
        Overlay::People(people) => group::people_panel(model, people),
        Overlay::Mute { chosen } => {
            let names = MUTES.iter().map(|(name, _)| *name);
            choice("Mute this conversation", names, *chosen)
        }
        Overlay::Expiry { chosen } => {
            let names = EXPIRIES.iter().map(|(name, _)| *name);
            choice("New messages disappear, for everybody", names, *chosen)
        }
        Overlay::React { entry, emoji, chosen } => react_panel(model, *entry, emoji, *chosen),
        Overlay::Name { phone, name } => {
            let hint = "Enter · only you see it · Esc";
            Panel::new(format!("Name of {phone}"), hint).with_input(name)
        }
        Overlay::File { path, error } => {
            let hint = "Enter sends it · its path · what is written goes with it · Esc";
            let mut text = Paragraphs::new(columns);
            if let Some(error) = error {
                text.say(Tone::Warning, &format!("Not sent: {error}"));
            }
            Panel::new("Send a file", hint).with_input(path).with_lines(text.into_lines())
        }
        Overlay::Confirm(confirm) => confirm_panel(model, confirm, columns),
    }
}

/// The emoji that are offered, of which one is chosen until another one is typed.
fn react_panel<'a>(model: &Model, entry: u64, typed: &'a Composer, chosen: usize) -> Panel<'a> {
    let own = reactions::own(model, entry);
    let line = |(number, offered): (usize, &str)| {
        let what = match own {
            Some(own) if offered.is_empty() => format!("take {} back", one_line(own)),
            Some(own) if offered == own => format!("{offered}  your reaction now"),
            Some(_) | None => offered.to_owned(),
        };
        plain(format!(" {number}  {what}"))
    };
    let offered = reactions::offered(model, entry);
    let hint =
        format!("Enter or 1 to {} reacts · or type any emoji · Up/Down · Esc", offered.len());
    let lines = (1..).zip(offered).map(line).collect();
    let panel = Panel::new("Your reaction", hint).with_input(typed);
    if typed.is_blank() { panel.with_list(lines, chosen) } else { panel.with_lines(lines) }
}

/// A list from which one thing is chosen.
fn choice<'a>(
    title: &'static str,
    names: impl Iterator<Item = &'static str>,
    chosen: usize,
) -> Panel<'a> {
    let lines = names.map(|name| plain(format!(" {name}"))).collect();
    Panel::new(title, "Enter · Esc").with_list(lines, chosen)
}

fn candidate(model: &Model, candidate: &Candidate) -> Line {
    match candidate {
        Candidate::Known { with, name } => {
            let conversation = model.conversation(*with);
            let unread = conversation.map_or(0, unread);
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
                let is_mentioned = conversation.is_some_and(|known| model.is_mentioned(known));
                let mark = if is_mentioned { "  @" } else { "" };
                line.push(Span::new(Tone::Unread, format!("{mark}  {unread} unread")));
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
    let hint = "Enter shows it in its place · words, the last may be a beginning · Esc";
    let panel = Panel::new("Search", hint).with_input(&search.query);
    if search.results.is_empty() {
        panel.with_lines(lines)
    } else {
        panel.with_list(lines, search.chosen)
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

fn confirm_panel(model: &Model, confirm: &Confirm, columns: usize) -> Panel<'static> {
    let (title, text) = match confirm {
        Confirm::Delete { .. } => {
            ("Delete?", "It is deleted here, and recipients are asked to delete it.".to_owned())
        }
        Confirm::Block { with } => block_question(model, *with),
        Confirm::Open { link } => ("Open this address?", link.clone()),
        Confirm::Quit => {
            let queued = match model.queued {
                0 => String::new(),
                count => format!(" {count} not sent yet will never be."),
            };
            let text = "The key, contacts and messages of this account are gone then. The server \
                        goes on knowing its number.";
            ("Quit?", format!("{text}{queued}"))
        }
        Confirm::Group { group_id, change, .. } => group::question(model, *group_id, *change),
    };
    let mut lines = Paragraphs::new(columns.max(1));
    lines.say(Tone::Text, &text);
    Panel::new(title, "y yes · n no").with_lines(lines.into_lines())
}

/// What blocking does.
fn block_question(model: &Model, with: Peer) -> (&'static str, String) {
    let name = model.name(with);
    let name = clip(&name, 30);
    let text = match with {
        Peer::Person(_) => format!(
            "What {name} writes is dropped, and files on their way are given up. {name} is not told: \
             messages are shown to them as delivered, never as read. The history stays here. M-x \
             unblocks."
        ),
        Peer::Group(_) => format!(
            "You leave {name}, and further invitations to it are ignored. Its history stays here. M-x \
             unblocks."
        ),
    };
    ("Block?", text)
}

fn plain(text: impl Into<String>) -> Line {
    vec![Span::new(Tone::Text, text)]
}
