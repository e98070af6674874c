//! `offline`: messages for readers who are away, and the drain when they come back.

use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use sealpost_programs::{CryptoName, Failure, Format, Line};
use serde::Serialize;

use crate::args::Common;
use crate::daemon::Daemon;
use crate::figures::{micros_each, per_second};
use crate::letters::Letters;
use crate::link;
use crate::parallel;
use crate::process::Pid;
use crate::progress::say;
use crate::reader::Reader;
use crate::registration::Registry;
use crate::sender::Sender;
use crate::user::{User, now};

/// Messages for readers who are away, and the drain when they come back.
///
/// Every reader has a sender of its own. First the readers are away: a message counts when its
/// sender has the server's word that it is stored. Then the readers reconnect, all at once, take
/// what waits for them and sign receipts, until each is told that nothing is left; their senders
/// are connected, and get and acknowledge the receipts.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct OfflineArgs {
    /// Readers, and as many senders
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) readers: u16,

    /// Messages in all; a mailbox takes 10,000
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) messages: u32,

    /// Bytes of content in a message, before it is padded and sealed (PROTOCOL 5.2)
    #[arg(long, value_name = "BYTES", default_value_t = 512)]
    pub(crate) size: usize,

    /// Messages that each sender may have under way without the server's word
    #[arg(long, value_name = "N", default_value_t = 512)]
    pub(crate) window: u16,

    /// Messages that one receipt acknowledges
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) receipt_batch: u16,

    #[command(flatten)]
    pub(crate) common: Common,
}

const EXAMPLES: &str = "Examples:
  sealpost-load offline
  sealpost-load offline --readers 1             what one reader drains
  sealpost-load offline --messages 200000 --data-dir /var/tmp --json";

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OfflineRun {
    pub(crate) readers: usize,
    /// Bytes of one message's packet.
    pub(crate) packet_bytes: usize,
    /// Messages that were stored, drained and receipted; each of them, or the run has failed.
    pub(crate) messages: u64,
    pub(crate) store_seconds: f64,
    /// From the first message sent to the last acknowledgement that it is stored.
    pub(crate) stored_per_second: f64,
    /// The server's words that messages are stored: one may tell of many.
    pub(crate) stored_acks: u64,
    pub(crate) store_server_cpu_us_per_message: Option<f64>,
    pub(crate) drain_seconds: f64,
    /// From the first reconnect to the last 255.
    pub(crate) drained_per_second: f64,
    pub(crate) drain_server_cpu_us_per_message: Option<f64>,
    pub(crate) receipts: u64,
    pub(crate) own_cpu_us_per_message: f64,
    pub(crate) server_rss_bytes: Option<u64>,
}

/// Measures, and reports.
pub(crate) fn run(args: &OfflineArgs) -> Result<(), Failure> {
    let daemon = Daemon::start(&args.common.server)?;
    let registry = Registry::open(CryptoName::AwsLc.provider(), daemon.address())?;
    let run = measure(args, &registry, daemon.pid())?;
    daemon.stop()?;
    match args.common.format.format() {
        Format::Json => Line::json(&run),
        Format::Text => Line::text(text(&run)),
    }
}

/// Registers, signs, stores, drains, and checks.
pub(crate) fn measure(
    args: &OfflineArgs,
    registry: &Registry,
    server: Option<Pid>,
) -> Result<OfflineRun, Failure> {
    let mut post = Post::prepare(args, registry, server)?;
    say("storing for readers who are away");
    let stored = post.store()?;
    say("the readers come back");
    let drained = post.drain(registry)?;
    post.check()?;
    let messages = post.messages();
    let per_message = |cpu: Option<Duration>| cpu.map(|cpu| micros_each(cpu, messages));
    Ok(OfflineRun {
        readers: post.readers.len(),
        packet_bytes: post.senders.first().map_or(0, Sender::packet_len),
        messages,
        store_seconds: stored.time.as_secs_f64(),
        stored_per_second: per_second(messages, stored.time),
        stored_acks: post.senders.iter().map(Sender::stored_acks).sum(),
        store_server_cpu_us_per_message: per_message(stored.server_cpu),
        drain_seconds: drained.time.as_secs_f64(),
        drained_per_second: per_second(messages, drained.time),
        drain_server_cpu_us_per_message: per_message(drained.server_cpu),
        receipts: post.senders.iter().map(Sender::receipts).sum(),
        own_cpu_us_per_message: micros_each(stored.own_cpu + drained.own_cpu, messages),
        server_rss_bytes: server.map(Pid::resident_bytes).transpose()?,
    })
}

