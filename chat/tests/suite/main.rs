//! The screen, from what goes in to what is shown.

mod hostile_text;
mod screens;
mod support;
mod traces;
