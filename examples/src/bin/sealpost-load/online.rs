//! `online`: messages between users who are both connected.

use std::time::Duration;

use sealpost_programs::{CryptoName, Failure, Format, Line};

use crate::args::Common;
use crate::daemon::Daemon;
use crate::fleet::{Fleet, OnlineRun, Pace};
use crate::progress::say;
use crate::registration::Registry;
use crate::ring::Shape;

/// Messages between users who are both connected.
///
/// Without --rate, every sender keeps --window messages under way, and the rate is what the server
/// makes of it. With --rate, messages are sent on a schedule whatever becomes of them, and latency
/// counts from the time on the schedule to the moment the reader has read the message.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct OnlineArgs {
    #[command(flatten)]
    pub(crate) shape: PairArgs,

    /// How long to measure, in seconds; half a second before that is not counted
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    pub(crate) seconds: f64,

    /// Messages a second over all pairs [default: as many as the windows let through]
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<f64>,

    #[command(flatten)]
    pub(crate) common: Common,
}

const EXAMPLES: &str = "Examples:
  sealpost-load online
  sealpost-load online --pairs 1 --window 256
  sealpost-load online --rate 5000 --seconds 10 --json";

/// The pairs and what they send.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct PairArgs {
    /// Pairs of a sender and a reader
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) pairs: u16,

    /// Bytes of content in a message, before it is padded and sealed (PROTOCOL 5.2)
    #[arg(long, value_name = "BYTES", default_value_t = 512)]
    pub(crate) size: usize,

    /// Messages that each sender may have under way without a receipt [default: 64; 128 with a
    /// rate]
    #[arg(long, value_name = "N")]
    pub(crate) window: Option<u16>,

    /// Messages that one receipt acknowledges
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub(crate) receipt_batch: u16,

    /// Receipts that a sender acknowledges to the server at once
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) taken_batch: u16,
}

impl PairArgs {
    /// The ring that these pairs need.
    pub(crate) fn ring(&self, rate: Option<f64>) -> Result<Shape, Failure> {
        if self.pairs == 0 {
            return Err(Failure::usage("there must be a pair"));
        }
        let window = self.window.unwrap_or(if rate.is_some() { 128 } else { 64 });
        let (batch, group) = (self.receipt_batch.into(), self.taken_batch.into());
        if let Some(rate) = rate {
            if rate.is_nan() || rate <= 0.0 {
                return Err(Failure::usage("a rate is more than 0"));
            }
            let messages = f64::from(self.receipt_batch) * f64::from(self.taken_batch);
            if messages * f64::from(self.pairs) / rate > LONGEST_WAIT_SECS {
                return Err(Failure::usage(format_args!(
                    "at this rate it takes more than {LONGEST_WAIT_SECS} s until receipts are due: \
                     lower --receipt-batch or --taken-batch"
                )));
            }
        }
        Shape::new(window.into(), batch, group)
    }
}

/// Measures, and reports.
pub(crate) fn run(args: &OnlineArgs) -> Result<(), Failure> {
    let shape = args.shape.ring(args.rate)?;
    let daemon = Daemon::start(&args.common.server)?;
    let registry = Registry::open(CryptoName::AwsLc.provider(), daemon.address())?;
    let (pairs, size) = (args.shape.pairs, args.shape.size);
    say(format_args!(
        "registering {} users, signing {} messages for each pair",
        2 * u32::from(pairs),
        shape.slots()
    ));
    let mut fleet = Fleet::prepare(&registry, daemon.pid(), pairs.into(), size, shape)?;
    say(format_args!("measuring for {} s", args.seconds));
    let pace = args.rate.map_or(Pace::Window, Pace::Rate);
    let run = fleet.run(pace, WARM_UP, Duration::try_from_secs_f64(args.seconds)?)?;
    drop(fleet);
    daemon.stop()?;
    match args.common.format.format() {
        Format::Json => Line::json(&run),
        Format::Text => Line::text(text(&run)),
    }
}

fn text(run: &OnlineRun) -> String {
    let OnlineRun { pairs, packet_bytes, seconds, messages, messages_per_second, .. } = run;
    let mebibytes = crate::figures::per_second(run.bytes, Duration::from_secs_f64(*seconds))
        / f64::from(1 << 20);
    let mut lines = vec![
        format!(
            "{messages_per_second:.0} messages/s over {pairs} pairs: {messages} in {seconds:.2} s, {packet_bytes} bytes each, {mebibytes:.0} MiB/s in all"
        ),
        format!("latency    {}", run.latency),
    ];
    if let (Some(cpu), Some(cores), Some(rss)) =
        (run.server_cpu_us_per_message, run.server_cores, run.server_rss_bytes)
    {
        lines.push(format!(
            "server     {cpu:.1} µs of processor time a message, {cores:.2} cores, {} KiB resident",
            rss / 1024
        ));
    }
    lines.push(format!(
        "generator  {:.1} µs of processor time a message, {:.2} cores, {} KiB resident",
        run.own_cpu_us_per_message,
        run.own_cores,
        run.own_rss_bytes / 1024
    ));
    lines.push(format!(
        "checked    {} sent, {} arrived, {} receipted, each in order and byte for byte; stored by the server meanwhile: {}",
        run.sent, run.arrived, run.receipted, run.stored_acks
    ));
    lines.join("\n")
}

pub(crate) const WARM_UP: Duration = Duration::from_millis(500);
/// The server holds what it forwarded for 5 s, then stores it.
const LONGEST_WAIT_SECS: f64 = 3.0;