/// Senders, readers, and what goes between them.
struct Post {
    poll: Poll,
    buffer: Vec<u8>,
    server: Option<Pid>,
    senders: Vec<Sender>,
    /// Who is away.
    absent: Vec<User>,
    readers: Vec<Reader>,
}

/// What a stage took.
struct Stage {
    time: Duration,
    server_cpu: Option<Duration>,
    own_cpu: Duration,
}

impl Post {
    fn prepare(
        args: &OfflineArgs,
        registry: &Registry,
        server: Option<Pid>,
    ) -> Result<Self, Failure> {
        let readers = usize::from(args.readers);
        if readers == 0 || args.messages == 0 || args.window == 0 || args.receipt_batch == 0 {
            return Err(Failure::usage("nothing to do with a 0"));
        }
        let each = u64::from(args.messages.div_ceil(args.readers.into()));
        say(format_args!(
            "registering {} users, signing {each} messages for each reader",
            2 * readers
        ));
        let keys = registry.keys(2 * readers)?;
        let mut users = registry.users(&keys, 2 * readers)?.into_iter();
        let together = std::iter::from_fn(|| Some((users.next()?, users.next()?)));
        // The readers' connections end here: they are away.
        let signed = parallel::map(together, |((mut sender, stream), (mut reader, _))| {
            let batch = args.receipt_batch.into();
            let letters = Letters::sign(each, args.size, batch, &mut sender, &mut reader)?;
            Ok((sender, stream, reader, letters))
        })?;
        let poll = Poll::new()?;
        let (mut senders, mut absent) = (Vec::new(), Vec::new());
        for (index, (sender, stream, reader, letters)) in signed.into_iter().enumerate() {
            let link = link::Link::new(stream, poll.registry(), Token(2 * index))?;
            absent.push(reader);
            senders.push(Sender::new(sender, link, letters, args.window.into()));
        }
        let buffer = link::buffer();
        Ok(Self { poll, buffer, server, senders, absent, readers: Vec::new() })
    }

    fn messages(&self) -> u64 {
        self.senders.iter().map(Sender::messages).sum()
    }

    /// Until every sender knows that everything is stored.
    fn store(&mut self) -> Result<Stage, Failure> {
        let watch = Watch::start(self.server)?;
        let mut events = Events::with_capacity(1_024);
        loop {
            for sender in &mut self.senders {
                sender.send()?;
            }
            if self.senders.iter().all(Sender::all_stored) {
                return watch.stop(Instant::now());
            }
            self.turn(&mut events)?;
        }
    }

    /// Until every reader has got everything and a 255, and every sender all receipts.
    fn drain(&mut self, registry: &Registry) -> Result<Stage, Failure> {
        let at = now();
        let absent = parallel::map(std::mem::take(&mut self.absent), |mut user| {
            Ok((user.reconnect(at)?, user))
        })?;
        let watch = Watch::start(self.server)?;
        let mut readers = Vec::with_capacity(absent.len());
        for (index, (request, user)) in absent.into_iter().enumerate() {
            let stream = registry.dial_nonblocking()?;
            let link = link::Link::new(stream, self.poll.registry(), Token(2 * index + 1))?;
            readers.push(Reader::new(user, link, request));
        }
        self.readers = readers;
        let mut events = Events::with_capacity(1_024);
        let mut drained_at = None;
        loop {
            for sender in &mut self.senders {
                sender.flush()?;
            }
            for reader in &mut self.readers {
                reader.flush()?;
            }
            if drained_at.is_none() && self.readers.iter().all(Reader::is_live) {
                drained_at = Some(Instant::now());
            }
            if let Some(at) = drained_at.filter(|_| self.senders.iter().all(Sender::all_receipted))
            {
                return watch.stop(at);
            }
            self.turn(&mut events)?;
        }
    }

