#![cfg(test)]
//! What needs a process of its own: signals, and running out of files.

mod puppet;

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout};

use puppet::{Manner, PATIENCE, Seen, Stage, config, rerun};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use sealpost_mio::{Config, Signals};

/// Set in the process that is the server.
const SERVER: &str = "SEALPOST_MIO_TEST_SERVER";

fn is_server() -> bool {
    std::env::var_os(SERVER).is_some()
}

/// A server in a process of its own. Killed when dropped.
struct Remote {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Remote {
    fn start(test: &str) -> Self {
        let mut process = rerun(test, SERVER);
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// The rest of the next line that begins with `word`.
    fn wait_for(&mut self, word: &str) -> String {
        let mut lines = self.lines.by_ref().map(Result::unwrap);
        lines.find_map(|line| line.strip_prefix(word).map(str::to_owned)).unwrap()
    }

    fn signal(&self) {
        let id = i32::try_from(self.process.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// For the parent to read.
fn say(line: &str) {
    // The test harness writes to the same pipe, and not always whole lines.
    writeln!(std::io::stdout(), "\n{line}").unwrap();
}

fn echoes(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = [0; 4];
    stream.write_all(b"ping").unwrap();
    stream.read_exact(&mut answer).is_ok() && answer == *b"ping"
}

#[test]
fn first_signal_stops_in_order() {
    if is_server() {
        let stage = Stage::server(&Config { signals: Signals::Stop, ..config() }, Manner::Echo);
        say("ready");
        stage.expect(&Seen::Shutdown);
        stage.thread.join().unwrap().unwrap();
        say("stopped in order");
        return;
    }
    let mut server = Remote::start("first_signal_stops_in_order");
    server.wait_for("ready");
    server.signal();
    server.wait_for("stopped in order");
    assert!(server.process.wait().unwrap().success());
}

#[test]
fn second_signal_ends_the_process() {
    if is_server() {
        // This machine never ends.
        let stage = Stage::server(&Config { signals: Signals::Stop, ..config() }, Manner::Silent);
        say("ready");
        stage.expect(&Seen::Shutdown);
        say("stopping");
        stage.thread.join().unwrap().unwrap();
        return;
    }
    let mut server = Remote::start("second_signal_ends_the_process");
    server.wait_for("ready");
    server.signal();
    server.wait_for("stopping");
    server.signal();
    let status = server.process.wait().unwrap();
    assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
}

#[test]
fn server_without_files_left_goes_on_and_recovers() {
    const FILES: u64 = 40;
    if is_server() {
        let limit = Rlimit { current: Some(FILES), ..getrlimit(Resource::Nofile) };
        setrlimit(Resource::Nofile, limit).unwrap();
        let config = Config { max_connections: Some(1_000), ..config() };
        let stage = Stage::server(&config, Manner::Echo);
        say(&format!("listening {}", stage.addr));
        stage.thread.join().unwrap().unwrap();
        return;
    }
    let mut server = Remote::start("server_without_files_left_goes_on_and_recovers");
    let addr: SocketAddr = server.wait_for("listening ").parse().unwrap();
    let mut first = TcpStream::connect(addr).unwrap();
    assert!(echoes(&mut first));
    // More than it can accept; the system keeps the rest waiting.
    let crowd: Vec<_> = (0..FILES).map(|_| TcpStream::connect(addr).unwrap()).collect();
    assert!(echoes(&mut first));
    let mut last = TcpStream::connect(addr).unwrap();
    drop(crowd);
    assert!(echoes(&mut last));
    assert!(echoes(&mut first));
}
