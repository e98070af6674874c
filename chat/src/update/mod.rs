//! What becomes of the screen: one message in, requests and effects out. Reads no clock and does no
//! I/O.

mod answers;
mod commands;
mod groups;
mod keys;
mod mouse;
mod notifications;
mod opening;
mod overlays;
pub(crate) mod reactions;
mod selection;
mod sending;
mod settings;
mod settle;

pub(crate) use keys::bindings;
pub(crate) use selection::SELECTION_KEYS;
pub(crate) use settings::{EXPIRIES, MUTES};

use std::io;
use std::path::Path;

use ratatui::crossterm::event::{KeyEvent, MouseEvent};
use ratatui::layout::Size;
use sealpost_messenger::api::{ApiError, Empty, Notification, Time};

use crate::model::{DraftState, Model, Stale};
use crate::thumbnail::{self, Bounds, Form, Rgb, Thumbnail, Unshowable};
use crate::{Answer, Request};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Message {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse was used.
    Mouse(MouseEvent),
    /// A text was pasted.
    Pasted(String),
    /// The terminal has another size.
    Resized(Size),
    /// The user looks at the terminal, or no longer does.
    Focused(Focus),
    /// It is this late.
    Tick(Time),
    /// The client says something.
    Notified(Notification),
    /// A request was carried out.
    Answered(Box<Request>, Result<Box<Answer>, ApiError>),
    /// A picture was made, or can't be.
    Pictured(PictureOrder, Result<Thumbnail, Unshowable>),
    /// The program is asked to end.
    Stopped,
    /// The editor was closed, with this text.
    Edited(Result<String, String>),
}

/// Whether the user looks at the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    /// The user looks at it.
    Gained,
    /// The user looks at something else.
    Lost,
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask the client.
    Request(Request),
    /// Ring the bell of the terminal.
    Ring,
    /// Show a notification on the desktop.
    Notify(String),
    /// Open an editor with this text.
    OpenEditor(String),
    /// Open a web address.
    OpenLink(String),
    /// Put a text on the clipboard.
    Copy(String),
    /// Make a picture of a file.
    Picture(PictureOrder),
    /// Draw everything again.
    Redraw,
    /// Stop the program until the shell lets it go on.
    Suspend,
    /// End the program.
    Quit,
}

/// A picture that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureOrder {
    /// Path of its file.
    pub(crate) path: String,
    pub(crate) bounds: Bounds,
    /// Shown where it is transparent.
    pub(crate) background: Rgb,
    pub(crate) form: Form,
}

impl PictureOrder {
    /// Makes the picture. `open` returns the bytes of a file.
    ///
    /// # Errors
    /// The file can't be read, or is not a picture that can be shown.
    pub fn make(
        &self,
        open: impl FnOnce(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Thumbnail, Unshowable> {
        let bytes = open(Path::new(&self.path))
            .map_err(|error| Unshowable::Unreadable(error.to_string()))?;
        thumbnail::make(bytes, self.bounds, self.background, self.form)
    }
}

/// What is to be done at the start, and after notifications were missed.
pub fn start(model: &mut Model) -> Vec<Effect> {
    // What was asked of a client that has ended is not answered.
    model.stale = Stale::all();
    model.has_unknown_mentions = true;
    let mut effects = vec![Effect::Request(Request::Subscribe(Empty {}))];
    opening::load_again(model, &mut effects);
    settle::settle(model, &mut effects);
    effects
}

/// Takes one message.
pub fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    let mut effects = Vec::new();
    match message {
        Message::Key(key) => keys::press(model, key, &mut effects),
        Message::Mouse(event) => mouse::act(model, event, &mut effects),
        Message::Pasted(text) => keys::insert(model, &text),
        Message::Resized(size) => model.size = size,
        Message::Focused(focus) => model.has_focus = focus == Focus::Gained,
        Message::Tick(now) => model.now = now,
        Message::Notified(notification) => {
            notifications::take(model, notification, &mut effects);
        }
        Message::Answered(request, answer) => {
            answers::take(model, *request, answer.map(|answer| *answer), &mut effects);
        }
        Message::Pictured(order, made) => model.gallery.take(&order.path, made),
        Message::Stopped => commands::quit(model, &mut effects),
        Message::Edited(Ok(text)) => model.composer.set(text.strip_suffix('\n').unwrap_or(&text)),
        Message::Edited(Err(why)) => model.remark = Some(why),
    }
    settle::settle(model, &mut effects);
    effects
}

/// Forgets what was kept of a draft.
fn new_draft(model: &mut Model, saved: &str) {
    model.draft = DraftState { saved: saved.to_owned(), since: None };
}
