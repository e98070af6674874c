//! `offline`: messages for absent recipients, and the drain when they come back.

use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use sealpost_programs::{CryptoName, Failure, Format, Line, Verify};
use serde::Serialize;

use crate::clients::link;
use crate::clients::recipient::Recipient;
use crate::clients::registration::Registry;
use crate::clients::sender::Sender;
use crate::clients::signed_packets::SignedPackets;
use crate::clients::user::{User, now};
use crate::figures::{micros_each, per_second};
use crate::options::Common;
use crate::progress::{print_lines, say};
use crate::system::daemon::Daemon;
use crate::system::parallel;
use crate::system::process::Pid;

/// Messages for absent recipients, and the drain when they come back.
///
/// Every recipient has its own sender. First the recipients are absent: a message counts once the
/// server has acknowledged to its sender that it is stored. Then all recipients reconnect at once,
/// drain their mailboxes and sign receipts, until the server tells each that nothing is left. Their
/// senders stay connected, and receive and acknowledge the receipts.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct OfflineArgs {
    /// Number of recipients, and of senders
    #[arg(long, alias = "readers", value_name = "N", default_value_t = 50)]
    pub(crate) recipients: u16,

    /// Total number of messages; one mailbox holds at most 10,000
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) messages: u32,

    /// Content of a message, in bytes, before it is padded and sealed (PROTOCOL 5.2)
    #[arg(long, value_name = "BYTES", default_value_t = 512)]
    pub(crate) size: usize,

    /// Messages that each sender may send ahead of the server's acknowledgement
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
  sealpost-load offline --recipients 1          how fast one recipient drains its mailbox
  sealpost-load offline --messages 200000 --data-dir /var/tmp --json";

/// Report of the measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OfflineRun {
    pub(crate) recipients: usize,
    /// Size of one message's packet.
    pub(crate) packet_bytes: usize,
    /// Messages that were stored, drained and receipted. In a successful run these are all
    /// messages.
    pub(crate) messages: u64,
    pub(crate) store_seconds: f64,
    /// Rate from the first message sent to the last acknowledgement that one is stored.
    pub(crate) stored_per_second: f64,
    /// Packets with which the server acknowledged stored messages. One may cover many messages.
    pub(crate) stored_acks: u64,
    pub(crate) store_server_cpu_us_per_message: Option<f64>,
    pub(crate) drain_seconds: f64,
    /// Rate from the first reconnect to the last 255.
    pub(crate) drained_per_second: f64,
    pub(crate) drain_server_cpu_us_per_message: Option<f64>,
    pub(crate) receipts: u64,
    pub(crate) own_cpu_us_per_message: f64,
    pub(crate) server_rss_bytes: Option<u64>,
}

/// Measures and prints the report.
pub(crate) fn run(args: &OfflineArgs) -> Result<(), Failure> {
    let daemon = Daemon::start(&args.common.server)?;
    let registry = Registry::open(CryptoName::AwsLc.provider(Verify::Auto), daemon.address())?;
    let run = measure(args, &registry, daemon.pid())?;
    daemon.stop()?;
    match args.common.format.format() {
        Format::Json => Line::json(&run),
        Format::Text => print_lines(&text(&run)),
    }
}

/// Registers users, signs packets, stores, drains, and verifies.
pub(crate) fn measure(
    args: &OfflineArgs,
    registry: &Registry,
    server: Option<Pid>,
) -> Result<OfflineRun, Failure> {
    let mut workload = Workload::prepare(args, registry, server)?;
    say("storing messages for absent recipients");
    let stored = workload.store()?;
    say("draining: the recipients come back");
    let drained = workload.drain(registry)?;
    workload.check()?;
    let messages = workload.messages();
    let per_message = |cpu: Option<Duration>| cpu.map(|cpu| micros_each(cpu, messages));
    Ok(OfflineRun {
        recipients: workload.recipients.len(),
        packet_bytes: workload.senders.first().map_or(0, Sender::packet_len),
        messages,
        store_seconds: stored.time.as_secs_f64(),
        stored_per_second: per_second(messages, stored.time),
        stored_acks: workload.senders.iter().map(Sender::stored_acks).sum(),
        store_server_cpu_us_per_message: per_message(stored.server_cpu),
        drain_seconds: drained.time.as_secs_f64(),
        drained_per_second: per_second(messages, drained.time),
        drain_server_cpu_us_per_message: per_message(drained.server_cpu),
        receipts: workload.senders.iter().map(Sender::receipts).sum(),
        own_cpu_us_per_message: micros_each(stored.own_cpu + drained.own_cpu, messages),
        server_rss_bytes: server.map(Pid::resident_bytes).transpose()?,
    })
}

/// All senders and recipients, with their packets.
struct Workload {
    poll: Poll,
    buffer: Vec<u8>,
    server: Option<Pid>,
    senders: Vec<Sender>,
    /// Recipients that have not come back yet.
    absent: Vec<User>,
    recipients: Vec<Recipient>,
}

/// The cost of one stage.
struct Stage {
    time: Duration,
    server_cpu: Option<Duration>,
    own_cpu: Duration,
}

