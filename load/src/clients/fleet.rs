//! Many pairs of users under load, on one thread with one poll.

use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use sealpost_programs::Failure;
use serde::Serialize;

use crate::clients::flow::Flow;
use crate::clients::link;
use crate::clients::pair::{Pair, Span};
use crate::clients::registration::Registry;
use crate::clients::ring::{Ring, Shape};
use crate::clients::timer::Timer;
use crate::figures::{Latencies, Latency, float, micros_each, per_second};
use crate::system::parallel;
use crate::system::process::Pid;

/// Connected pairs whose packets are prepared.
pub(crate) struct Fleet<P = Pair> {
    poll: Poll,
    timer: Timer,
    buffer: Vec<u8>,
    pairs: Vec<P>,
    server: Option<Pid>,
}

/// A sender and a recipient that a fleet puts under load.
pub(crate) trait LoadPair {
    fn flow(&self) -> &Flow;

    /// Size of one message's packet.
    fn packet_len(&self) -> usize;

    /// Bytes that both ends have received and sent.
    fn traffic(&self) -> u64;

    /// Number of acknowledgements with which the server said that it stored messages.
    fn stored_acks(&self) -> u64;

    /// Queues the next message. There must be room.
    fn send(&mut self, due: Instant);

    /// Writes what is queued at both ends, as far as the sockets accept it.
    fn flush(&mut self) -> Result<(), Failure>;

    /// Reads messages from the recipient's connection. Each must be the next one.
    fn read_messages(
        &mut self,
        buffer: &mut [u8],
        span: Span,
        latencies: &mut Latencies,
    ) -> Result<(), Failure>;

    /// Reads receipts from the sender's connection. Each must be the next one.
    fn read_receipts(&mut self, buffer: &mut [u8]) -> Result<(), Failure>;
}

/// How fast messages are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// Each sender keeps its window full.
    Window,
    /// This many messages a second over all pairs, evenly, however slowly they are delivered.
    Rate(f64),
}

impl Pace {
    /// The pace that the option `--rate` names.
    pub(crate) fn new(rate: Option<f64>) -> Result<Self, Failure> {
        match rate {
            None => Ok(Self::Window),
            Some(rate) if rate > 0.0 => Ok(Self::Rate(rate)),
            Some(_) => Err(Failure::usage("--rate must be more than 0")),
        }
    }
}

/// Report of a run with both parties online.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OnlineRun {
    pub(crate) pairs: usize,
    /// Size of one message's packet.
    pub(crate) packet_bytes: usize,
    pub(crate) seconds: f64,
    /// Messages that arrived in the measured time.
    pub(crate) messages: u64,
    pub(crate) messages_per_second: f64,
    /// Bytes that clients sent and received in the measured time.
    pub(crate) bytes: u64,
    pub(crate) latency: Latency,
    /// `None` if the server's process is not known.
    pub(crate) server_cpu_us_per_message: Option<f64>,
    pub(crate) server_cores: Option<f64>,
    pub(crate) server_rss_bytes: Option<u64>,
    pub(crate) own_cpu_us_per_message: f64,
    pub(crate) own_cores: f64,
    pub(crate) own_rss_bytes: u64,
    /// Messages of the whole run, including warm-up and end. In a successful run `sent`, `arrived`
    /// and `receipted` are equal. A broker's acknowledgement counts as a receipt.
    pub(crate) sent: u64,
    pub(crate) arrived: u64,
    pub(crate) receipted: u64,
    /// The 203s with which the server said that it stored messages: a recipient was too slow.
    pub(crate) stored_acks: u64,
}

/// The counters at one moment.
#[derive(Clone, Copy)]
struct Reading {
    at: Instant,
    arrived: u64,
    traffic: u64,
    server_cpu: Option<Duration>,
    own_cpu: Duration,
}

impl Fleet {
    /// Registers the users of `pairs` pairs, and signs their packets.
    pub(crate) fn prepare(
        registry: &Registry,
        server: Option<Pid>,
        pairs: usize,
        size: usize,
        shape: Shape,
    ) -> Result<Self, Failure> {
        let keys = registry.keys(2 * pairs)?;
        let mut users = registry.users(&keys, 2 * pairs)?.into_iter();
        let together = std::iter::from_fn(|| Some((users.next()?, users.next()?)));
        let signed = parallel::map(together, |(mut sender, mut recipient)| {
            let ring = Ring::sign(shape, size, &mut sender.0, &mut recipient.0)?;
            Ok((sender, recipient, ring))
        })?;
        Self::new(server, signed, |(sender, recipient, ring), registry, token| {
            Pair::new(sender, recipient, ring, registry, token)
        })
    }
}

