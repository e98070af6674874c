//! `idle`: memory of connections on which nothing happens.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use sealpost_programs::{CryptoName, Failure, Format, Line, Verify};
use serde::Serialize;

use crate::clients::registration::Registry;
use crate::figures::float;
use crate::options::Common;
use crate::progress::{print_lines, say};
use crate::system::daemon::Daemon;
use crate::system::process::{Pid, allow_files};

/// How much of the server's memory an idle connection takes.
///
/// Registers users and keeps their connections, each with a session. The first users warm up the
/// server. Its resident memory is read after them, and again after all other users, once the server
/// is quiet. The figure contains everything that a user leaves in the process: connection, session,
/// mailbox, allocator overhead and SQLite's cache. It does not contain the kernel's memory for the
/// socket.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct IdleArgs {
    /// Number of connections, each of a different user
    #[arg(long, value_name = "N", default_value_t = 15_000)]
    pub(crate) connections: u16,

    /// RSA keys that the users share, because generating one takes 60 ms; the server does not
    /// notice
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) keys: u16,

    #[command(flatten)]
    pub(crate) common: Common,
}

const EXAMPLES: &str = "Examples:
  sealpost-load idle
  sealpost-load idle --connections 1000 --json";

/// Report of the measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct IdleRun {
    pub(crate) connections: u64,
    pub(crate) keys: u16,
    /// Before the first connection.
    pub(crate) server_rss_at_start_bytes: u64,
    /// After the first users, with their connections.
    pub(crate) server_rss_before_bytes: u64,
    pub(crate) warm_up_connections: u64,
    pub(crate) server_rss_after_bytes: u64,
    /// For the connections after the warm-up.
    pub(crate) bytes_per_connection: f64,
    /// Processor time of the server in the last second, to show that it was quiet.
    pub(crate) server_cpu_ms_in_last_second: f64,
    pub(crate) registrations_per_second: f64,
}

/// Measures and prints the report.
pub(crate) fn run(args: &IdleArgs) -> Result<(), Failure> {
    let run = measure(args)?;
    match args.common.format.format() {
        Format::Json => Line::json(&run),
        Format::Text => print_lines(&text(&run)),
    }
}

/// Registers users, waits, and measures, with a server of its own.
pub(crate) fn measure(args: &IdleArgs) -> Result<IdleRun, Failure> {
    allow_files()?;
    let daemon = Daemon::start(&args.common.server)?;
    let pid =
        daemon.pid().ok_or_else(|| Failure::usage("idle reads the server's memory: add --pid"))?;
    let registry = Registry::open(CryptoName::AwsLc.provider(Verify::Auto), daemon.address())?;
    let connections = usize::from(args.connections);
    let warm_up = WARM_UP.min(connections / 2);
    if warm_up == 0 || args.keys == 0 {
        return Err(Failure::usage("idle needs at least one key and two connections"));
    }
    let server_rss_at_start_bytes = pid.resident_bytes()?;
    let keys = registry.keys(args.keys.into())?;
    say(format_args!("registering {connections} users"));
    let mut streams = Vec::with_capacity(connections);
    streams.extend(registry.users(&keys, warm_up)?.into_iter().map(|(_, stream)| stream));
    quiet(pid)?;
    let server_rss_before_bytes = pid.resident_bytes()?;
    let (start, others) = (Instant::now(), connections - warm_up);
    streams.extend(registry.users(&keys, others)?.into_iter().map(|(_, stream)| stream));
    let registration = start.elapsed();
    say("waiting until the server is quiet");
    let last_second = quiet(pid)?;
    let server_rss_after_bytes = pid.resident_bytes()?;
    streams.iter().try_for_each(is_open)?;
    drop(streams);
    daemon.stop()?;
    let grown = server_rss_after_bytes.saturating_sub(server_rss_before_bytes);
    Ok(IdleRun {
        connections: connections as u64,
        keys: args.keys,
        server_rss_at_start_bytes,
        server_rss_before_bytes,
        warm_up_connections: warm_up as u64,
        server_rss_after_bytes,
        bytes_per_connection: float(grown) / float(others as u64),
        server_cpu_ms_in_last_second: last_second.as_secs_f64() * 1e3,
        registrations_per_second: float(others as u64) / registration.as_secs_f64(),
    })
}

/// Waits for a second in which the server is nearly idle, and returns its processor time in that
/// second.
fn quiet(pid: Pid) -> Result<Duration, Failure> {
    let mut before = pid.cpu_time()?;
    for _ in 0..PATIENCE_SECS {
        thread::sleep(Duration::from_secs(1));
        let used = pid.cpu_time_since(before)?;
        if used <= QUIET {
            return Ok(used);
        }
        before += used;
    }
    Err(Failure::new(format_args!("the server was still busy after {PATIENCE_SECS} s")))
}

/// Fails unless the connection is open and nothing has arrived on it.
fn is_open(stream: &TcpStream) -> Result<(), Failure> {
    stream.set_nonblocking(true)?;
    match stream.peek(&mut [0]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        Ok(0) => Err(Failure::new("the server closed an idle connection")),
        Ok(_) => Err(Failure::new("the server sent something to an idle connection")),
        Err(error) => Err(error.into()),
    }
}

fn text(run: &IdleRun) -> String {
    let IdleRun { connections, keys, warm_up_connections, bytes_per_connection, .. } = run;
    format!(
        "{bytes_per_connection:.0} bytes of the server's memory for each idle connection of \
         {connections}, with {keys} keys\n\
         server     {} KiB when it started, {} KiB with {warm_up_connections} connections, {} KiB \
         with all\n\
         checked    every connection is open; {:.0} registrations/s",
        run.server_rss_at_start_bytes / 1024,
        run.server_rss_before_bytes / 1024,
        run.server_rss_after_bytes / 1024,
        run.registrations_per_second
    )
}

/// Users that are registered before memory is read for the first time.
const WARM_UP: usize = 256;
/// Most processor time of an idle server in a second.
const QUIET: Duration = Duration::from_millis(10);
const PATIENCE_SECS: u32 = 30;
