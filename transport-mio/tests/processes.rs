#![cfg(test)]
//! Behaviour that needs a process of its own: signals, and running out of files.

mod certificates;
mod scripted_host;

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use scripted_host::{Behaviour, PATIENCE, RunningHost, Seen, config, rerun};
use sealpost_mio::{HostConfig, SignalHandling, raise_file_limit};

/// The environment variable that is set in the server's process.
const SERVER: &str = "SEALPOST_MIO_TEST_SERVER";

fn is_server() -> bool {
    std::env::var_os(SERVER).is_some()
}

/// A server in a process of its own. Killed when dropped.
struct ServerProcess {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl ServerProcess {
    fn start(test: &str) -> Self {
        let mut process = rerun(test, SERVER);
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// Waits for a line that begins with `word`, and returns the rest of it.
    fn wait_for(&mut self, word: &str) -> String {
        let mut lines = self.lines.by_ref().map(Result::unwrap);
        lines.find_map(|line| line.strip_prefix(word).map(str::to_owned)).unwrap()
    }

    fn signal(&self) {
        let id = i32::try_from(self.process.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Prints a line for the parent process.
fn say(line: &str) {
    // The test runner writes to the same pipe, and not always whole lines.
    writeln!(std::io::stdout(), "\n{line}").unwrap();
}

fn echoes(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = [0; 4];
    stream.write_all(b"ping").unwrap();
    stream.read_exact(&mut answer).is_ok() && answer == *b"ping"
}

#[test]
fn first_signal_stops_gracefully() {
    if is_server() {
        let host = RunningHost::server(
            &HostConfig { signals: SignalHandling::Stop, ..config() },
            Behaviour::Echo,
        );
        say("ready");
        host.expect(&Seen::Shutdown);
        host.thread.join().unwrap().unwrap();
        say("stopped gracefully");
        return;
    }
    let mut server = ServerProcess::start("first_signal_stops_gracefully");
    server.wait_for("ready");
    server.signal();
    server.wait_for("stopped gracefully");
    assert!(server.process.wait().unwrap().success());
}

#[test]
fn second_signal_ends_the_process() {
    if is_server() {
        // A silent machine never finishes.
        let host = RunningHost::server(
            &HostConfig { signals: SignalHandling::Stop, ..config() },
            Behaviour::Silent,
        );
        say("ready");
        host.expect(&Seen::Shutdown);
        say("stopping");
        host.thread.join().unwrap().unwrap();
        return;
    }
    let mut server = ServerProcess::start("second_signal_ends_the_process");
    server.wait_for("ready");
    server.signal();
    server.wait_for("stopping");
    server.signal();
    let status = server.process.wait().unwrap();
    assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
}

#[test]
fn server_that_runs_out_of_files_keeps_serving_and_recovers() {
    const FILES: u64 = 40;
    if is_server() {
        let limit = Rlimit { current: Some(FILES), ..getrlimit(Resource::Nofile) };
        setrlimit(Resource::Nofile, limit).unwrap();
        let config = HostConfig { max_connections: Some(1_000), ..config() };
        let host = RunningHost::server(&config, Behaviour::Echo);
        say(&format!("listening {}", host.addr));
        host.thread.join().unwrap().unwrap();
        return;
    }
    let mut server =
        ServerProcess::start("server_that_runs_out_of_files_keeps_serving_and_recovers");
    let addr: SocketAddr = server.wait_for("listening ").parse().unwrap();
    let mut first = TcpStream::connect(addr).unwrap();
    assert!(echoes(&mut first));
    // More connections than the server can accept; the system queues the rest.
    let crowd: Vec<_> = (0..FILES).map(|_| TcpStream::connect(addr).unwrap()).collect();
    assert!(echoes(&mut first));
    let mut last = TcpStream::connect(addr).unwrap();
    drop(crowd);
    assert!(echoes(&mut last));
    assert!(echoes(&mut first));
}

#[test]
fn soft_limit_of_open_files_is_raised_for_the_connections() {
    const CONNECTIONS: usize = 200;
    if is_server() {
        let limit = Rlimit { current: Some(40), ..getrlimit(Resource::Nofile) };
        setrlimit(Resource::Nofile, limit).unwrap();
        assert_eq!(raise_file_limit(CONNECTIONS).unwrap(), CONNECTIONS);
        let host = RunningHost::server(&config(), Behaviour::Echo);
        say(&format!("listening {}", host.addr));
        host.thread.join().unwrap().unwrap();
        return;
    }
    let mut server = ServerProcess::start("soft_limit_of_open_files_is_raised_for_the_connections");
    let addr: SocketAddr = server.wait_for("listening ").parse().unwrap();
    let mut crowd: Vec<_> = (0..CONNECTIONS).map(|_| TcpStream::connect(addr).unwrap()).collect();
    assert!(crowd.iter_mut().all(echoes));
}
