#![cfg(test)]
//! docs/OPERATING.md says what to do about each line that the programs log as a warning or an error.

use std::fs;
use std::path::Path;

/// Folders with code that runs in a server. The client's own folder is left out.
const SOURCES: [&str; 4] = ["examples/src", "transport-mio/src", "storage/src", "core/src"];
const CLIENT: &str = "examples/src/bin/sealpost";

#[test]
fn every_warning_and_error_is_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut logged = Vec::new();
    for folder in SOURCES {
        read(&root.join(folder), &root.join(CLIENT), &mut logged);
    }
    assert!(logged.len() > 30, "found {} lines", logged.len());
    let mut rows = rows(include_str!("../../docs/OPERATING.md"));
    for (level, text) in &logged {
        let explains = |row: &(&str, &str)| row.0 == *level && text.starts_with(row.1);
        let before = rows.len();
        // Two places may log the same line.
        let again = logged.iter().filter(|(_, other)| other == text).count();
        rows.retain(|row| !explains(row));
        let found = before - rows.len();
        assert!(
            found == 1 || again > 1,
            "{found} rows of docs/OPERATING.md explain {level} `{text}`"
        );
    }
    assert!(rows.is_empty(), "nothing logs these lines of docs/OPERATING.md: {rows:?}");
}

#[test]
fn texts_are_found_in_code() {
    let mut found = Vec::new();
    let code = "tracing::warn!(\n %error,\n \"a \\\n   line of {count}: {}\",\n x);\nerror!(\"b\");\n\
                // warn!(\"c\")\ncompile_error!(\"d\")";
    find(code, &mut found);
    assert_eq!(found, [("WARN", "a line of …: …".to_owned()), ("ERROR", "b".to_owned())]);
}

/// Level and beginning of each line in the page's table.
fn rows(page: &str) -> Vec<(&str, &str)> {
    let levels = ["WARN", "ERROR"];
    page.lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | `"))
        .filter_map(|(level, rest)| Some((level, rest.split_once("` | ")?.0)))
        .filter(|(level, _)| levels.contains(level))
        .collect()
}

/// Finds the lines that the code in a folder logs.
fn read(folder: &Path, without: &Path, found: &mut Vec<(&'static str, String)>) {
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() && path != without {
            read(&path, without, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            find(&fs::read_to_string(path).unwrap(), found);
        }
    }
}

/// Finds the texts of `warn!` and `error!`, with `…` for what is filled in.
fn find(code: &str, found: &mut Vec<(&'static str, String)>) {
    for (call, level) in [("warn!(", "WARN"), ("error!(", "ERROR")] {
        for (at, _) in code.match_indices(call) {
            let before = &code[..at];
            let line = before.rsplit('\n').next().unwrap();
            if line.trim_start().starts_with("//") || line.ends_with('_') {
                continue;
            }
            let (_, text) = code[at..].split_once('"').unwrap();
            let (text, _) = text.split_once('"').unwrap();
            found.push((level, filled(text)));
        }
    }
}

/// The text of a literal without continued lines, and with `…` for each placeholder.
fn filled(literal: &str) -> String {
    let lines = literal.split("\\\n").enumerate();
    let text: String =
        lines.map(|(n, line)| if n == 0 { line } else { line.trim_start() }).collect();
    let mut parts = text.split('{');
    let start = parts.next().unwrap().to_owned();
    parts.fold(start, |text, part| text + "…" + part.split_once('}').unwrap().1)
}
