//! The programs as child processes of a test.
#![allow(dead_code, reason = "each suite uses a part")]

pub(crate) mod daemon;
pub(crate) mod group_bed;
#[cfg(target_os = "linux")]
pub(crate) mod memory;
pub(crate) mod sender;
pub(crate) mod small_disk;
pub(crate) mod tmux;
pub(crate) mod verify;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sealpost_core::client::store::{Content, ReceivedContent};
use sealpost_core::entropy::Entropy;
use sealpost_storage::client::{ClientStorage, HistoryEntry, SqliteClientStorage};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) use daemon::Daemon;

/// How long a test waits for an event that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const ALICE: &str = "+4915100000001";
pub(crate) const BOB: &str = "+4915100000002";

/// A folder for one test, in which its programs keep their data.
pub(crate) struct ProgramBed {
    folder: TempDir,
    /// A command, with arguments, that runs `sealpostd`. Empty to run it directly.
    wrapper: Vec<String>,
}

/// How a program ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A running program whose standard output is read line by line. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    stdout: Lines,
    stderr: PathBuf,
}

/// The output of a child, line by line.
struct Lines(Receiver<String>);

impl ProgramBed {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), wrapper: Vec::new() }
    }

    /// Runs every later `sealpostd` by `wrapper`, a command to which its command line is appended.
    pub(crate) fn wrap(&mut self, wrapper: &[&str]) {
        self.wrapper = wrapper.iter().map(ToString::to_string).collect();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Command lines of the running processes that mention this folder.
    pub(crate) fn processes(&self) -> Vec<String> {
        let ours = self.folder.path().to_str().unwrap();
        let commands = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            // A process that ends meanwhile has no command line any more.
            let command = fs::read(entry.unwrap().path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&command).replace('\0', " "))
        });
        commands.filter(|command| command.contains(ours)).collect()
    }

    /// An address for a server that is restarted on it. No other program takes it meanwhile: the
    /// host part is this process's own, and the system gives connections other ports.
    pub(crate) fn reusable_address() -> String {
        static ADDRESSES: AtomicU8 = AtomicU8::new(1);
        let [low, high, ..] = std::process::id().to_le_bytes();
        format!("127.{high}.{low}.{}:7465", ADDRESSES.fetch_add(1, Ordering::Relaxed))
    }

    /// A command that runs `sealpostd` on `data` in this folder.
    fn command(&self) -> Command {
        let mut command = wrapped(&self.wrapper, env!("CARGO_BIN_EXE_sealpostd"));
        command.arg("--data").arg(self.path("data")).args(verify::option());
        without_our_variables(&mut command);
        command
    }

    /// Runs `sealpostd` with environment variables until it ends.
    pub(crate) fn sealpostd_with(&self, environment: &[(&str, &str)], args: &[&str]) -> Ended {
        finish(self.command().envs(environment.iter().copied()).args(args))
    }

    /// Runs `sealpostd` without a data folder until it ends.
    pub(crate) fn sealpostd_anywhere(&self, args: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealpostd"));
        without_our_variables(&mut command);
        finish(command.current_dir(self.folder.path()).args(args))
    }

    /// Runs `sealpostd` until it ends.
    pub(crate) fn sealpostd(&self, args: &[&str]) -> Ended {
        finish(self.command().args(args))
    }

    /// Runs `sealpost` with the home `home` until it ends.
    pub(crate) fn sealpost(&self, home: &str, args: &[&str]) -> Ended {
        finish(sealpost(&self.path(home)).args(args))
    }

    /// Runs `sealpostd`, whose standard output can't be written, until it ends.
    pub(crate) fn sealpostd_on_a_full_disk(&self, args: &[&str]) -> Ended {
        finish_on_a_full_disk(self.command().args(args))
    }

    /// Runs `sealpost`, whose standard output can't be written, until it ends.
    pub(crate) fn sealpost_on_a_full_disk(&self, home: &str, args: &[&str]) -> Ended {
        finish_on_a_full_disk(sealpost(&self.path(home)).args(args))
    }

    /// Starts `sealpost` with the home `home`.
    pub(crate) fn start(&self, home: &str, args: &[&str]) -> Running {
        self.start_command(home, sealpost(&self.path(home)).args(args))
    }

    /// Starts `sealpost` by `wrapper`, a command to which its command line is appended.
    pub(crate) fn start_under(&self, wrapper: &[&str], home: &str, args: &[&str]) -> Running {
        let mut command = wrapped(wrapper, env!("CARGO_BIN_EXE_sealpost"));
        command.arg("--home").arg(self.path(home)).args(verify::option());
        self.start_command(home, command.args(args))
    }

    /// Starts `sealpostd` with exactly these arguments.
    pub(crate) fn start_sealpostd(&self, args: &[&str]) -> Running {
        self.start_command("sealpostd", self.command().args(args))
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

    /// Registers Alice in the home `alice` and Bob in the home `bob`.
    pub(crate) fn register_both(&self, server: &Daemon) {
        for (home, phone) in [("alice", ALICE), ("bob", BOB)] {
            self.register(server, home, phone);
        }
    }

    /// Registers a phone number in the home `home`.
    pub(crate) fn register(&self, server: &Daemon, home: &str, phone: &str) {
        let said = self.sealpost(home, &["register", &server.address, phone]).succeeded();
        assert!(said.contains(phone), "{said}");
    }
}

