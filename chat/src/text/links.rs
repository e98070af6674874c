//! Addresses of web pages in a text.

use std::ops::Range;

/// The web addresses in a line. They are in ASCII alone, so that what looks like a known name is that
/// name.
pub(crate) fn links(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = next_scheme(line, from) {
        let tail = line.get(start..).unwrap_or_default();
        let whole = tail.split(|c: char| !is_part(c)).next().unwrap_or_default();
        let followed_by_letter = tail.get(whole.len()..).and_then(|rest| rest.chars().next());
        let link = whole.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '\'']);
        let end = start.saturating_add(link.len());
        let host = link.split_once("://").map_or("", |(_, host)| host);
        let is_cut = followed_by_letter.is_some_and(char::is_alphanumeric);
        if !is_cut && host.starts_with(|c: char| c.is_ascii_alphanumeric()) && !host.contains('@') {
            found.push(start..end);
        }
        from = start.saturating_add(whole.len().max(1));
    }
    found
}

fn next_scheme(line: &str, from: usize) -> Option<usize> {
    let rest = line.get(from..)?;
    let found = SCHEMES.iter().filter_map(|scheme| rest.find(scheme)).min()?;
    Some(from.saturating_add(found))
}

const fn is_part(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
}

const SCHEMES: [&str; 2] = ["https://", "http://"];

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<&str> {
        links(line).into_iter().map(|range| &line[range]).collect()
    }

    #[test]
    fn links_are_found_without_what_follows_them() {
        assert_eq!(found("see https://example.org/a?b=c#d."), ["https://example.org/a?b=c#d"]);
        assert_eq!(
            found("(http://a.example) https://b.example!"),
            ["http://a.example", "https://b.example"]
        );
    }

    #[test]
    fn addresses_that_look_like_others_are_no_links() {
        for text in [
            "https://exаmple.org", // a Cyrillic letter
            "https://",
            "https://user@example.org",
            "https://example.org@evil.example",
            "javascript:alert(1)",
            "file:///etc/passwd",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }
}
