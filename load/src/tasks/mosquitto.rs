//! `mosquitto`: the load of `online` on an MQTT broker.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sealpost_programs::{Failure, Format, FormatArg, Line};

use crate::clients::fleet::{OnlineRun, Pace};
use crate::mqtt::pair;
use crate::options::span_of;
use crate::progress::{print_lines, say};
use crate::system::broker::{self, Broker};
use crate::tasks::online::{WARM_UP, figures};

/// The load of `online` on mosquitto, an MQTT broker, for comparison.
///
/// Each sender publishes to a topic of its own with QoS 1, each recipient subscribes to one of them
/// and acknowledges every message. A message is under way until it has arrived and the broker has
/// acknowledged it. Whatever arrives is compared in order.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MosquittoArgs {
    /// Number of pairs of a sender and a recipient
    #[arg(long, value_name = "N", default_value_t = 50,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) pairs: u16,

    /// Size of a message's packet, in bytes. A Sealpost message with 512 bytes of content has 1,587
    #[arg(long, value_name = "BYTES", default_value_t = 1_587)]
    pub(crate) packet: usize,

    /// Messages that each sender may have under way [default: 64; 128 with --rate]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..u16::MAX.into()))]
    pub(crate) window: Option<u16>,

    /// How long to measure, in seconds, after half a second of warm-up
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    pub(crate) seconds: f64,

    /// Messages a second over all pairs [default: as many as the windows allow]
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<f64>,

    /// mosquitto program to start [default: mosquitto in PATH, then in /usr/sbin]
    #[arg(long, value_name = "PATH")]
    pub(crate) server: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) format: FormatArg,
}

const EXAMPLES: &str = "Examples:
  apt-get install mosquitto && sealpost-load mosquitto
  sealpost-load mosquitto --pairs 1 --window 256
  sealpost-load mosquitto --rate 5000 --seconds 10 --json

mosquitto runs as fast as it can: without persistence and limits, with errors alone in its log, and
the kernel may join small packets. It neither encrypts nor verifies nor stores anything. To compare,
run `sealpost-load online` in the same minute, or `sealpost-load compare --only mosquitto`.";

/// What a broker is put under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BrokerLoad {
    pub(crate) pairs: u16,
    /// Size of a message's packet.
    pub(crate) packet: usize,
    pub(crate) window: u16,
    pub(crate) pace: Pace,
    pub(crate) span: Duration,
}

/// Measures and prints the report.
pub(crate) fn run(args: &MosquittoArgs) -> Result<(), Failure> {
    let MosquittoArgs { pairs, packet, seconds, .. } = *args;
    let pace = Pace::new(args.rate)?;
    let window = args.window.unwrap_or(if pace == Pace::Window { 64 } else { 128 });
    let load = BrokerLoad { pairs, packet, window, pace, span: span_of(seconds)? };
    let program = args.server.clone().or_else(broker::installed).ok_or_else(|| {
        Failure::new(
            "there is no mosquitto in PATH or in /usr/sbin: install it, on Debian with `apt-get \
             install mosquitto`, or name the program with --server",
        )
    })?;
    say(format_args!("measuring {} for {seconds} s", program.display()));
    let run = measure(&program, load)?;
    match args.format.format() {
        Format::Json => Line::json(&run),
        Format::Text => print_lines(&format!(
            "{}\n\
             checked    {} sent, {} arrived, {} acknowledged, each in order and byte for byte",
            figures(&run),
            run.sent,
            run.arrived,
            run.receipted
        )),
    }
}

/// Starts a broker, and measures it under this load.
pub(crate) fn measure(program: &Path, load: BrokerLoad) -> Result<OnlineRun, Failure> {
    let BrokerLoad { pairs, packet, window, pace, span } = load;
    let broker = Broker::start(program)?;
    let mut fleet = pair::connect(broker.address(), broker.pid(), pairs, packet, window)?;
    let run = fleet.run(pace, WARM_UP, span)?;
    drop(fleet);
    broker.stop()?;
    Ok(run)
}
