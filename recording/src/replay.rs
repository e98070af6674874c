//! Replays a recording.

use std::fmt;
use std::time::Duration;

use sealpost_core::entropy::Entropy;
use sealpost_core::frame::{Deadline, Input, Machine};
use sealpost_core::server::{Config, Server, Servers};
use sealpost_core::time::{Mono, Now, Timestamp};
use sealpost_core::wire::Profile;
use sha2::{Digest as _, Sha256};

use crate::draws::Prepared;
use crate::line::{FORMAT, Given, Handled, InputRecord, Label, Line, New, Start};
use crate::restore::{self, Restored, Streams};
use crate::stand_ins::StandIns;
use crate::trace;

/// A recording that is being replayed. The iterator gives the machine one input after the other.
pub struct Replay {
    profile: Profile,
    version: String,
    machine: Server,
    draws: Prepared,
    stand_ins: StandIns,
    streams: Streams,
    inputs: std::vec::IntoIter<Recorded>,
    end: Option<String>,
    digest: Digest,
    number: u64,
}

/// An input, and what the machine did with it; `None` if the process ended before.
#[derive(Debug)]
struct Recorded {
    given: Given,
    handled: Option<Handled>,
}

/// An input that was replayed.
#[derive(Debug)]
pub struct Played {
    /// Number of the input, from 1.
    pub number: u64,
    /// Microseconds on the clock of the recorded host.
    pub at_micros: u64,
    /// Wall time of the recorded host.
    pub wall: Timestamp,
    /// The input, as it is in the recording.
    pub input: String,
    /// Each action of the machine.
    pub actions: Vec<String>,
    /// Whether the machine did the same as in the recording.
    pub verdict: Verdict,
}

/// Whether a replay agrees with its recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The machine did the same.
    Same,
    /// The machine did something else, or had something else due. These are the letters of the
    /// recorded actions and of the replayed ones.
    Differs {
        /// Recorded actions.
        recorded: String,
        /// Replayed actions.
        replayed: String,
    },
    /// The process ended while it handled this input, or before that was written.
    Unfinished,
}

/// A recording that can't be replayed.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRecording {
    /// The text is not a recording of this version.
    #[error("not a recording: its first line must be one of format {FORMAT}")]
    NoStart,
    /// A line does not parse.
    #[error("line {line}: {reason}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// Reason of the parser.
        reason: String,
    },
    /// The settings are none that a server can work with.
    #[error("the settings in the first line are not those of a server of this version")]
    Settings,
    /// An input names a label that no line before it introduces.
    #[error("input {0} names somebody whom the recording does not introduce")]
    Label(u64),
}

/// Whether a file with this first line is a recording.
pub fn is_recording(first_line: &str) -> bool {
    first_line.starts_with("{\"recording\":")
}

impl Replay {
    /// Reads a recording. A last line that was cut is ignored.
    ///
    /// # Errors
    /// [`InvalidRecording`], except [`InvalidRecording::Label`].
    pub fn read(text: &str) -> Result<Self, InvalidRecording> {
        let mut lines = Lines::default();
        let count = text.lines().count();
        for (index, line) in text.lines().enumerate() {
            let is_cut = index + 1 == count && !text.ends_with('\n');
            match serde_json::from_str(line) {
                Ok(line) => lines.add(line),
                Err(_) if is_cut && index > 0 => {}
                Err(_) if index == 0 => return Err(InvalidRecording::NoStart),
                Err(error) => {
                    let reason = error.to_string();
                    return Err(InvalidRecording::Line { line: index + 1, reason });
                }
            }
        }
        lines.replay()
    }

    /// Version of the program that recorded.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Count of inputs that are not replayed yet.
    pub fn remaining(&self) -> usize {
        self.inputs.len()
    }

    /// Why the recording ends; `None` if the process was killed.
    pub fn end(&self) -> Option<&str> {
        self.end.as_deref()
    }

