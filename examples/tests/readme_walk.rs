//! The commands of the README's walk run in an empty folder, and print what the README shows.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn walk_of_the_readme_prints_what_it_shows() {
    let steps = Step::all(block("<!-- walk -->"));
    assert!(steps.len() > 5, "the walk has {} commands", steps.len());
    let folder = tempfile::tempdir().unwrap();
    let printed = run(&steps, folder.path());
    for (step, printed) in steps.iter().zip(&printed) {
        let as_shown = step.shown.len() == printed.len()
            && step.shown.iter().zip(printed).all(|(shown, line)| is_like(line, shown));
        assert!(as_shown, "$ {}\nshown: {:#?}\nprinted: {printed:#?}", step.command, step.shown);
    }
    assert_eq!(printed.len(), steps.len());
}

#[test]
fn ellipsis_matches_anything() {
    assert!(is_like("ready on 127.0.0.1:80 now", "ready on …:80 …"));
    assert!(is_like("", "…"));
    assert!(!is_like("ready now", "ready"));
    assert!(!is_like("aXb", "a…ab"));
}

/// A command of the walk, and the output that the README shows for it.
struct Step {
    command: &'static str,
    shown: Vec<&'static str>,
}

impl Step {
    fn all(block: &'static str) -> Vec<Self> {
        let mut steps = Vec::<Self>::new();
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push(Self { command, shown: Vec::new() }),
                None => steps.last_mut().unwrap().shown.push(line),
            }
        }
        steps
    }
}

/// The fenced block after a marker.
fn block(marker: &str) -> &'static str {
    let (_, after) = include_str!("../../README.md").split_once(marker).unwrap();
    let (_, after) = after.split_once("```console\n").unwrap();
    after.split_once("```").unwrap().0
}

/// Runs the commands in one shell, and returns the lines that each printed. Fails if the shell
/// fails.
fn run(steps: &[Step], folder: &Path) -> Vec<Vec<String>> {
    let mut script = String::from("set -eu; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n");
    for step in steps {
        script.extend([step.command, "\necho '", END, "'\n"]);
    }
    let programs = Path::new(env!("CARGO_BIN_EXE_sealpostd")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let errors = folder.join("stderr.txt");
    let mut command = Command::new("timeout");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SEALPOST_")) {
        command.env_remove(name);
    }
    let output = command
        .args(["120", "bash", "-c", &script])
        .current_dir(folder)
        .env("PATH", path)
        .env("HOME", folder)
        .stdin(Stdio::null())
        .stderr(File::create(&errors).unwrap())
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let log = |name| fs::read_to_string(folder.join(name)).unwrap_or_default();
    assert!(
        output.status.success(),
        "{}\n{printed}\n{}\n{}",
        output.status,
        log("stderr.txt"),
        log("server.log")
    );
    let mut lines = printed.lines();
    let step = || lines.by_ref().take_while(|line| *line != END).map(str::to_owned).collect();
    std::iter::repeat_with(step).take(steps.len()).collect()
}

/// Whether a line matches what is shown, where `…` matches anything.
fn is_like(line: &str, shown: &str) -> bool {
    let Some((start, rest)) = shown.split_once('…') else { return line == shown };
    let Some(line) = line.strip_prefix(start) else { return false };
    let ends = line.char_indices().map(|(at, _)| at).chain([line.len()]);
    ends.filter_map(|at| line.get(at..)).any(|line| is_like(line, rest))
}

const END: &str = "@@ end of step";
