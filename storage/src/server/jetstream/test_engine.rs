//! An engine on this machine, for tests.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::{env, fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{Config, Syncing};

/// One or more `nats-server` processes, killed at the end.
pub(crate) struct TestEngine {
    nodes: Vec<Node>,
    _folder: TempDir,
}

/// One process, or the place of one that was killed.
struct Node {
    config: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl TestEngine {
    /// Starts an engine of one node. Where there is no program, says so and returns `None`: the test
    /// is skipped.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(1, "")
    }

    /// Starts an engine of three nodes.
    pub(crate) fn start_cluster() -> Option<Self> {
        Self::start_with(3, "")
    }

    /// Starts an engine with further lines of configuration.
    pub(crate) fn start_with(nodes: usize, lines: &str) -> Option<Self> {
        Self::start_syncing("always", nodes, lines)
    }

    /// Starts an engine that syncs at this interval.
    pub(crate) fn start_syncing(interval: &str, nodes: usize, lines: &str) -> Option<Self> {
        if program().is_none() {
            assert!(env::var_os(PROGRAM).is_none(), "{PROGRAM} names no program");
            // Not a macro, whose output is shown only if the test fails.
            let skipped = format!("SKIPPED: no nats-server on the path or in {PROGRAM}\n");
            std::io::stderr().write_all(skipped.as_bytes()).unwrap();
            return None;
        }
        // In shared memory where the system has it: these tests do not test the disk.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let (ports, routes) = (free_ports(nodes), free_ports(nodes));
        let nodes = (0..nodes).map(|n| {
            let config = folder.path().join(format!("node{n}.conf"));
            let text = configuration(folder.path(), n, ports[n], &routes, interval);
            fs::write(&config, format!("{text}{lines}\n")).unwrap();
            Node { config, port: ports[n], process: None }
        });
        let mut engine = Self { nodes: nodes.collect(), _folder: folder };
        (0..engine.nodes.len()).for_each(|n| engine.spawn(n));
        (0..engine.nodes.len()).for_each(|n| engine.wait_for(n));
        Some(engine)
    }

    /// A deployment that no other test uses, with a replica on each node.
    pub(crate) fn deployment(&self) -> Config {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let address = |node: &Node| format!("nats://127.0.0.1:{}", node.port);
        Config {
            deployment: format!("test{number}"),
            shards: 3,
            replicas: self.nodes.len(),
            ..Config::new(self.nodes.iter().map(address).collect(), Syncing::Trusted)
        }
    }

    /// Stops a process, which keeps its connections and answers nothing.
    pub(crate) fn suspend(&self, node: usize) {
        self.signal(node, Signal::STOP);
    }

    pub(crate) fn resume(&self, node: usize) {
        self.signal(node, Signal::CONT);
    }

    pub(crate) fn kill(&mut self, node: usize) {
        if let Some(mut process) = self.nodes[node].process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Starts a node that was killed, on its old files.
    pub(crate) fn restart(&mut self, node: usize) {
        self.spawn(node);
        self.wait_for(node);
    }

    fn signal(&self, node: usize, signal: Signal) {
        let process = self.nodes[node].process.as_ref().unwrap();
        kill_process(Pid::from_child(process), signal).unwrap();
    }

    fn spawn(&mut self, node: usize) {
        let Node { config, process, .. } = &mut self.nodes[node];
        let mut command = Command::new(program().unwrap());
        command.arg("--config").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        *process = Some(command.spawn().unwrap());
    }

    /// Waits until a node accepts connections.
    fn wait_for(&mut self, node: usize) {
        let Node { port, process, .. } = &mut self.nodes[node];
        for _ in 0..1_000 {
            assert_eq!(process.as_mut().unwrap().try_wait().unwrap(), None, "the engine ended");
            if TcpStream::connect(("127.0.0.1", *port)).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the engine did not start");
    }
}

impl Drop for TestEngine {
    fn drop(&mut self) {
        for process in self.nodes.iter_mut().filter_map(|node| node.process.as_mut()) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn configuration(folder: &Path, node: usize, port: u16, routes: &[u16], sync: &str) -> String {
    let store = folder.join(format!("store{node}"));
    let single = format!(
        "server_name: node{node}\nlisten: \"127.0.0.1:{port}\"\n\
         jetstream {{ store_dir: \"{}\", sync_interval: {sync} }}\n",
        store.display()
    );
    if routes.len() == 1 {
        return single;
    }
    let all: Vec<_> = routes.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
    let own = routes[node];
    format!("{single}cluster {{ name: test, listen: \"127.0.0.1:{own}\", routes: {all:?} }}\n")
}

/// Ports that were free a moment ago. All are held until the last one is found, so they differ.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> =
        (0..count).map(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// The program that an environment variable names, or the one on the path.
fn program() -> Option<PathBuf> {
    if let Some(named) = env::var_os(PROGRAM) {
        return Some(PathBuf::from(named)).filter(|program| program.is_file());
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join("nats-server")).find(|file| file.is_file())
}

/// Names the engine's program.
const PROGRAM: &str = "SEALPOST_NATS_SERVER";