    fn play(&mut self, recorded: &Recorded) -> Result<Played, InvalidRecording> {
        let Recorded { given: Given { at, wall, what }, handled } = recorded;
        self.number += 1;
        let drew: &[Label] = handled.as_ref().map_or(&[], |handled| &handled.drew);
        for label in drew {
            self.draws.push((*label).into());
        }
        let Self { profile, machine, stand_ins, streams, digest, number, .. } = self;
        let restored = restore::input(what, *profile, streams, stand_ins);
        let restored = restored.ok_or(InvalidRecording::Label(*number))?;
        let now = Now { mono: Mono(*at), wall: Timestamp::from_unix_secs(*wall) };
        let (mut actions, mut replayed) = (Vec::new(), String::new());
        let todo = match restored {
            Restored::Bytes { conn, ref data } => machine.handle(now, Input::Bytes { conn, data }),
            Restored::Event(event) => machine.handle(now, Input::Event(event)),
        };
        for action in todo {
            let text = trace::action(&action, *profile, stand_ins);
            digest.add(&text);
            replayed.push(trace::letter(&action));
            actions.push(text);
        }
        digest.add_deadline(machine.deadline());
        let verdict = match handled {
            None => Verdict::Unfinished,
            Some(Handled { hash, .. }) if *hash == digest.text() => Verdict::Same,
            Some(Handled { did, .. }) => Verdict::Differs { recorded: did.clone(), replayed },
        };
        let input = serde_json::to_string(what).unwrap_or_default();
        Ok(Played { number: *number, at_micros: *at, wall: now.wall, input, actions, verdict })
    }
}

impl Iterator for Replay {
    type Item = Result<Played, InvalidRecording>;

    fn next(&mut self) -> Option<Self::Item> {
        let recorded = self.inputs.next()?;
        Some(self.play(&recorded))
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("number", &self.number).finish_non_exhaustive()
    }
}

/// The lines of a recording, sorted.
#[derive(Default)]
struct Lines {
    start: Option<Start>,
    news: Vec<New>,
    streams: Streams,
    inputs: Vec<Recorded>,
    end: Option<String>,
}

impl Lines {
    fn add(&mut self, line: Line) {
        match line {
            Line::Recording(start) => self.start = Some(start),
            Line::New(new) => self.news.push(new),
            Line::Input(given) => {
                if let InputRecord::Bytes { conn, parts, .. } = &given.what {
                    // Cloned, because the trace shows them too.
                    self.streams.add(*conn, parts.clone());
                }
                self.inputs.push(Recorded { given, handled: None });
            }
            Line::Handled(handled) => {
                if let Some(last) = self.inputs.last_mut() {
                    last.handled = Some(handled);
                }
            }
            Line::End(why) => self.end = Some(why),
        }
    }

    fn replay(self) -> Result<Replay, InvalidRecording> {
        let start = self.start.filter(|start| start.format == FORMAT);
        let Start { version, profile, has_successor, look_again, settings, .. } =
            start.ok_or(InvalidRecording::NoStart)?;
        let settings = settings.restore().ok_or(InvalidRecording::Settings)?;
        let mut stand_ins = StandIns::new(&self.news);
        let config = Config {
            profile: profile.0,
            server_key: stand_ins.key(SERVER_KEY),
            successor: has_successor.then(|| stand_ins.key(SUCCESSOR)),
            servers: look_again
                .map(Duration::from_micros)
                .map_or(Servers::One, |look_again| Servers::Several { look_again }),
            otp_channel: settings.otp_channel,
            registered_phones: settings.registered_phones,
            registration: settings.registration,
            exempt_networks: settings.exempt_networks,
            limits: settings.limits,
        };
        let draws = Prepared::default();
        let machine = Server::new(config, Entropy::new(Box::new(draws.clone())))
            .map_err(|_| InvalidRecording::Settings)?;
        Ok(Replay {
            profile: profile.0,
            version,
            machine,
            draws,
            stand_ins,
            streams: self.streams,
            inputs: self.inputs.into_iter(),
            end: self.end,
            digest: Digest::default(),
            number: 0,
        })
    }
}

/// Running digest of everything that a machine does.
#[derive(Debug, Default)]
pub(crate) struct Digest(Sha256);

impl Digest {
    pub(crate) fn add(&mut self, text: &str) {
        self.0.update(text);
        self.0.update([b'\n']);
    }

    pub(crate) fn add_deadline(&mut self, deadline: Option<Deadline>) {
        match deadline {
            Some(Deadline { at, why }) => self.add(&format!("due at {}: {why}", at.0)),
            None => self.add("nothing is due"),
        }
    }

    /// The first digits of the digest so far.
    pub(crate) fn text(&self) -> String {
        let hash: [u8; 32] = self.0.clone().finalize().into();
        hex::encode(hash.first_chunk::<8>().unwrap_or(&[0; 8]))
    }
}

/// Label of the server's own key.
const SERVER_KEY: Label = 1;
/// Label of its successor, if it has one.
const SUCCESSOR: Label = 2;
