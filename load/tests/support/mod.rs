//! Runs `sealpost-load` and `sealpostd` as child processes.

pub(crate) mod relay;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long a test waits for an event that must happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a program ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A `sealpostd` with a folder of its own. Killed when dropped.
pub(crate) struct TestServer {
    child: Child,
    pub(crate) address: String,
    _folder: TempDir,
}

/// A command that runs `sealpost-load`, without standard input.
pub(crate) fn load() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost-load"));
    command.stdin(Stdio::null());
    command
}

/// The `sealpostd` that was built with the workspace. It belongs to another package, so cargo
/// builds it together with these tests only if that package is tested or built too.
pub(crate) fn sealpostd() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_sealpost-load")).with_file_name("sealpostd");
    assert!(
        program.exists(),
        "{} is missing: run `cargo build -p sealpost-programs --bin sealpostd` first",
        program.display()
    );
    program
}

/// Runs `sealpost-load` with a server of its own, and returns its report.
#[track_caller]
pub(crate) fn report(args: &[&str]) -> Value {
    let mut command = load();
    command.args(args).arg("--json").arg("--server").arg(sealpostd()).args(verify_option());
    let ended = finish(&mut command);
    serde_json::from_str(&ended.done()).unwrap()
}

/// The option for programs, if the environment says how they are to verify signatures.
fn verify_option() -> Option<String> {
    std::env::var("SEALPOST_TEST_VERIFY").ok().map(|value| format!("--verify={value}"))
}

/// Runs a command until it ends.
pub(crate) fn finish(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Ended {
    /// The standard output of a program that has succeeded.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert!(self.status.success(), "{self:?}");
        self.stdout
    }

    /// The last line of the standard error of a program that has failed with `status`.
    #[track_caller]
    pub(crate) fn failed(self, status: i32) -> String {
        assert_eq!(self.status.code(), Some(status), "{self:?}");
        self.stderr.trim_end().lines().last().unwrap_or_default().to_owned()
    }
}

impl TestServer {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(sealpostd())
            .args([
                "--init",
                "--listen",
                "127.0.0.1:0",
                "--otp",
                "in-band",
                "--no-limits",
                "--data",
            ])
            .arg(folder.path().join("data"))
            .args(verify_option())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let [_, local, fingerprint] = ready.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("the server did not start: {ready:?}");
        };
        let fingerprint = fingerprint.strip_prefix("sha256:").unwrap();
        let address = format!("sealpost://{local}/{fingerprint}");
        Self { child, address, _folder: folder }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command lines of all processes that mention a folder.
pub(crate) fn processes(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let commands = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        // A process that ends meanwhile has no command line any more.
        let command = fs::read(entry.unwrap().path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&command).replace('\0', " "))
    });
    commands.filter(|command| command.contains(folder)).collect()
}

/// Waits until `done` returns true.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}
