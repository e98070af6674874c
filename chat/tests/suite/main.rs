#![cfg(test)]
//! The screen, from what goes in to what is shown.

mod hostile_text;
mod mentions;
mod pictures;
mod screens;
mod support;
mod traces;
