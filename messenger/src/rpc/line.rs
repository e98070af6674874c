//! Lines of bounded length.

use std::io::{self, BufRead, Read};

/// What comes next in a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, without its end.
    Whole(Vec<u8>),
    /// A line that is too long. It was skipped.
    TooLong,
    /// The stream ended in the middle of a line.
    Cut,
    /// The stream ended.
    End,
}

/// Longest line in bytes, with its end.
pub(super) const LINE_MAX: usize = 1 << 20;

/// Reads the next line that is not empty.
pub(super) fn next(reader: &mut impl BufRead) -> io::Result<Line> {
    next_of(reader, LINE_MAX)
}

/// Reads the next line of a peer that is trusted not to fill the memory: the process that has the
/// home, whose pages of history may be long.
pub(super) fn next_of_any_length(reader: &mut impl BufRead) -> io::Result<Line> {
    next_of(reader, usize::MAX)
}

fn next_of(reader: &mut impl BufRead, most: usize) -> io::Result<Line> {
    loop {
        let mut line = Vec::new();
        reader.by_ref().take(most as u64).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(Line::End);
        }
        if line.pop_if(|last| *last == b'\n').is_none() {
            return if line.len() < most { Ok(Line::Cut) } else { skip(reader) };
        }
        line.pop_if(|last| *last == b'\r');
        if !line.is_empty() {
            return Ok(Line::Whole(line));
        }
    }
}

/// Skips the rest of a line.
fn skip(reader: &mut impl BufRead) -> io::Result<Line> {
    loop {
        let buffer = match reader.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            return Ok(Line::TooLong);
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let skipped = end.map_or(buffer.len(), |end| end + 1);
        reader.consume(skipped);
        if end.is_some() {
            return Ok(Line::TooLong);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_the_next_one_is_found() {
        let longest = "x".repeat(LINE_MAX - 1);
        let text = format!("a\r\n\n\n{longest}\ny{longest}\nb\nhalf");
        let mut reader = io::BufReader::with_capacity(7, text.as_bytes());
        for expected in [
            Line::Whole(b"a".to_vec()),
            Line::Whole(longest.clone().into_bytes()),
            Line::TooLong,
            Line::Whole(b"b".to_vec()),
            Line::Cut,
            Line::End,
        ] {
            assert!(next(&mut reader).unwrap() == expected);
        }
    }
}
