//! Whether the terminal shows images by the protocol of kitty, with cells that stand for their parts:
//! kitty from version 0.28 on, and Ghostty.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use ratatui::crossterm::terminal::window_size;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read};

use super::Graphics;
use crate::thumbnail::{CellSize, Pictures};

/// How pictures are shown: as is wanted, and as the terminal can. It is in raw mode, and nobody reads
/// from it yet.
pub(super) fn pictures(graphics: Graphics, blocks: Pictures) -> io::Result<Pictures> {
    let has_images = match graphics {
        Graphics::Blocks => false,
        Graphics::Kitty => true,
        Graphics::Auto => {
            blocks != Pictures::Hidden
                && is_worth_asking(|name| std::env::var(name).unwrap_or_default())
                && ask(&mut Terminal)?
        }
    };
    if !has_images {
        return Ok(blocks);
    }
    // Other programs in the same terminal choose other ids.
    let first_id = std::process::id().wrapping_shl(8);
    Ok(Pictures::AsImages { cell: cell_size(), first_id })
}

/// Whether the terminal says that it is one that may have images. No other one is asked: what it
/// answers, or does not understand, could get among the keys. Inside a multiplexer nothing is asked,
/// because it does not pass images on.
fn is_worth_asking(variable: impl Fn(&str) -> String) -> bool {
    let is_inside = ["TMUX", "STY"].iter().any(|name| !variable(name).is_empty());
    let (term, program) = (variable("TERM"), variable("TERM_PROGRAM"));
    let is_known = ["xterm-kitty", "xterm-ghostty"].contains(&term.as_str())
        || ["kitty", "ghostty"].contains(&program.as_str());
    is_known && !is_inside
}

/// Something that answers questions: a terminal.
trait Asked {
    fn write(&mut self, question: &[u8]) -> io::Result<()>;

    /// Reads what has arrived, waiting at most so long. Returns 0 if nothing has.
    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize>;
}

/// Asks for the name and version of the terminal (XTVERSION), and for its class (DA1), which every
/// terminal answers, so that the wait is short where the first question is not understood.
fn ask(terminal: &mut impl Asked) -> io::Result<bool> {
    terminal.write(b"\x1b[>q\x1b[c")?;
    let deadline = Instant::now() + TIMEOUT;
    let mut answer = Vec::new();
    while !is_whole(&answer) && answer.len() < MAX_ANSWER {
        let mut buffer = [0; 256];
        let left = deadline.saturating_duration_since(Instant::now());
        let count = if left.is_zero() { 0 } else { terminal.read(&mut buffer, left)? };
        let Some(arrived) = buffer.get(..count).filter(|arrived| !arrived.is_empty()) else {
            return Ok(false);
        };
        answer.extend_from_slice(arrived);
    }
    Ok(name(&answer).is_some_and(has_placeholders))
}

/// Whether the class of the terminal, the last answer, is there: `CSI ? … c`.
fn is_whole(answer: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(answer);
    let class = answer.rsplit_once("\x1b[?").map(|(_, class)| class);
    class.is_some_and(|class| class.contains('c'))
}

/// The name in an answer: `DCS > | name ST`.
fn name(answer: &[u8]) -> Option<&str> {
    let (_, name) = str::from_utf8(answer).ok()?.split_once("\x1bP>|")?;
    name.split_once("\x1b\\").map(|(name, _)| name)
}

/// Whether a terminal with this name and version knows cells that stand for parts of images.
fn has_placeholders(name: &str) -> bool {
    if name.starts_with("ghostty") {
        return true;
    }
    let version = name.strip_prefix("kitty(").and_then(|rest| rest.strip_suffix(')'));
    let mut numbers = version.unwrap_or_default().split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (0, 28),
        _ => false,
    }
}

/// The pixels of a cell, as far as the terminal says.
fn cell_size() -> CellSize {
    let size = window_size().ok();
    let pixels = |of: u16, cells: u16| of.checked_div(cells).filter(|pixels| *pixels > 0);
    size.and_then(|size| {
        Some(CellSize {
            width: pixels(size.width, size.columns)?,
            height: pixels(size.height, size.rows)?,
        })
    })
    .unwrap_or_default()
}

/// The terminal of the process.
struct Terminal;

impl Asked for Terminal {
    fn write(&mut self, question: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(question)?;
        out.flush()
    }

    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize> {
        let stdin = io::stdin();
        let timeout = Timespec { tv_sec: 0, tv_nsec: timeout.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => Ok(0),
            Ok(_) => Ok(read(&stdin, buffer)?),
            Err(error) => Err(error.into()),
        }
    }
}

/// How long an answer is waited for: more than a round trip around the world takes.
const TIMEOUT: Duration = Duration::from_millis(500);

/// Most bytes of an answer.
const MAX_ANSWER: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal that answers in pieces.
    struct Scripted {
        asked: Vec<u8>,
        pieces: Vec<&'static str>,
    }

    impl Asked for Scripted {
        fn write(&mut self, question: &[u8]) -> io::Result<()> {
            self.asked.extend_from_slice(question);
            Ok(())
        }

        fn read(&mut self, buffer: &mut [u8], _: Duration) -> io::Result<usize> {
            if self.pieces.is_empty() {
                return Ok(0);
            }
            let piece = self.pieces.remove(0).as_bytes();
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    #[test]
    fn only_terminals_that_know_placeholders_get_images() {
        for (pieces, expected) in [
            (&["\x1bP>|kitty(0.35.2)\x1b\\\x1b[?62;c"][..], true),
            (&["\x1bP>|kit", "ty(0.28.0)\x1b", "\\\x1b[?6", "2;52;c"], true),
            (&["\x1bP>|ghostty 1.1.3\x1b\\", "\x1b[?62;22c"], true),
            (&["\x1bP>|kitty(0.26.5)\x1b\\\x1b[?62;c"], false),
            (&["\x1bP>|kitty(x)\x1b\\\x1b[?62;c"], false),
            (&["\x1bP>|WezTerm 2024\x1b\\\x1b[?65;4c"], false),
            (&["\x1b[?62;c"], false),
            // It answers nothing, or not to the end, or something else.
            (&[], false),
            (&["\x1bP>|kitty(0.35.2)\x1b\\"], false),
            (&["typed meanwhile", "\x1bP>|kitty(1.0.0)\x1b\\\x1b[?62;c"], true),
            (&["\x1b[A\x1b[B"; 200], false),
        ] {
            let mut terminal = Scripted { asked: Vec::new(), pieces: pieces.to_vec() };
            assert_eq!(ask(&mut terminal).unwrap(), expected, "{pieces:?}");
            assert_eq!(terminal.asked, b"\x1b[>q\x1b[c");
        }
    }

    #[test]
    fn others_are_not_asked() {
        for (variables, expected) in [
            (&[("TERM", "xterm-kitty")][..], true),
            (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "ghostty")], true),
            (&[("TERM", "xterm-kitty"), ("TMUX", "/tmp/tmux-0/default,1,0")], false),
            (&[("TERM", "xterm-kitty"), ("STY", "1.pts-0")], false),
            (&[("TERM", "xterm-256color")], false),
            (&[], false),
        ] {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map_or("", |(_, value)| value).to_owned()
            };
            assert_eq!(is_worth_asking(variable), expected, "{variables:?}");
        }
    }
}
