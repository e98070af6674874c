//! Commands of a page that run one after the other, and print what the page shows.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

/// A command, and the output that the page shows for it.
pub(crate) struct Step {
    pub(crate) command: String,
    shown: Vec<String>,
}

impl Step {
    /// The steps in the console blocks of `page` that follow a marker.
    pub(crate) fn all(page: &str, marker: &str) -> Vec<Self> {
        let mut steps = Vec::<Self>::new();
        for block in page.split(marker).skip(1) {
            let (_, after) = block.split_once("```console\n").unwrap();
            for line in after.split_once("```").unwrap().0.lines() {
                if let Some(command) = line.strip_prefix("$ ") {
                    steps.push(Self { command: command.into(), shown: Vec::new() });
                    continue;
                }
                let step = steps.last_mut().unwrap();
                match line.strip_prefix('>') {
                    Some(more) if step.shown.is_empty() => {
                        step.command.extend(["\n", more.strip_prefix(' ').unwrap_or(more)]);
                    }
                    Some(_) | None => step.shown.push(line.into()),
                }
            }
        }
        steps
    }

    fn is_as_shown(&self, printed: &[String]) -> bool {
        self.shown == ["…"]
            || self.shown.len() == printed.len()
                && self.shown.iter().zip(printed).all(|(shown, line)| is_like(line, shown))
    }
}

/// Runs the commands in one shell, in `folder`, and compares what each prints with the page.
/// `prelude` runs before them. Programs in `folder`/bin go before others, then those under test.
pub(crate) fn walk(steps: &[Step], prelude: &str, folder: &Path) {
    let printed = run(steps, prelude, folder);
    assert_eq!(printed.len(), steps.len());
    for (step, printed) in steps.iter().zip(&printed) {
        let Step { command, shown } = step;
        assert!(
            step.is_as_shown(printed),
            "$ {command}\nshown: {shown:#?}\nprinted: {printed:#?}\n{}",
            log(folder)
        );
    }
}

/// Returns the lines that each command printed. Fails if the shell fails.
fn run(steps: &[Step], prelude: &str, folder: &Path) -> Vec<Vec<String>> {
    let mut script = String::from("set -eu; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n");
    script.extend([prelude, "\n"]);
    for step in steps {
        script.extend([&step.command, "\necho '", END, "'\n"]);
    }
    let programs = Path::new(env!("CARGO_BIN_EXE_sealpostd")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}/bin:{}:{path}", folder.display(), programs.display());
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
        .stderr(File::create(folder.join("stderr.txt")).unwrap())
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}\n{printed}\n{}", output.status, log(folder));
    let mut lines = printed.lines();
    let step = || lines.by_ref().take_while(|line| *line != END).map(str::to_owned).collect();
    std::iter::repeat_with(step).take(steps.len()).collect()
}

/// What the commands and a server wrote to standard error.
fn log(folder: &Path) -> String {
    let read = |name| fs::read_to_string(folder.join(name)).unwrap_or_default();
    format!("{}\n{}", read("stderr.txt"), read("server.log"))
}

/// Whether a line matches what is shown, where `…` matches anything.
pub(crate) fn is_like(line: &str, shown: &str) -> bool {
    let Some((start, rest)) = shown.split_once('…') else { return line == shown };
    let Some(line) = line.strip_prefix(start) else { return false };
    let ends = line.char_indices().map(|(at, _)| at).chain([line.len()]);
    ends.filter_map(|at| line.get(at..)).any(|line| is_like(line, rest))
}

const END: &str = "@@ end of step";
