//! Records a server machine.

use std::collections::BTreeMap;
use std::iter;

use sealpost_core::frame::{Action, Event, Input, Seen};
use sealpost_core::ids::ConnId;
use sealpost_core::server::{Command, Config, Server, Servers};
use sealpost_core::time::Now;
use sealpost_core::wire::{Otp, Profile};
use zeroize::Zeroizing;

use crate::draws::Draws;
use crate::framer::Framer;
use crate::line::{FORMAT, Given, Handled, InputRecord, Line, Start};
use crate::names::Names;
use crate::pseudonyms::Pseudonyms;
use crate::redact::{self, Opening};
use crate::replay::Digest;
use crate::settings::SettingsRecord;
use crate::trace;
use crate::words::Word;

/// Writes down what a machine is given and a digest of what it does. It sees everything from the
/// machine's first input on; see [`Host::watch`](sealpost_core::frame::Host::watch).
pub struct Recorder {
    profile: Profile,
    names: Pseudonyms,
    draws: Draws,
    framers: BTreeMap<ConnId, Framer>,
    /// Bytes that the framers hold.
    held: usize,
    opening: Opening,
    digest: Digest,
    did: String,
    lines: String,
    /// Why nothing more is recorded.
    why_over: Option<String>,
}

impl Recorder {
    /// Begins a recording of a machine that is made with these settings and whose generator `draws`
    /// has tapped. `key` is drawn for this recording; `version` is that of the program.
    pub fn new(config: &Config, version: &str, key: Zeroizing<[u8; 32]>, draws: Draws) -> Self {
        let mut names = Pseudonyms::new(key);
        names.configure(&config.registration.phone_prefixes, &config.exempt_networks);
        // Labels 1 and 2, as in a replay.
        for key in iter::once(&config.server_key).chain(&config.successor) {
            names.key(key.fingerprint());
        }
        let mut recorder = Self {
            profile: config.profile,
            names,
            draws,
            framers: BTreeMap::new(),
            held: 0,
            opening: Opening::default(),
            digest: Digest::default(),
            did: String::new(),
            lines: String::new(),
            why_over: None,
        };
        recorder.write(&Line::Recording(Start {
            format: FORMAT,
            version: version.to_owned(),
            profile: Word(config.profile),
            has_successor: config.successor.is_some(),
            look_again: match config.servers {
                Servers::One => None,
                // Longer than any clock runs.
                Servers::Several { look_again } => {
                    Some(u64::try_from(look_again.as_micros()).unwrap_or(u64::MAX))
                }
            },
            settings: SettingsRecord::of_config(config),
        }));
        recorder
    }

    /// Records one moment of the machine.
    pub fn watch(&mut self, seen: &Seen<'_, '_, Server>) {
        if self.why_over.is_some() {
            return;
        }
        match seen {
            Seen::Input(now, input) => self.note_input(*now, input),
            Seen::Action(action) => self.note_action(action),
            Seen::Handled(deadline) => {
                self.digest.add_deadline(*deadline);
                let mut drew = Vec::new();
                for drawn in self.draws.take().iter() {
                    let otp = Otp::last_digits(drawn % u64::from(Otp::COUNT));
                    drew.push(self.names.otp(&otp));
                }
                let did = std::mem::take(&mut self.did);
                self.write(&Line::Handled(Handled { did, hash: self.digest.text(), drew }));
                self.stay_within_bounds();
            }
        }
    }

    /// Lines since the last call, each with its line break.
    pub fn take_lines(&mut self) -> String {
        std::mem::take(&mut self.lines)
    }

    /// Ends the recording, unless it has ended. Nothing more is recorded.
    pub fn end(&mut self, why: &str) {
        if self.why_over.is_none() {
            self.write(&Line::End(why.to_owned()));
            self.draws.close();
            self.why_over = Some(why.to_owned());
        }
    }

    /// Why the recording has ended; `None` while it goes on.
    pub fn why_over(&self) -> Option<&str> {
        self.why_over.as_deref()
    }

    fn note_input(&mut self, now: Now, input: &Input<'_, Server>) {
        let what = match input {
            Input::Bytes { conn, data } => {
                let parts = self.framers.get_mut(conn).map_or_else(Vec::new, |framer| {
                    let before = framer.held();
                    let parts = framer.take(self.profile, data, &mut self.names);
                    self.held = (self.held + framer.held()).saturating_sub(before);
                    parts
                });
                InputRecord::Bytes { conn: conn.0, len: data.len(), parts }
            }
            Input::Event(event) => {
                self.note_connections(event);
                if let Event::Command(Command::Reconfigure(new)) = event {
                    let prefixes = &new.registration.phone_prefixes;
                    self.names.configure(prefixes, &new.exempt_networks);
                }
                redact::event(event, &mut self.opening, &mut self.names)
            }
        };
        let (at, wall) = (now.mono.0, now.wall.unix_secs());
        self.write(&Line::Input(Given { at, wall, what }));
    }

    fn note_connections(&mut self, event: &Event<Server>) {
        match event {
            Event::Opened { conn, .. } => {
                self.framers.entry(*conn).or_default();
            }
            Event::Closed { conn } => self.forget(*conn),
            Event::Congested { .. }
            | Event::Writable { .. }
            | Event::Stored(..)
            | Event::Computed(..)
            | Event::Command(_)
            | Event::Tick
            | Event::Shutdown => {}
        }
    }

    fn note_action(&mut self, action: &Action<Server>) {
        if let Action::Compute { ticket, job } = action {
            self.opening.begin(*ticket, job);
        }
        if let Action::Close { conn } = action {
            self.forget(*conn);
        }
        self.digest.add(&trace::action(action, self.profile, &mut self.names));
        self.did.push(trace::letter(action));
    }

    fn forget(&mut self, conn: ConnId) {
        let framer = self.framers.remove(&conn);
        self.held = self.held.saturating_sub(framer.map_or(0, |framer| framer.held()));
    }

    fn stay_within_bounds(&mut self) {
        if self.names.is_full() {
            self.end("there were too many users, phone numbers, addresses or keys to go on");
        } else if self.held > HELD {
            self.end("too many packets were arriving at the same time to go on");
        }
    }

    /// Writes a line, behind the labels that are new in it.
    fn write(&mut self, line: &Line) {
        let news = std::mem::take(&mut self.names.news);
        for line in news.into_iter().map(Line::New).collect::<Vec<_>>().iter().chain([line]) {
            // These types have no value that is not JSON.
            self.lines.push_str(&serde_json::to_string(line).unwrap_or_default());
            self.lines.push('\n');
        }
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("why_over", &self.why_over).finish_non_exhaustive()
    }
}

/// Bytes of incomplete packets that a recorder holds.
const HELD: usize = 32 << 20;
