//! `online`: messages between users who are both connected.

use std::time::Duration;

use sealpost_programs::{CryptoName, Failure, Format, Line, Verify};

use crate::clients::fleet::{Fleet, OnlineRun, Pace};
use crate::clients::registration::Registry;
use crate::clients::ring::Shape;
use crate::options::{Common, span_of};
use crate::progress::{print_lines, say};
use crate::system::daemon::Daemon;

/// Messages between users who are both connected.
///
/// Without --rate, every sender keeps --window messages under way, and the server determines the
/// rate. With --rate, messages are sent on a schedule however slowly they are delivered, and
/// latency counts from the scheduled time to the moment when the recipient has read the packet.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct OnlineArgs {
    #[command(flatten)]
    pub(crate) shape: PairArgs,

    /// How long to measure, in seconds, after half a second of warm-up
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    pub(crate) seconds: f64,

    /// Messages a second over all pairs [default: as many as the windows allow]
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<f64>,

    #[command(flatten)]
    pub(crate) common: Common,
}

const EXAMPLES: &str = "Examples:
  sealpost-load online
  sealpost-load online --pairs 1 --window 256
  sealpost-load online --rate 5000 --seconds 10 --json";

/// Options of the pairs and their messages.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct PairArgs {
    /// Number of pairs of a sender and a recipient
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) pairs: u16,

    /// Content of a message, in bytes, before it is padded and sealed (PROTOCOL 5.2)
    #[arg(long, value_name = "BYTES", default_value_t = 512)]
    pub(crate) size: usize,

    /// Messages that each sender may send ahead of the receipts [default: 64; 128 with --rate]
    #[arg(long, value_name = "N")]
    pub(crate) window: Option<u16>,

    /// Messages that one receipt acknowledges
    #[arg(long, value_name = "N", default_value_t = 32)]
    pub(crate) receipt_batch: u16,

    /// Receipts that one acknowledgement of a sender covers
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) taken_batch: u16,
}

impl PairArgs {
    /// The ring that these pairs need.
    pub(crate) fn ring(&self, rate: Option<f64>) -> Result<Shape, Failure> {
        if self.pairs == 0 {
            return Err(Failure::usage("--pairs must be at least 1"));
        }
        let window = self.window.unwrap_or(if rate.is_some() { 128 } else { 64 });
        let (batch, group) = (self.receipt_batch.into(), self.taken_batch.into());
        if let Some(rate) = rate {
            if rate.is_nan() || rate <= 0.0 {
                return Err(Failure::usage("--rate must be more than 0"));
            }
            let messages = f64::from(self.receipt_batch) * f64::from(self.taken_batch);
            if messages * f64::from(self.pairs) / rate > LONGEST_WAIT_SECS {
                return Err(Failure::usage(format_args!(
                    "at this rate it takes more than {LONGEST_WAIT_SECS} s until receipts are \
                     acknowledged: lower --receipt-batch or --taken-batch"
                )));
            }
        }
        Shape::new(window.into(), batch, group)
    }
}

/// Measures and prints the report.
pub(crate) fn run(args: &OnlineArgs) -> Result<(), Failure> {
    let shape = args.shape.ring(args.rate)?;
    let daemon = Daemon::start(&args.common.server)?;
    let registry = Registry::open(CryptoName::AwsLc.provider(Verify::Auto), daemon.address())?;
    let (pairs, size) = (args.shape.pairs, args.shape.size);
    say(format_args!(
        "registering {} users, signing {} messages per pair",
        2 * u32::from(pairs),
        shape.slots()
    ));
    let mut fleet = Fleet::prepare(&registry, daemon.pid(), pairs.into(), size, shape)?;
    say(format_args!("measuring for {} s", args.seconds));
    let pace = args.rate.map_or(Pace::Window, Pace::Rate);
    let run = fleet.run(pace, WARM_UP, span_of(args.seconds)?)?;
    drop(fleet);
    daemon.stop()?;
    match args.common.format.format() {
        Format::Json => Line::json(&run),
        Format::Text => print_lines(&text(&run)),
    }
}

fn text(run: &OnlineRun) -> String {
    let OnlineRun { pairs, packet_bytes, seconds, messages, messages_per_second, .. } = run;
    let mebibytes = crate::figures::per_second(run.bytes, Duration::from_secs_f64(*seconds))
        / f64::from(1 << 20);
    let mut lines = vec![
        format!(
            "{messages_per_second:.0} messages/s over {pairs} pairs: {messages} in {seconds:.2} s, \
             {packet_bytes} bytes each, {mebibytes:.0} MiB/s in all"
        ),
        format!("latency    {}", run.latency),
    ];
    if let (Some(cpu), Some(cores), Some(rss)) =
        (run.server_cpu_us_per_message, run.server_cores, run.server_rss_bytes)
    {
        lines.push(format!(
            "server     {cpu:.1} µs of processor time per message, {cores:.2} cores, {} KiB \
             resident",
            rss / 1024
        ));
    }
    lines.push(format!(
        "generator  {:.1} µs of processor time per message, {:.2} cores, {} KiB resident",
        run.own_cpu_us_per_message,
        run.own_cores,
        run.own_rss_bytes / 1024
    ));
    lines.push(format!(
        "checked    {} sent, {} arrived, {} receipted, each in order and byte for byte; {} \
         acknowledged as stored",
        run.sent, run.arrived, run.receipted, run.stored_acks
    ));
    lines.join("\n")
}

pub(crate) const WARM_UP: Duration = Duration::from_millis(500);
/// Longest time from a message to the acknowledgement of its receipt. The server holds a forwarded
/// message for 5 s and then stores it, which would change what is measured.
const LONGEST_WAIT_SECS: f64 = 3.0;
