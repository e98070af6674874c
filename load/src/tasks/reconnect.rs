//! `reconnect`: a storm of reconnecting clients.

use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::{Events, Poll, Token};
use sealpost_core::wire::{Op, Packet};
use sealpost_programs::{CryptoName, Failure, Format, Line, Verify};
use serde::Serialize;

use crate::clients::link::{self, Link};
use crate::clients::pair::unexpected;
use crate::clients::registration::Registry;
use crate::clients::user::{User, now};
use crate::figures::{Latencies, Latency, float, micros_each, per_second};
use crate::options::{Common, span_of};
use crate::progress::{print_lines, say};
use crate::system::daemon::Daemon;
use crate::system::parallel;
use crate::system::process::Pid;

/// A storm of reconnecting clients: each opens a new connection, and is done with its 255.
///
/// The requests are signed in advance. A 106 must be at least a second newer than the user's last
/// one, so the requests of a user bear successive seconds before the run; the server accepts them
/// up to five minutes late. Opening a 206 costs a client a private operation, so the server's
/// packets are kept and verified after the measurement.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReconnectArgs {
    /// Number of users, who reconnect in turn
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub(crate) users: u16,

    /// Reconnects under way at any time
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) at_once: u16,

    /// How long to measure, in seconds
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    pub(crate) seconds: f64,

    /// RSA keys that the users share, because generating one takes 60 ms; the server does not
    /// notice
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) keys: u16,

    #[command(flatten)]
    pub(crate) common: Common,
}

const EXAMPLES: &str = "Examples:
  sealpost-load reconnect
  sealpost-load reconnect --users 500 --at-once 8 --seconds 10 --json";

/// Report of the measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReconnectRun {
    pub(crate) users: usize,
    pub(crate) keys: u16,
    pub(crate) at_once: usize,
    pub(crate) seconds: f64,
    /// Completed reconnects, each with verified packets.
    pub(crate) reconnects: u64,
    pub(crate) reconnects_per_second: f64,
    /// Latency from dialling to the 255.
    pub(crate) latency: Latency,
    pub(crate) server_cpu_us_each: Option<f64>,
    pub(crate) own_cpu_us_each: f64,
    pub(crate) server_rss_bytes: Option<u64>,
}

/// Measures and prints the report.
pub(crate) fn run(args: &ReconnectArgs) -> Result<(), Failure> {
    let daemon = Daemon::start(&args.common.server)?;
    let registry = Registry::open(CryptoName::AwsLc.provider(Verify::Auto), daemon.address())?;
    let run = measure(args, &registry, daemon.pid())?;
    daemon.stop()?;
    match args.common.format.format() {
        Format::Json => Line::json(&run),
        Format::Text => print_lines(&text(&run)),
    }
}

/// Registers users, signs requests, reconnects, and verifies.
pub(crate) fn measure(
    args: &ReconnectArgs,
    registry: &Registry,
    server: Option<Pid>,
) -> Result<ReconnectRun, Failure> {
    let (users, at_once) = (usize::from(args.users), usize::from(args.at_once));
    if at_once == 0 || users <= at_once || args.keys == 0 {
        return Err(Failure::usage(
            "there must be more users than reconnects at once, and at least one key",
        ));
    }
    let span = span_of(args.seconds)?;
    let rounds = rounds(users, span)?;
    say(format_args!("registering {users} users, signing {rounds} requests per user"));
    let keys = registry.keys(args.keys.into())?;
    let users = registry.users(&keys, users)?;
    let begin = now().plus_secs(-rounds);
    let clients = parallel::map(users, |(mut user, _)| {
        let request = |round| user.reconnect(begin.plus_secs(round));
        let requests = (0..rounds).map(request).collect::<Result<_, _>>()?;
        Ok(Client { user, requests, answers: Vec::new() })
    })?;
    say(format_args!("measuring {at_once} reconnects at once for {} s", args.seconds));
    let mut storm = Storm::new(registry, clients, at_once)?;
    let (cpu, own_cpu) = (server.map(Pid::cpu_time).transpose()?, Pid::own().cpu_time()?);
    let time = storm.run(span)?;
    let cpu = server.zip(cpu).map(|(pid, before)| pid.cpu_time_since(before)).transpose()?;
    let own_cpu = Pid::own().cpu_time_since(own_cpu)?;
    let server_rss_bytes = server.map(Pid::resident_bytes).transpose()?;
    say("verifying the server's packets");
    let reconnects = parallel::map(storm.clients, Client::check)?.iter().sum();
    Ok(ReconnectRun {
        users: args.users.into(),
        keys: args.keys,
        at_once,
        seconds: time.as_secs_f64(),
        reconnects,
        reconnects_per_second: per_second(reconnects, time),
        latency: storm.latencies.summary(),
        server_cpu_us_each: cpu.map(|cpu| micros_each(cpu, reconnects)),
        own_cpu_us_each: micros_each(own_cpu, reconnects),
        server_rss_bytes,
    })
}

/// The number of requests that each user needs, so that the storm does not run out of them.
fn rounds(users: usize, span: Duration) -> Result<i64, Failure> {
    let needed = span.as_secs_f64() * f64::from(MOST_A_SECOND) / float(users as u64);
    let rounds = (1..=MOST_ROUNDS).find(|rounds| f64::from(*rounds) >= needed);
    rounds
        .map(i64::from)
        .ok_or_else(|| Failure::usage("such a long storm needs more users: raise --users"))
}

