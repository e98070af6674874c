//! Replays a recording of a real server.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;

use sealpost_recording::{Played, Replay, Verdict};

use crate::args;
use crate::named;
use crate::output::print;
use crate::table::grouped;

/// Replays a recording, prints what happens, and says whether the machine does the same again.
pub(crate) fn replay(text: &str, options: &args::Replay) -> Result<ExitCode, String> {
    let failed = |error| named(&options.file, &error);
    let mut replay = Replay::read(text).map_err(failed)?;
    print(format_args!("recorded by {}\n", replay.version()))?;
    let mut summary = Summary::default();
    let until = options.until.unwrap_or(u64::MAX);
    while summary.inputs < until
        && let Some(played) = replay.next()
    {
        let played = played.map_err(failed)?;
        summary.add(&played);
        if !options.summary {
            print(line(&played))?;
        }
        if let Verdict::Differs { recorded, replayed } = &played.verdict {
            print(difference(&played, recorded, replayed))?;
            break;
        }
    }
    print(summary.text())?;
    if summary.differs {
        return Ok(ExitCode::FAILURE);
    }
    let rest = replay.remaining();
    print(match replay.end() {
        _ if rest > 0 => format!("stopped before {} more inputs\n", grouped(rest as u64)),
        Some(why) => format!("the recording ends: {why}\n"),
        None => "the recording breaks off: the server was killed, or crashed\n".to_owned(),
    })?;
    print("passed: the same actions as recorded\n")?;
    Ok(ExitCode::SUCCESS)
}

/// An input and the actions that followed from it.
fn line(played: &Played) -> String {
    let Played { number, at_micros, wall, input, actions, verdict } = played;
    let (secs, micros) = (at_micros / 1_000_000, at_micros % 1_000_000);
    let mut text = format!("{number} {wall}Z {secs}.{micros:06} {input}\n");
    for action in actions {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "    {action}");
    }
    if *verdict == Verdict::Unfinished {
        text += "    the recording does not say what the server did with this\n";
    }
    text
}

fn difference(played: &Played, recorded: &str, replayed: &str) -> String {
    let mut text = format!("input {} differs from the recording:\n", played.number);
    let why = if recorded == replayed {
        "the same kinds of actions with other details, or another time of the next alarm".to_owned()
    } else {
        let same = recorded.chars().zip(replayed.chars()).take_while(|(a, b)| a == b).count();
        let kind = |letters: &str| letters.chars().nth(same).map_or("nothing", kind);
        let (recorded, replayed) = (kind(recorded), kind(replayed));
        format!("action {} was {recorded}, and is {replayed} now", same + 1)
    };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  {why}");
    text
}

/// Kind of an action by its letter in a recording.
const fn kind(letter: char) -> &'static str {
    match letter {
        's' => "send",
        't' => "store",
        'c' => "compute",
        'd' => "deliver",
        'n' => "notify",
        'p' => "pause",
        'r' => "resume",
        'x' => "close",
        'o' => "dial",
        _ => "unknown",
    }
}

/// Counts of what was replayed.
#[derive(Default)]
struct Summary {
    inputs: u64,
    first_micros: Option<u64>,
    last_micros: u64,
    by_kind: BTreeMap<String, u64>,
    actions: BTreeMap<String, u64>,
    differs: bool,
}

impl Summary {
    fn add(&mut self, played: &Played) {
        self.inputs += 1;
        self.first_micros.get_or_insert(played.at_micros);
        self.last_micros = played.at_micros;
        *self.by_kind.entry(word(&played.input)).or_default() += 1;
        for action in &played.actions {
            *self.actions.entry(word(action)).or_default() += 1;
        }
        self.differs = matches!(played.verdict, Verdict::Differs { .. });
    }

    fn text(&self) -> String {
        let span = self.last_micros.saturating_sub(self.first_micros.unwrap_or_default());
        let mut text =
            format!("inputs: {} in {} s\n", grouped(self.inputs), grouped(span / 1_000_000));
        for (title, counts) in [("inputs", &self.by_kind), ("actions", &self.actions)] {
            let counts: Vec<_> =
                counts.iter().map(|(word, count)| format!("{word} {}", grouped(*count))).collect();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {title}: {}", counts.join(", "));
        }
        text
    }
}

/// The first word of a text.
fn word(text: &str) -> String {
    let letters = text.chars().skip_while(|letter| !letter.is_ascii_alphabetic());
    letters.take_while(char::is_ascii_alphabetic).collect()
}
