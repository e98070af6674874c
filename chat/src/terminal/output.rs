//! What is written to the terminal besides the screen.

use std::io::{self, Write};

/// Rings the bell.
pub(super) fn ring() -> io::Result<()> {
    write("\x07")
}

/// Shows a notification on the desktop, if the terminal does that (OSC 777, or OSC 9).
pub(super) fn notify(text: &str) -> io::Result<()> {
    write(&notification(text, &std::env::var("TERM").unwrap_or_default()))
}

/// Puts a text on the clipboard, if the terminal does that (OSC 52).
pub(super) fn copy(text: &str) -> io::Result<()> {
    write(&format!("\x1b]52;c;{}\x1b\\", base64(text.as_bytes())))
}

fn notification(text: &str, term: &str) -> String {
    // The text ends nothing and separates nothing.
    let text: String =
        text.chars().map(|c| if c == ';' || c.is_control() { ' ' } else { c }).collect();
    if ["rxvt", "foot", "vte"].iter().any(|known| term.starts_with(known)) {
        return format!("\x1b]777;notify;Sealpost;{text}\x1b\\");
    }
    format!("\x1b]9;Sealpost: {text}\x1b\\")
}

fn write(sequence: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(sequence.as_bytes())?;
    stdout.flush()
}

pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let (a, b, c) = (chunk.first(), chunk.get(1), chunk.get(2));
        let byte = |b: Option<&u8>| u32::from(b.copied().unwrap_or(0));
        let bits = byte(a) << 16 | byte(b) << 8 | byte(c);
        let digit = |shift: u32| {
            let at = usize::try_from(bits >> shift & 63).unwrap_or(0);
            char::from(DIGITS.get(at).copied().unwrap_or(b'='))
        };
        text.extend([digit(18), digit(12)]);
        text.push(if b.is_some() { digit(6) } else { '=' });
        text.push(if c.is_some() { digit(0) } else { '=' });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (text, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }

    #[test]
    fn names_stay_inside_their_notification() {
        assert_eq!(notification("a\x1b\\;\x07b", "xterm"), "\x1b]9;Sealpost: a \\  b\x1b\\");
        assert_eq!(notification("a", "foot"), "\x1b]777;notify;Sealpost;a\x1b\\");
    }
}
