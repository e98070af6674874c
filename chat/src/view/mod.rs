//! The screen, drawn from the model alone.

mod canvas;
mod group;
mod help;
mod hints;
mod key;
mod overlays;
mod panel;
mod parts;
mod placeholder;

pub(crate) use canvas::ISOLATES;
pub(crate) use overlays::rows_of_help;
pub(crate) use parts::first_conversation;

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::layout::{Screen, Window};
use crate::model::Model;
use crate::thumbnail::Thumbnail;
use canvas::Canvas;

/// What is on the screen.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The cells.
    pub buffer: Buffer,
    /// Where the cursor is, if it is shown.
    pub cursor: Option<Position>,
    /// Pictures of which cells are parts.
    pub(crate) shown: Vec<Arc<Thumbnail>>,
}

/// Draws the model.
pub fn view(model: &Model) -> Picture {
    let size = model.size;
    let mut canvas = Canvas::new(Rect::new(0, 0, size.width, size.height), model.theme);
    let screen = Screen::of(model);
    parts::sidebar(&mut canvas, model, screen.sidebar);
    let window = Window::of(model);
    parts::title(&mut canvas, model, &window, screen.title);
    parts::banner(&mut canvas, model, screen.banner);
    parts::thread(&mut canvas, model, &window, screen.thread);
    parts::purpose(&mut canvas, model, screen.purpose);
    let mut cursor = parts::composer(&mut canvas, model, screen.composer);
    parts::status(&mut canvas, model, screen.status);
    if let Some(overlay) = &model.overlay {
        cursor = overlays::draw(&mut canvas, model, overlay, screen.status.y);
    }
    // All rows of a picture that are on the screen are beside each other.
    let pictures =
        window.visible().iter().filter_map(|row| Some(Arc::clone(&row.picture.as_ref()?.0)));
    let mut shown: Vec<_> = pictures.collect();
    shown.dedup_by(|a, b| Arc::ptr_eq(a, b));
    Picture { buffer: canvas.into_buffer(), cursor, shown }
}
