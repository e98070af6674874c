//! Where things are on the screen. [`update`](crate::update()) needs it too: what was on the screen
//! counts as seen, and a mouse points at a place.

mod entry_rows;
mod facts;
mod file_rows;
mod row;
mod status;
mod text_rows;
mod window;

pub(crate) use row::{GUTTER_WIDTH, Gutter, MARGIN_WIDTH, Row};
pub(crate) use status::status_text;
pub(crate) use window::{Window, reveal, scroll};

use ratatui::layout::Rect;

use sealpost_messenger::api::GroupStanding;

use crate::model::{Model, Purpose};
use crate::text::wrap;

/// The parts of the screen. Some are empty where there is no room for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Screen {
    pub(crate) sidebar: Rect,
    pub(crate) title: Rect,
    /// A key that changed, or a warning.
    pub(crate) banner: Rect,
    pub(crate) thread: Rect,
    /// What is answered or edited.
    pub(crate) purpose: Rect,
    pub(crate) composer: Rect,
    pub(crate) status: Rect,
}

impl Screen {
    pub(crate) fn of(model: &Model) -> Self {
        let (width, height) = (model.size.width, model.size.height);
        let sidebar_width = if width >= MIN_WIDTH_WITH_SIDEBAR { sidebar_width(width) } else { 0 };
        let right = width.saturating_sub(sidebar_width);
        let mut rest = Rect::new(sidebar_width, 0, right, height);
        let (_, text) = status_text(model);
        let rows = wrap(&text, usize::from(width.saturating_sub(2))).len();
        let most = if height < MIN_HEIGHT_FOR_LONG_STATUS { 1 } else { 2 };
        let status = cut_bottom(&mut rest, u16::try_from(rows).unwrap_or(most).min(most));
        let status = Rect { x: 0, width, ..status };
        let sidebar = Rect::new(0, 0, sidebar_width, rest.height);
        let title = cut_top(&mut rest, 1);
        let banner = cut_top(&mut rest, u16::from(banner(model).is_some()));
        let most = (rest.height / 3).clamp(1, MAX_COMPOSER_ROWS);
        let rows = u16::try_from(composer_rows(model, right)).unwrap_or(u16::MAX).clamp(1, most);
        let composer = cut_bottom(&mut rest, rows);
        let purpose = cut_bottom(&mut rest, u16::from(model.purpose != Purpose::New));
        Self { sidebar, title, banner, thread: rest, purpose, composer, status }
    }
}

/// What is said above the conversation.
pub(crate) fn banner(model: &Model) -> Option<String> {
    if let Some(warning) = &model.warning {
        return Some(format!("{warning} (Esc)"));
    }
    let conversation = model.open_conversation()?;
    if let Some(group) = &conversation.group {
        let is_asked = group.standing == GroupStanding::Invited || group.newer_states;
        return is_asked.then(|| format!("Join {}? M-v", model.name(conversation.with)));
    }
    if !conversation.key_changed {
        return None;
    }
    Some(format!("{} has another key. Nothing is sent: M-v", model.name(conversation.with)))
}

/// Columns of the composer that are left for its text.
pub(crate) fn composer_columns(width: u16) -> usize {
    // The prompt, and the cursor behind the last character.
    usize::from(width.saturating_sub(PROMPT_WIDTH).saturating_sub(1)).max(1)
}

fn composer_rows(model: &Model, width: u16) -> usize {
    let columns = composer_columns(width);
    model.composer.text().split('\n').map(|line| wrap(line, columns).len()).sum()
}

fn sidebar_width(width: u16) -> u16 {
    (width / 4).clamp(18, 30)
}

fn cut_top(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    let cut = Rect { height: rows, ..*rest };
    rest.y = rest.y.saturating_add(rows);
    rest.height = rest.height.saturating_sub(rows);
    cut
}

fn cut_bottom(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    rest.height = rest.height.saturating_sub(rows);
    Rect { y: rest.y.saturating_add(rest.height), height: rows, ..*rest }
}

/// Narrower terminals show one conversation alone.
const MIN_WIDTH_WITH_SIDEBAR: u16 = 60;

/// Lower terminals show one row of it.
const MIN_HEIGHT_FOR_LONG_STATUS: u16 = 8;

const MAX_COMPOSER_ROWS: u16 = 8;

/// Columns of `> `.
pub(crate) const PROMPT_WIDTH: u16 = 2;