    fn turn(&mut self, events: &mut Events) -> Result<(), Failure> {
        link::wait(&mut self.poll, events, PATIENCE)?;
        if events.is_empty() {
            return Err(self.missing());
        }
        for event in events.iter().filter(|event| event.is_readable()) {
            let Token(token) = event.token();
            let (Some(sender), reader) =
                (self.senders.get_mut(token / 2), self.readers.get_mut(token / 2))
            else {
                continue;
            };
            if token.is_multiple_of(2) {
                sender.read(&mut self.buffer)?;
            } else if let Some(reader) = reader {
                reader.read(&mut self.buffer, sender.letters())?;
            }
        }
        Ok(())
    }

    fn missing(&self) -> Failure {
        let stored: u64 = self.senders.iter().map(Sender::stored).sum();
        let arrived: u64 = self.readers.iter().map(Reader::arrived).sum();
        let receipts: u64 = self.senders.iter().map(Sender::receipts).sum();
        Failure::new(format_args!(
            "of {} messages {stored} were stored and {arrived} arrived, with {receipts} receipts; \
             then nothing came for {PATIENCE:?}",
            self.messages()
        ))
    }

    /// What was sealed by the server, now that the clock has stopped.
    fn check(&mut self) -> Result<(), Failure> {
        parallel::map(self.senders.iter_mut(), Sender::check)?;
        let each = self.senders.iter().map(Sender::messages);
        parallel::map(self.readers.iter_mut().zip(each.collect::<Vec<_>>()), |(reader, each)| {
            reader.check(each)
        })?;
        Ok(())
    }
}

/// Measures a stage.
struct Watch {
    start: Instant,
    server: Option<(Pid, Duration)>,
    own_cpu: Duration,
}

impl Watch {
    fn start(server: Option<Pid>) -> Result<Self, Failure> {
        let server = server.map(|pid| Ok::<_, Failure>((pid, pid.cpu_time()?))).transpose()?;
        Ok(Self { start: Instant::now(), server, own_cpu: Pid::own().cpu_time()? })
    }

    /// Ends the stage, which was over at `end`.
    fn stop(self, end: Instant) -> Result<Stage, Failure> {
        let cpu = |(pid, before): (Pid, Duration)| pid.cpu_time_since(before);
        Ok(Stage {
            time: end - self.start,
            server_cpu: self.server.map(cpu).transpose()?,
            own_cpu: Pid::own().cpu_time_since(self.own_cpu)?,
        })
    }
}

fn text(run: &OfflineRun) -> String {
    let OfflineRun { readers, packet_bytes, messages, store_seconds, drain_seconds, .. } = run;
    let cpu = |cpu: Option<f64>| {
        cpu.map(|cpu| format!(", {cpu:.1} µs of the server's processor time each"))
    };
    [
        format!(
            "stored     {:.0} messages/s for {readers} absent readers: {messages} of {packet_bytes} bytes in {store_seconds:.2} s, told in {} packets{}",
            run.stored_per_second, run.stored_acks, cpu(run.store_server_cpu_us_per_message).unwrap_or_default()
        ),
        format!(
            "drained    {:.0} messages/s: all in {drain_seconds:.2} s, from the first 106 to the last 255{}",
            run.drained_per_second, cpu(run.drain_server_cpu_us_per_message).unwrap_or_default()
        ),
        format!("generator  {:.1} µs of processor time a message", run.own_cpu_us_per_message),
        format!("checked    each message in order and byte for byte, {} receipts, every word of the server's", run.receipts),
    ]
    .join("\n")
}

const PATIENCE: Duration = Duration::from_secs(15);