impl<P: LoadPair> Fleet<P> {
    /// Makes a pair of each of `parts`. The poll must report events of a pair's sender under the
    /// token that `join` gets, and events of its recipient under the token after it.
    pub(crate) fn new<T>(
        server: Option<Pid>,
        parts: impl IntoIterator<Item = T>,
        join: impl Fn(T, &mio::Registry, usize) -> Result<P, Failure>,
    ) -> Result<Self, Failure> {
        let poll = Poll::new()?;
        let timer = Timer::new(poll.registry(), TIMER)?;
        let join = |(index, parts)| join(parts, poll.registry(), 2 * index);
        let pairs = parts.into_iter().enumerate().map(join).collect::<Result<_, _>>()?;
        Ok(Self { poll, timer, buffer: link::buffer(), pairs, server })
    }

    /// Sends for `warm_up` and then for `measured`, and waits until every message has arrived and
    /// is receipted.
    pub(crate) fn run(
        &mut self,
        pace: Pace,
        warm_up: Duration,
        measured: Duration,
    ) -> Result<OnlineRun, Failure> {
        let start = Instant::now();
        let span = Span::new(start + warm_up, measured);
        let mut latencies = Latencies::new()?;
        let mut schedule = Schedule { start, pace, before: self.counts(|pair| pair.flow().sent) };

        let begin = self.send_until(span.begin, &mut schedule, span, &mut latencies)?;
        let end = self.send_until(span.end, &mut schedule, span, &mut latencies)?;
        self.settle(span, &mut latencies)?;
        self.report(begin, end, &latencies)
    }

    /// Sends until `until`, and reads the counters then.
    fn send_until(
        &mut self,
        until: Instant,
        schedule: &mut Schedule,
        span: Span,
        latencies: &mut Latencies,
    ) -> Result<Reading, Failure> {
        let mut events = Events::with_capacity(EVENTS);
        let mut tick = Instant::now();
        loop {
            let now = Instant::now();
            if now >= until {
                return self.reading(now);
            }
            let is_tick = schedule.pace == Pace::Window || now >= tick;
            if is_tick && let Some(next) = schedule.send_due(&mut self.pairs, now) {
                tick = next.max(now + GRAIN);
                self.timer.set(tick)?;
            }
            self.flush()?;
            link::wait(&mut self.poll, &mut events, TURN)?;
            self.take_in(&events, span, latencies)?;
        }
    }

    /// Sends the messages that complete the last batch of receipts, and waits until everything is
    /// receipted.
    fn settle(&mut self, span: Span, latencies: &mut Latencies) -> Result<(), Failure> {
        let goals = self.counts(|pair| pair.flow().shape().round_up(pair.flow().sent));
        let mut events = Events::with_capacity(EVENTS);
        let (mut progress, mut progress_at) = (0, Instant::now());
        loop {
            let now = Instant::now();
            for (pair, goal) in self.pairs.iter_mut().zip(&goals) {
                for _ in 0..pair.flow().room().min(goal.saturating_sub(pair.flow().sent)) {
                    pair.send(now);
                }
            }
            self.flush()?;
            let settled =
                |(pair, goal): (&P, &u64)| pair.flow().sent == *goal && pair.flow().is_settled();
            if self.pairs.iter().zip(&goals).all(settled) {
                return Ok(());
            }
            link::wait(&mut self.poll, &mut events, TURN)?;
            self.take_in(&events, span, latencies)?;
            let receipted =
                self.counts(|pair| pair.flow().arrived + pair.flow().receipted).iter().sum();
            if receipted > progress {
                (progress, progress_at) = (receipted, now);
            } else if now - progress_at > PATIENCE {
                return Err(self.missing());
            }
        }
    }

