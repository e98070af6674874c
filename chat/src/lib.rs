//! A terminal client for people.
//!
//! The screen is a pure value, a [`Model`]. [`update()`] takes what happened, one [`Message`] after the
//! other, and returns what is to be done outside; [`view()`] draws the model. Neither reads a clock or
//! does I/O, so a test is a table of inputs and a screen. [`run`] is the loop around them, over a
//! terminal and whoever carries out the methods of the [interface](sealpost_messenger::api).
#![forbid(unsafe_code)]

mod demo;
mod layout;
mod model;
mod pictures;
mod request;
mod stage;
mod terminal;
mod text;
mod theme;
mod thumbnail;
mod update;
mod view;
mod zone;

pub use demo::Demo;
pub use model::Model;
pub use pictures::pictures;
pub use request::{Answer, Request};
pub use stage::Stage;
pub use terminal::{
    Backend, Graphics, Keeping, Mouse, Options, Reconnecting, RunError, require_terminal, run,
};
pub use theme::Theme;
pub use thumbnail::{Pictures, Thumbnail, Unshowable};
pub use update::{Effect, Focus, Message, PictureOrder, start, update};
pub use view::{Picture, view};
pub use zone::Zone;