/// A user with signed requests, and the server's answers: a 206 and a 255 each.
struct Client {
    user: User,
    requests: Vec<Bytes>,
    answers: Vec<(Packet, Packet)>,
}

impl Client {
    /// Verifies all answers, and returns their number.
    fn check(mut self) -> Result<u64, Failure> {
        let count = self.answers.len() as u64;
        for (request, (resumed, live)) in self.requests.iter().zip(self.answers) {
            let pending = self.user.resumed(request, resumed)?;
            let drained = self.user.drained(live)?;
            if (pending, drained) != (0, 0) {
                return Err(Failure::new("the server reported items in an empty mailbox"));
            }
        }
        Ok(count)
    }
}

/// One reconnect under way.
struct Attempt {
    client: usize,
    link: Link,
    begun: Instant,
    resumed: Option<Packet>,
    live: Option<Packet>,
}

struct Storm<'a> {
    registry: &'a Registry,
    poll: Poll,
    buffer: Vec<u8>,
    clients: Vec<Client>,
    /// Index of the client that reconnects next.
    next: usize,
    attempts: Vec<Option<Attempt>>,
    latencies: Latencies,
}

impl<'a> Storm<'a> {
    fn new(registry: &'a Registry, clients: Vec<Client>, at_once: usize) -> Result<Self, Failure> {
        let attempts = std::iter::repeat_with(|| None).take(at_once).collect();
        Ok(Self {
            registry,
            poll: Poll::new()?,
            buffer: link::buffer(),
            clients,
            next: 0,
            attempts,
            latencies: Latencies::new()?,
        })
    }

    /// Keeps reconnects under way for `span`, and waits for the last ones. Returns how long that
    /// took.
    fn run(&mut self, span: Duration) -> Result<Duration, Failure> {
        let start = Instant::now();
        let mut events = Events::with_capacity(1_024);
        loop {
            let over = start.elapsed() >= span;
            for slot in 0..self.attempts.len() {
                let idle = self.attempts.get(slot).is_some_and(Option::is_none);
                if idle && !over {
                    let attempt = self.begin(slot)?;
                    if let Some(place) = self.attempts.get_mut(slot) {
                        *place = attempt;
                    }
                }
            }
            if self.attempts.iter().all(Option::is_none) {
                return Ok(start.elapsed());
            }
            link::wait(&mut self.poll, &mut events, PATIENCE)?;
            if events.is_empty() {
                return Err(Failure::new(format_args!("the server was silent for {PATIENCE:?}")));
            }
            for event in &events {
                self.advance(event.token().0)?;
            }
        }
    }

    /// Dials for the next user. `None` if that user's requests are used up.
    fn begin(&mut self, slot: usize) -> Result<Option<Attempt>, Failure> {
        let client = self.next;
        let Some(Client { requests, answers, .. }) = self.clients.get(client) else {
            return Ok(None);
        };
        let Some(request) = requests.get(answers.len()) else { return Ok(None) };
        self.next = (client + 1) % self.clients.len();
        let begun = Instant::now();
        let stream = self.registry.dial_nonblocking()?;
        let mut link = Link::new(stream, self.poll.registry(), Token(slot))?;
        link.queue(request);
        Ok(Some(Attempt { client, link, begun, resumed: None, live: None }))
    }

    /// Writes and reads on one connection, and records the reconnect once it is complete.
    fn advance(&mut self, slot: usize) -> Result<(), Failure> {
        let Some(place) = self.attempts.get_mut(slot) else { return Ok(()) };
        let Some(Attempt { client, link, resumed, live, .. }) = place else { return Ok(()) };
        let Some(client) = self.clients.get_mut(*client) else { return Ok(()) };
        link.flush()?;
        let mut done_at = None;
        link.read(&mut self.buffer, |frame, at| {
            let op = frame.op().filter(|_| frame.is_from_server());
            if op == Some(Op::SessionResumed) && resumed.is_none() {
                *resumed = Some(frame.packet()?);
                Ok(())
            } else if op == Some(Op::NoMoreMessages) && resumed.is_some() && live.is_none() {
                *live = Some(frame.packet()?);
                done_at = Some(at);
                Ok(())
            } else {
                Err(unexpected(&mut client.user, frame, "a client", "a 206 and a 255"))
            }
        })?;
        let Some(done_at) = done_at else { return Ok(()) };
        // Taking the attempt out of its slot also closes its connection.
        if let Some(Attempt { begun, resumed: Some(resumed), live: Some(live), .. }) = place.take()
        {
            client.answers.push((resumed, live));
            self.latencies.record(done_at - begun);
        }
        Ok(())
    }
}

fn text(run: &ReconnectRun) -> String {
    let ReconnectRun { users, keys, at_once, seconds, reconnects, .. } = run;
    let server = run.server_cpu_us_each.map_or_else(String::new, |cpu| {
        format!("server     {cpu:.0} µs of processor time per reconnect\n")
    });
    format!(
        "{:.0} reconnects/s, {at_once} at once: {reconnects} in {seconds:.2} s, by {users} users \
         with {keys} keys\n\
         latency    {} (from dialling to 255)\n\
         {server}generator  {:.0} µs of processor time per reconnect\n\
         checked    every 206 and 255",
        run.reconnects_per_second, run.latency, run.own_cpu_us_each
    )
}

/// More reconnects than the server can handle: each costs it three private operations.
const MOST_A_SECOND: u32 = 4_000;
/// Most requests per user. They bear different seconds, and a 106 may be 300 s late; the rest of
/// that time is for the run itself.
const MOST_ROUNDS: u32 = 150;
const PATIENCE: Duration = Duration::from_secs(15);
