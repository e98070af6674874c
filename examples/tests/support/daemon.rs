//! `sealpostd` as a child process of a test.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Ended, Lines, PATIENCE, ProgramBed, end_child, terminate, wait};

/// A running `sealpostd` that accepts connections. Killed when dropped.
pub(crate) struct Daemon {
    process: Process,
    /// The address with which clients register.
    pub(crate) address: String,
}

/// A `sealpostd` that may not accept connections yet. Killed when dropped.
pub(crate) struct Starting {
    process: Process,
    scheme: &'static str,
}

/// A server's process and its output.
struct Process {
    child: Child,
    stdout: Lines,
    log: PathBuf,
}

impl ProgramBed {
    /// Starts a server on `data` in this folder, on a port that the system chooses. One-time
    /// passwords are in band unless `args` say otherwise.
    pub(crate) fn serve(&self, args: &[&str]) -> Daemon {
        self.serve_at("127.0.0.1:0", args)
    }

    /// Starts a server on a given address.
    pub(crate) fn serve_at(&self, listen: &str, args: &[&str]) -> Daemon {
        self.launch(listen, args).ready()
    }

    /// Starts a server with a log level.
    pub(crate) fn serve_logging(&self, level: &str, args: &[&str]) -> Daemon {
        self.serve_with_env("SEALPOST_LOG", level, args)
    }

    /// Starts a server with an environment variable.
    pub(crate) fn serve_with_env(&self, name: &str, value: &str, args: &[&str]) -> Daemon {
        self.launch_with("127.0.0.1:0", args, |command| command.env(name, value)).ready()
    }

    /// Starts a server on a given address, without waiting until it accepts connections.
    pub(crate) fn launch(&self, listen: &str, args: &[&str]) -> Starting {
        self.launch_with(listen, args, |command| command)
    }

    /// Starts a server with exactly these arguments.
    pub(crate) fn serve_as_configured(&self, args: &[&str]) -> Daemon {
        self.serve_in(&[], args)
    }

    /// Starts a server with exactly these arguments and environment variables.
    pub(crate) fn serve_in(&self, environment: &[(&str, &str)], args: &[&str]) -> Daemon {
        let mut command = self.command();
        command.envs(environment.iter().copied()).args(args);
        self.spawn(&mut command, "sealpost").ready()
    }

    fn launch_with(
        &self,
        listen: &str,
        args: &[&str],
        change: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Starting {
        let in_band = if args.contains(&"--otp") { &[][..] } else { &["--otp", "in-band"] };
        let mut command = self.command();
        change(&mut command)
            .args(["--listen", listen, "--no-limits", "--init"])
            .args(in_band)
            .args(args);
        let scheme = match (args.contains(&"--tls-cert"), args.contains(&"wide")) {
            (false, false) => "sealpost",
            (false, true) => "sealpost+wide",
            (true, false) => "sealposts",
            (true, true) => "sealposts+wide",
        };
        self.spawn(&mut command, scheme)
    }

    fn spawn(&self, command: &mut Command, scheme: &'static str) -> Starting {
        let log = self.path("sealpostd.log");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        Starting { process: Process { child, stdout, log }, scheme }
    }
}

impl Starting {
    /// Waits until the server accepts connections.
    pub(crate) fn ready(self) -> Daemon {
        let Some(ready) = self.process.stdout.next(PATIENCE) else {
            panic!("no ready line; the log: {}", self.process.log());
        };
        let [word, local, fingerprint] = ready.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{ready}");
        };
        assert_eq!(word, "ready");
        let fingerprint = fingerprint.strip_prefix("sha256:").unwrap();
        let address = format!("{}://{local}/{fingerprint}", self.scheme);
        Daemon { process: self.process, address }
    }

    /// Sends SIGKILL, and waits for the end. Returns whether the server was killed before it was
    /// ready.
    pub(crate) fn kill(mut self) -> bool {
        self.process.kill() && self.process.stdout.next(Duration::ZERO).is_none()
    }
}

impl Daemon {
    /// Sends SIGTERM, and waits for the end.
    pub(crate) fn stop(mut self) -> Ended {
        self.terminate();
        let status = wait(&mut self.process.child);
        let stdout = self.process.stdout.rest();
        Ended { status, stdout, stderr: self.log() }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        terminate(&self.process.child);
    }

    /// Sends SIGKILL, and waits for the end. Returns whether the server was still running.
    pub(crate) fn kill(mut self) -> bool {
        self.process.kill()
    }

    /// Whether the server still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.process.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process.child)
    }

    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// The next line on the server's standard output, after the ready line.
    pub(crate) fn line(&self) -> Option<String> {
        self.process.stdout.next(PATIENCE)
    }
}

impl Process {
    fn kill(&mut self) -> bool {
        let _ = self.child.kill();
        self.child.wait().unwrap().signal() == Some(Signal::KILL.as_raw())
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        end_child(&mut self.child);
    }
}