impl Ended {
    /// The standard output of a program that has succeeded.
    #[track_caller]
    pub(crate) fn succeeded(self) -> String {
        assert!(self.status.success(), "{self:?}");
        self.stdout
    }

    /// How far a message got that `send` has sent. Its number in the home follows.
    #[track_caller]
    pub(crate) fn sent(self) -> String {
        let line = self.succeeded();
        let (word, entry) = line.trim_end().split_once(' ').unwrap();
        assert!(entry.parse::<u64>().is_ok(), "{line}");
        word.to_owned()
    }

    /// The line with which a program reported its failure. It must have ended with `status`.
    #[track_caller]
    pub(crate) fn failed(self, status: i32) -> String {
        assert_eq!(self.status.code(), Some(status), "{self:?}");
        let last = self.stderr.trim_end().lines().last().unwrap_or_default().to_owned();
        assert!(last.starts_with("sealpost"), "{self:?}");
        last
    }
}

impl Running {
    /// The next line.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.stdout.next(PATIENCE).unwrap()
    }

    /// The next JSON object of this type. Objects of other types are skipped.
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

    /// What the program has written to standard error so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Whether the program still runs.
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

    /// The output that was not read yet. The child must have ended.
    fn rest(&self) -> String {
        self.0.iter().map(|line| line + "\n").collect()
    }
}

/// Parses JSON output with one object per line.
pub(crate) fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The numbers that Alice sent, in the order of Bob's history.
pub(crate) fn numbers_from_alice(bed: &ProgramBed) -> Vec<u64> {
    numbers(&bed.path("bob"), ALICE)
}

/// The numbers that one phone number sent, in the order of a home's history.
pub(crate) fn numbers(home: &Path, from: &str) -> Vec<u64> {
    let store = SqliteClientStorage::open_read_only(&home.join("client.db")).unwrap();
    let history = store.history(from.parse().unwrap(), None, u32::MAX).unwrap();
    let number = |entry| match entry {
        HistoryEntry::Received(item) => match item.message.content {
            ReceivedContent::Opened(Content::Text(text)) => Some(text.parse().unwrap()),
            ReceivedContent::Opened(Content::Bytes(_) | Content::Event(_))
            | ReceivedContent::Undecryptable => {
                panic!("only text was sent")
            }
        },
        HistoryEntry::Sent(_) => None,
    };
    history.into_iter().filter_map(number).collect()
}

/// Writes a shell script.
pub(crate) fn write_script(path: &Path, body: &str) {
    fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) {
    let mut options = File::options();
    options.create(true).truncate(true).write(true).mode(0o600);
    options.open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// The number in an environment variable.
pub(crate) fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// The seed of a test, from `SEALPOST_SEED` if that is set.
pub(crate) fn seed() -> u64 {
    setting("SEALPOST_SEED").unwrap_or(u64::from(std::process::id()))
}

pub(crate) fn entropy_of(seed: u64) -> Entropy {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    Entropy::from_seed(bytes)
}

/// Waits until `holds` returns true.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        thread::sleep(PAUSE);
    }
}

fn wrapped(wrapper: &[impl AsRef<OsStr>], program: &str) -> Command {
    let Some((first, rest)) = wrapper.split_first() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(rest).arg(program);
    command
}

/// Removes what the programs would take for options, such as the seed of a test.
fn without_our_variables(command: &mut Command) {
    let ours = std::env::vars_os().map(|(name, _)| name);
    for name in ours.filter(|name| name.to_string_lossy().starts_with("SEALPOST_")) {
        command.env_remove(name);
    }
}

fn sealpost(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
    command.arg("--home").arg(home).args(verify::option()).env_remove("SEALPOST_LOG");
    command
}

/// Runs a program until it ends.
fn finish(command: &mut Command) -> Ended {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stdout = Lines::of(child.stdout.take().unwrap());
    let stderr = Lines::of(child.stderr.take().unwrap());
    let status = wait(&mut child);
    Ended { status, stdout: stdout.rest(), stderr: stderr.rest() }
}

/// Runs a program, whose standard output can't be written, until it ends.
fn finish_on_a_full_disk(command: &mut Command) -> Ended {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut child =
        command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    let stderr = Lines::of(child.stderr.take().unwrap());
    let status = wait(&mut child);
    Ended { status, stdout: String::new(), stderr: stderr.rest() }
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
    // The child was not waited for yet, so the process id is still its own.
    kill_process(Pid::from_child(child), Signal::TERM).unwrap();
}

fn end_child(child: &mut Child) {
    // The child may have ended already.
    let _ = child.kill();
    let _ = child.wait();
}

const PAUSE: Duration = Duration::from_millis(5);