impl Workload {
    fn prepare(
        args: &OfflineArgs,
        registry: &Registry,
        server: Option<Pid>,
    ) -> Result<Self, Failure> {
        let recipients = usize::from(args.recipients);
        if recipients == 0 || args.messages == 0 || args.window == 0 || args.receipt_batch == 0 {
            return Err(Failure::usage(
                "--recipients, --messages, --window and --receipt-batch must be at least 1",
            ));
        }
        let each = u64::from(args.messages.div_ceil(args.recipients.into()));
        say(format_args!(
            "registering {} users, signing {each} messages for each recipient",
            2 * recipients
        ));
        let keys = registry.keys(2 * recipients)?;
        let mut users = registry.users(&keys, 2 * recipients)?.into_iter();
        let together = std::iter::from_fn(|| Some((users.next()?, users.next()?)));
        // The recipients' connections are dropped here, which makes them absent.
        let signed = parallel::map(together, |((mut sender, stream), (mut recipient, _))| {
            let batch = args.receipt_batch.into();
            let packets = SignedPackets::sign(each, args.size, batch, &mut sender, &mut recipient)?;
            Ok((sender, stream, recipient, packets))
        })?;
        let poll = Poll::new()?;
        let (mut senders, mut absent) = (Vec::new(), Vec::new());
        for (index, (sender, stream, recipient, packets)) in signed.into_iter().enumerate() {
            let link = link::Link::new(stream, poll.registry(), Token(2 * index))?;
            absent.push(recipient);
            senders.push(Sender::new(sender, link, packets, args.window.into()));
        }
        let buffer = link::buffer();
        Ok(Self { poll, buffer, server, senders, absent, recipients: Vec::new() })
    }

    fn messages(&self) -> u64 {
        self.senders.iter().map(Sender::messages).sum()
    }

    /// Sends until every sender knows that all its messages are stored.
    fn store(&mut self) -> Result<Stage, Failure> {
        let watch = Stopwatch::start(self.server)?;
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

    /// Runs until every recipient has all messages and a 255, and every sender has all receipts.
    fn drain(&mut self, registry: &Registry) -> Result<Stage, Failure> {
        let at = now();
        let absent = parallel::map(std::mem::take(&mut self.absent), |mut user| {
            Ok((user.reconnect(at)?, user))
        })?;
        let watch = Stopwatch::start(self.server)?;
        let mut recipients = Vec::with_capacity(absent.len());
        for (index, (request, user)) in absent.into_iter().enumerate() {
            let stream = registry.dial_nonblocking()?;
            let link = link::Link::new(stream, self.poll.registry(), Token(2 * index + 1))?;
            recipients.push(Recipient::new(user, link, request));
        }
        self.recipients = recipients;
        let mut events = Events::with_capacity(1_024);
        let mut drained_at = None;
        loop {
            for sender in &mut self.senders {
                sender.flush()?;
            }
            for recipient in &mut self.recipients {
                recipient.flush()?;
            }
            if drained_at.is_none() && self.recipients.iter().all(Recipient::is_live) {
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
            let (Some(sender), recipient) =
                (self.senders.get_mut(token / 2), self.recipients.get_mut(token / 2))
            else {
                continue;
            };
            if token.is_multiple_of(2) {
                sender.read(&mut self.buffer)?;
            } else if let Some(recipient) = recipient {
                recipient.read(&mut self.buffer, sender.packets())?;
            }
        }
        Ok(())
    }

    fn missing(&self) -> Failure {
        let stored: u64 = self.senders.iter().map(Sender::stored).sum();
        let arrived: u64 = self.recipients.iter().map(Recipient::arrived).sum();
        let receipts: u64 = self.senders.iter().map(Sender::receipts).sum();
        Failure::new(format_args!(
            "of {} messages, {stored} were stored and {arrived} arrived, with {receipts} receipts; \
             then nothing arrived for {PATIENCE:?}",
            self.messages()
        ))
    }

    /// Verifies the server's packets, after the measurement.
    fn check(&mut self) -> Result<(), Failure> {
        parallel::map(self.senders.iter_mut(), Sender::check)?;
        let each = self.senders.iter().map(Sender::messages);
        parallel::map(
            self.recipients.iter_mut().zip(each.collect::<Vec<_>>()),
            |(recipient, each)| recipient.check(each),
        )?;
        Ok(())
    }
}

/// Measures time and processor time of a stage.
struct Stopwatch {
    start: Instant,
    server: Option<(Pid, Duration)>,
    own_cpu: Duration,
}

impl Stopwatch {
    fn start(server: Option<Pid>) -> Result<Self, Failure> {
        let server = server.map(|pid| Ok::<_, Failure>((pid, pid.cpu_time()?))).transpose()?;
        Ok(Self { start: Instant::now(), server, own_cpu: Pid::own().cpu_time()? })
    }

    /// Ends the stage, whose work was done at `end`.
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
    let OfflineRun { recipients, packet_bytes, messages, store_seconds, drain_seconds, .. } = run;
    let cpu = |cpu: Option<f64>| {
        cpu.map(|cpu| format!(", {cpu:.1} µs of the server's processor time each"))
    };
    [
        format!(
            "stored     {:.0} messages/s for {recipients} absent recipients: {messages} of \
             {packet_bytes} bytes in {store_seconds:.2} s, acknowledged in {} packets{}",
            run.stored_per_second,
            run.stored_acks,
            cpu(run.store_server_cpu_us_per_message).unwrap_or_default()
        ),
        format!(
            "drained    {:.0} messages/s: all in {drain_seconds:.2} s, from the first 106 to the \
             last 255{}",
            run.drained_per_second,
            cpu(run.drain_server_cpu_us_per_message).unwrap_or_default()
        ),
        format!("generator  {:.1} µs of processor time per message", run.own_cpu_us_per_message),
        format!(
            "checked    each message in order and byte for byte, {} receipts, every packet from the \
             server",
            run.receipts
        ),
    ]
    .join("\n")
}

const PATIENCE: Duration = Duration::from_secs(15);
