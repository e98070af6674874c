#![cfg(test)]
//! The screen, from what goes in to what is shown.

mod groups;
mod hostile_text;
mod keys;
mod mentions;
mod pictures;
mod screens;
mod selected;
mod support;
mod traces;