    fn take_in(
        &mut self,
        events: &Events,
        span: Span,
        latencies: &mut Latencies,
    ) -> Result<(), Failure> {
        for event in events.iter().filter(|event| event.is_readable()) {
            let Token(token) = event.token();
            let Some(pair) = self.pairs.get_mut(token / 2) else { continue };
            if token.is_multiple_of(2) {
                pair.read_receipts(&mut self.buffer)?;
            } else {
                pair.read_messages(&mut self.buffer, span, latencies)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.pairs.iter_mut().try_for_each(P::flush)
    }

    fn counts(&self, count: impl Fn(&P) -> u64) -> Vec<u64> {
        self.pairs.iter().map(count).collect()
    }

    fn total(&self, count: impl Fn(&P) -> u64) -> u64 {
        self.pairs.iter().map(count).sum()
    }

    fn missing(&self) -> Failure {
        let sent = self.total(|pair| pair.flow().sent);
        let arrived = self.total(|pair| pair.flow().arrived);
        let receipted = self.total(|pair| pair.flow().receipted);
        let stored = self.total(P::stored_acks);
        Failure::new(format_args!(
            "of {sent} messages, {arrived} arrived and {receipted} were receipted; then nothing \
             arrived for {PATIENCE:?} (the server reported {stored} times that it stored messages)"
        ))
    }

    fn reading(&self, at: Instant) -> Result<Reading, Failure> {
        Ok(Reading {
            at,
            arrived: self.total(|pair| pair.flow().arrived),
            traffic: self.total(P::traffic),
            server_cpu: self.server.map(Pid::cpu_time).transpose()?,
            own_cpu: Pid::own().cpu_time()?,
        })
    }

    fn report(
        &self,
        begin: Reading,
        end: Reading,
        latencies: &Latencies,
    ) -> Result<OnlineRun, Failure> {
        let messages = end.arrived - begin.arrived;
        let time = end.at - begin.at;
        let server_cpu =
            end.server_cpu.zip(begin.server_cpu).map(|(end, begin)| end.saturating_sub(begin));
        let own_cpu = end.own_cpu.saturating_sub(begin.own_cpu);
        let cores = |cpu: Duration| cpu.as_secs_f64() / time.as_secs_f64();
        Ok(OnlineRun {
            pairs: self.pairs.len(),
            packet_bytes: self.pairs.first().map_or(0, P::packet_len),
            seconds: time.as_secs_f64(),
            messages,
            messages_per_second: per_second(messages, time),
            bytes: end.traffic - begin.traffic,
            latency: latencies.summary(),
            server_cpu_us_per_message: server_cpu.map(|cpu| micros_each(cpu, messages)),
            server_cores: server_cpu.map(cores),
            server_rss_bytes: self.server.map(Pid::resident_bytes).transpose()?,
            own_cpu_us_per_message: micros_each(own_cpu, messages),
            own_cores: cores(own_cpu),
            own_rss_bytes: Pid::own().resident_bytes()?,
            sent: self.total(|pair| pair.flow().sent),
            arrived: self.total(|pair| pair.flow().arrived),
            receipted: self.total(|pair| pair.flow().receipted),
            stored_acks: self.total(P::stored_acks),
        })
    }
}

/// Decides when each pair sends.
struct Schedule {
    start: Instant,
    pace: Pace,
    /// Messages that each pair had sent before the run.
    before: Vec<u64>,
}

impl Schedule {
    /// Makes every pair send the messages that are due and have room in the window. Returns when
    /// the next message is due.
    fn send_due(&mut self, pairs: &mut [impl LoadPair], now: Instant) -> Option<Instant> {
        match self.pace {
            Pace::Window => {
                for pair in pairs {
                    for _ in 0..pair.flow().room() {
                        pair.send(now);
                    }
                }
                None
            }
            Pace::Rate(rate) => {
                let count = float(pairs.len() as u64);
                let mut next: Option<Instant> = None;
                let turns = pairs.iter_mut().zip(&self.before).zip(0_u32..);
                for ((pair, before), index) in turns {
                    let due = |sent: u64| {
                        let turn = float(sent - before) * count + f64::from(index);
                        self.start + Duration::from_secs_f64(turn / rate)
                    };
                    let mut room = pair.flow().room();
                    while room > 0 && due(pair.flow().sent) <= now {
                        pair.send(due(pair.flow().sent));
                        room -= 1;
                    }
                    if room > 0 {
                        let due = due(pair.flow().sent);
                        next = Some(next.map_or(due, |next| next.min(due)));
                    }
                }
                next
            }
        }
    }
}

const TIMER: Token = Token(usize::MAX - 1);
const EVENTS: usize = 1_024;
/// Messages that are due within this time are sent together at its end: sending them one at a time
/// would cost the generator more than the server. Latencies come out too long by it, never too
/// short.
const GRAIN: Duration = Duration::from_micros(100);
/// Longest wait in one turn.
const TURN: Duration = Duration::from_millis(20);
/// Silence after which missing messages count as lost.
const PATIENCE: Duration = Duration::from_secs(15);
