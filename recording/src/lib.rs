//! Recordings of what a server machine was given and what it did, without secrets.
//!
//! The machine is deterministic, so its inputs explain everything that it did. A [`Recorder`] sees
//! them through [`Host::watch`](sealpost_core::frame::Host::watch) and writes lines of JSON. A
//! [`Replay`] gives the same inputs to a new machine and compares what it does.
//!
//! ```text
//!  Seen ─▶ Recorder ── lines ──▶ file ──▶ Replay ─▶ Server ─▶ the same actions
//!           redact, name                  restore
//! ```
//!
//! The contents of packets, signatures, keys, passwords, phone numbers, addresses and user ids are
//! taken out. What the machine compares is replaced by a *label*, a small number: equal values have
//! the same label, and the replay makes up a *stand-in* for each. Times, sizes, operations, ids of
//! messages and outcomes of jobs remain, so a recording reveals the traffic.
//!
//! - `line`: what is in a file.
//! - `packet`, `redact`: from the machine's values to lines; `names` labels what is taken out.
//! - `stand_ins`, `restore`: from lines to values with which the machine makes the same decisions.
//! - `trace`: actions as text without secrets, the same in a recording and in its replay.
#![forbid(unsafe_code)]

mod draws;
mod framer;
mod line;
mod names;
mod packet;
mod pseudonyms;
mod recorder;
mod redact;
mod replay;
mod restore;
mod settings;
mod stand_ins;
mod trace;
mod words;

pub use draws::Draws;
pub use recorder::Recorder;
pub use replay::{InvalidRecording, Played, Replay, Verdict, is_recording};
