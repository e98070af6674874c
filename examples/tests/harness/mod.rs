//! The programs as children of a test.
#![allow(dead_code, reason = "each suite uses a part")]

pub(crate) mod sender;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const ALICE: &str = "+4915100000001";
pub(crate) const BOB: &str = "+4915100000002";

/// A folder for one test, with whatever its programs keep.
pub(crate) struct Bed(TempDir);

/// How a program ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A running `sealpostd` that accepts connections. Killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    stdout: Lines,
    log: PathBuf,
    /// `sealpost://…`.
    pub(crate) address: String,
}

/// A running program whose standard output is read line by line. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    stdout: Lines,
    stderr: PathBuf,
}

/// What a child writes, as it comes.
struct Lines(Receiver<String>);

impl Bed {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// An address for a server that comes back to it. Nobody else uses it meanwhile, because the
    /// system gives connections other ports.
    pub(crate) fn place() -> String {
        static PLACES: AtomicU8 = AtomicU8::new(1);
        let [low, high, ..] = std::process::id().to_le_bytes();
        format!("127.{high}.{low}.{}:7465", PLACES.fetch_add(1, Ordering::Relaxed))
    }

    /// Starts a server on `data` in this folder, on a port that the system chooses, in band unless `args` say otherwise.
    pub(crate) fn serve(&self, args: &[&str]) -> Daemon {
        self.serve_at("127.0.0.1:0", args)
    }

    /// The same at an address.
    pub(crate) fn serve_at(&self, listen: &str, args: &[&str]) -> Daemon {
        let in_band = if args.contains(&"--otp") { &[][..] } else { &["--otp", "in-band"] };
        let log = self.path("sealpostd.log");
        let mut child = sealpostd(&self.path("data"))
            .args(["--listen", listen, "--no-limits"])
            .args(in_band)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        let Some(ready) = stdout.next(PATIENCE) else {
            panic!("no ready line; the log: {}", fs::read_to_string(log).unwrap());
        };
        let [word, local, fingerprint] = ready.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{ready}");
        };
        assert_eq!(word, "ready");
        let fingerprint = fingerprint.strip_prefix("sha256:").unwrap();
        let scheme = if args.contains(&"wide") { "sealpost+wide" } else { "sealpost" };
        let address = format!("{scheme}://{local}/{fingerprint}");
        Daemon { child, stdout, log, address }
    }

    /// Runs `sealpostd` with arguments to its end.
    pub(crate) fn sealpostd(&self, args: &[&str]) -> Ended {
        finish(sealpostd(&self.path("data")).args(args))
    }

    /// Runs `sealpost` with the home `home` to its end.
    pub(crate) fn sealpost(&self, home: &str, args: &[&str]) -> Ended {
        finish(sealpost(&self.path(home)).args(args))
    }

    /// Starts `sealpost` with the home `home`.
    pub(crate) fn start(&self, home: &str, args: &[&str]) -> Running {
        self.start_command(home, sealpost(&self.path(home)).args(args))
    }

    /// Starts `sealpostd` with arguments of all kinds.
    pub(crate) fn start_sealpostd(&self, args: &[&str]) -> Running {
        self.start_command("sealpostd", sealpostd(&self.path("data")).args(args))
    }

    fn start_command(&self, name: &str, command: &mut Command) -> Running {
        let stderr = self.path(&format!("{name}.stderr"));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        Running { stdin: child.stdin.take(), child, stdout, stderr }
    }

    /// Registers Alice and Bob in homes of these names.
    pub(crate) fn register_both(&self, server: &Daemon) {
        for (home, phone) in [("alice", ALICE), ("bob", BOB)] {
            let said = self.sealpost(home, &["register", &server.address, phone]).done();
            assert!(said.contains(phone), "{said}");
        }
    }
}

impl Ended {
    /// What it wrote, after it did what it was asked.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert!(self.status.success(), "{self:?}");
        self.stdout
    }

    /// The one line in which it said why not.
    #[track_caller]
    pub(crate) fn failed(self, status: i32) -> String {
        assert_eq!(self.status.code(), Some(status), "{self:?}");
        let last = self.stderr.trim_end().lines().last().unwrap_or_default().to_owned();
        assert!(last.starts_with("sealpost"), "{self:?}");
        last
    }
}

impl Daemon {
    /// Sends SIGTERM, and waits for the end.
    pub(crate) fn stop(mut self) -> Ended {
        terminate(&self.child);
        let status = wait(&mut self.child);
        let stdout = self.stdout.rest();
        Ended { status, stdout, stderr: self.log() }
    }

    /// Sends SIGKILL, and waits for the end.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The next line on its standard output after the ready line.
    pub(crate) fn line(&self) -> Option<String> {
        self.stdout.next(PATIENCE)
    }
}

impl Running {
    /// The next line.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.stdout.next(PATIENCE).unwrap()
    }

    /// The next JSON object with this type; those before it are passed over.
    #[track_caller]
    pub(crate) fn event(&self, kind: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        while let Some(line) = self.stdout.next(deadline.saturating_duration_since(Instant::now()))
        {
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["type"] == kind {
                return event;
            }
        }
        panic!("no {kind} came; {}", fs::read_to_string(&self.stderr).unwrap());
    }

    pub(crate) fn type_line(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends SIGTERM, and waits for the end.
    pub(crate) fn stop(self) -> Ended {
        terminate(&self.child);
        self.end()
    }

    /// Sends SIGKILL, and waits for the end.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        drop(self.stdin.take());
        let status = wait(&mut self.child);
        let stdout = self.stdout.rest();
        Ended { status, stdout, stderr: fs::read_to_string(&self.stderr).unwrap() }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        end_child(&mut self.child);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end_child(&mut self.child);
    }
}

impl Lines {
    fn of(source: impl std::io::Read + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(source).lines() {
                if line.is_err() || sender.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        Self(receiver)
    }

    fn next(&self, patience: Duration) -> Option<String> {
        self.0.recv_timeout(patience).ok()
    }

    /// What was written and not read yet. The child has ended.
    fn rest(&self) -> String {
        self.0.iter().map(|line| line + "\n").collect()
    }
}

/// The objects of a JSON output, one a line.
pub(crate) fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits until `done` says so.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < PATIENCE, "{what}: not in {PATIENCE:?}");
        thread::sleep(PAUSE);
    }
}

fn sealpostd(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealpostd"));
    command.arg("--data").arg(data).env_remove("SEALPOST_LOG");
    command
}

fn sealpost(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
    command.arg("--home").arg(home).env_remove("SEALPOST_LOG");
    command
}

/// Runs a program that writes little to its end.
fn finish(command: &mut Command) -> Ended {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stdout = Lines::of(child.stdout.take().unwrap());
    let stderr = Lines::of(child.stderr.take().unwrap());
    let status = wait(&mut child);
    Ended { status, stdout: stdout.rest(), stderr: stderr.rest() }
}

fn wait(child: &mut Child) -> ExitStatus {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if begin.elapsed() > PATIENCE {
            end_child(child);
            panic!("a program did not end in {PATIENCE:?}");
        }
        thread::sleep(PAUSE);
    }
}

fn terminate(child: &Child) {
    // Not waited for yet, so the number is still this child's.
    kill_process(Pid::from_child(child), Signal::TERM).unwrap();
}

fn end_child(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

const PAUSE: Duration = Duration::from_millis(5);
