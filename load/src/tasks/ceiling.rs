//! `ceiling`: what this machine can do, with the server's libraries but without a server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sealpost_core::crypto::{AwsLc, PrivateKey, Provider, SESSION_LABEL, SignatureCheck};
use sealpost_core::wire::SIGNATURE_LEN;
use sealpost_programs::{CryptoName, Failure, Format, FormatArg, Line, Verify, random_rng};
use serde::Serialize;
use tempfile::TempDir;

use crate::figures::{micros_each, per_second};
use crate::options::span_of;
use crate::progress::{print_lines, say};
use crate::system::parallel;
use crate::system::process::Pid;
use crate::tasks::group_commits::group_commits;

/// What this machine can do: RSA operations on one core and on all, and SQLite's group commits.
///
/// RSA operations use aws-lc with one parsed key, which is the least that a verification by itself
/// can cost. Verification of eight signatures at once is measured beside it, on a processor with
/// AVX-512 IFMA. SQLite writes rows of messages into the server's tables, with the server's indexes and
/// pragmas (WAL, synchronous FULL), in transactions of a given number of rows. It does nothing else:
/// no quotas are counted and no mailboxes are looked up.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CeilingArgs {
    /// How long to measure each operation, in seconds
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    pub(crate) seconds: f64,

    /// Size of a message's packet, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1_587)]
    pub(crate) packet: usize,

    /// Folder on the disk to measure [default: the system's folder for temporary files]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<std::path::PathBuf>,

    #[command(flatten)]
    pub(crate) format: FormatArg,
}

const EXAMPLES: &str = "Examples:
  sealpost-load ceiling
  sealpost-load ceiling --data-dir /var/tmp --seconds 3 --json";

/// Report of the measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ceiling {
    pub(crate) provider: &'static str,
    pub(crate) cores: usize,
    /// Processor time of one RSA-2048 verification of a message's packet.
    pub(crate) verify_cpu_us: f64,
    pub(crate) verify_one_core: f64,
    pub(crate) verify_all_cores: f64,
    /// Verifications on one core, eight at once, with aws-lc as the last judge. `None` without
    /// AVX-512 IFMA.
    pub(crate) verify_together_one_core: Option<f64>,
    pub(crate) sign_one_core: f64,
    pub(crate) sign_all_cores: f64,
    pub(crate) open_one_core: f64,
    pub(crate) open_all_cores: f64,
    pub(crate) sqlite: Vec<GroupCommits>,
}

/// Rows a second in transactions of one size.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct GroupCommits {
    pub(crate) rows_per_transaction: u32,
    pub(crate) rows_per_second: f64,
}

impl Ceiling {
    /// Reconnects a second that this machine's private operations allow. For each, the server opens
    /// a 106, signs a 206 and signs a 255.
    pub(crate) fn reconnects_per_second(&self) -> f64 {
        1.0 / (1.0 / self.open_all_cores + 2.0 / self.sign_all_cores)
    }

    /// Rows a second in transactions of this size.
    pub(crate) fn group_commits(&self, rows: u32) -> Option<f64> {
        let found = self.sqlite.iter().find(|commits| commits.rows_per_transaction == rows)?;
        Some(found.rows_per_second)
    }
}

/// Measures and prints the report.
pub(crate) fn run(args: &CeilingArgs) -> Result<(), Failure> {
    let ceiling = measure(args)?;
    match args.format.format() {
        Format::Json => Line::json(&ceiling),
        Format::Text => print_lines(&text(&ceiling)),
    }
}

/// Measures everything, one after the other.
pub(crate) fn measure(args: &CeilingArgs) -> Result<Ceiling, Failure> {
    let span = span_of(args.seconds)?;
    // aws-lc alone is the measure, whatever the server verifies with.
    let provider = CryptoName::AwsLc.provider(Verify::AwsLc);
    let bench = Bench::new(Arc::clone(&provider), args.packet)?;
    let all = parallel::cores();
    say("measuring RSA on one core, then on all");
    let cpu = Pid::own().cpu_time()?;
    let (verified, time) = repeat(span, 1, || bench.verify())?;
    let verify_cpu_us = micros_each(Pid::own().cpu_time_since(cpu)?, verified);
    let rate = |threads, operation: &(dyn Fn() -> Result<(), Failure> + Sync)| {
        repeat(span, threads, operation).map(|(count, time)| per_second(count, time))
    };
    let ceiling = Ceiling {
        provider: provider.name(),
        cores: all,
        verify_cpu_us,
        verify_one_core: per_second(verified, time),
        verify_all_cores: rate(all, &|| bench.verify())?,
        verify_together_one_core: bench.verify_together(span)?,
        sign_one_core: rate(1, &|| bench.sign())?,
        sign_all_cores: rate(all, &|| bench.sign())?,
        open_one_core: rate(1, &|| bench.open())?,
        open_all_cores: rate(all, &|| bench.open())?,
        sqlite: Vec::new(),
    };
    say("measuring SQLite's group commits");
    let commits = |rows| {
        let folder = args.data_dir.as_ref().map_or_else(TempDir::new, TempDir::new_in)?;
        let rows_per_second = group_commits(folder.path(), rows, args.packet, span)?;
        Ok::<_, Failure>(GroupCommits { rows_per_transaction: rows, rows_per_second })
    };
    let sqlite = GROUPS.into_iter().map(commits).collect::<Result<_, _>>()?;
    Ok(Ceiling { sqlite, ..ceiling })
}

/// One key, and data to verify and open with it.
struct Bench {
    provider: Arc<dyn Provider>,
    key: Arc<dyn PrivateKey>,
    message: Vec<u8>,
    signature: [u8; 256],
    sealed: [u8; 256],
}

impl Bench {
    fn new(provider: Arc<dyn Provider>, packet: usize) -> Result<Self, Failure> {
        let mut rng = random_rng()?;
        let der = provider.generate_key(&mut *rng)?;
        let key = provider.load_key(der.expose())?;
        let message = vec![7; packet.saturating_sub(SIGNATURE_LEN)];
        let signature = key.sign(&mut *rng, &message)?;
        let label = SESSION_LABEL.as_bytes();
        let sealed = provider.oaep_seal(&mut *rng, key.public_key(), label, &[7; 65])?;
        Ok(Self { provider, key, message, signature, sealed })
    }

    fn verify(&self) -> Result<(), Failure> {
        Ok(self.provider.verify(self.key.public_key(), &self.message, &self.signature)?)
    }

    /// Verifications a second on one core, eight at once. `None` if this processor can't.
    fn verify_together(&self, span: Duration) -> Result<Option<f64>, Failure> {
        let provider = AwsLc::detect(|| {});
        if !provider.verifies_together() {
            return Ok(None);
        }
        let (key, message) = (self.key.public_key(), self.message.as_slice());
        let checks = [SignatureCheck { key, message, signature: &self.signature }; TOGETHER];
        let verify = || {
            let mut verdicts = Vec::new();
            provider.verify_all(&mut *random_rng()?, &checks, &mut verdicts);
            Ok(verdicts.into_iter().collect::<Result<(), _>>()?)
        };
        let (batches, time) = repeat(span, 1, verify)?;
        Ok(Some(per_second(batches * TOGETHER as u64, time)))
    }

    fn sign(&self) -> Result<(), Failure> {
        self.key.sign(&mut *random_rng()?, &self.message)?;
        Ok(())
    }

    fn open(&self) -> Result<(), Failure> {
        self.key.oaep_open(&mut *random_rng()?, SESSION_LABEL.as_bytes(), &self.sealed)?;
        Ok(())
    }
}

/// Repeats an operation on `threads` threads for `span`. Returns the number of operations and the
/// time that they took.
fn repeat(
    span: Duration,
    threads: usize,
    operation: impl Fn() -> Result<(), Failure> + Sync,
) -> Result<(u64, Duration), Failure> {
    let start = Instant::now();
    let counts = parallel::map_on(threads, 0..threads, |_| {
        let mut count = 0;
        while start.elapsed() < span {
            for _ in 0..16 {
                operation()?;
            }
            count += 16;
        }
        Ok(count)
    })?;
    Ok((counts.iter().sum(), start.elapsed()))
}

fn text(ceiling: &Ceiling) -> String {
    let Ceiling { provider, cores, verify_cpu_us, .. } = ceiling;
    let mut lines = vec![
        format!("provider   {provider}, {cores} cores"),
        format!(
            "verify     {verify_cpu_us:.1} µs of processor time; {:.0}/s on one core, {:.0}/s on \
             all",
            ceiling.verify_one_core, ceiling.verify_all_cores
        ),
        ceiling.verify_together_one_core.map_or_else(
            || "           no AVX-512 IFMA, so not eight at once".to_owned(),
            |rate| format!("           {rate:.0}/s on one core, eight at once"),
        ),
        format!(
            "sign       {:.0}/s on one core, {:.0}/s on all",
            ceiling.sign_one_core, ceiling.sign_all_cores
        ),
        format!(
            "OAEP open  {:.0}/s on one core, {:.0}/s on all",
            ceiling.open_one_core, ceiling.open_all_cores
        ),
        format!("           so {:.0} reconnects/s at most", ceiling.reconnects_per_second()),
    ];
    for GroupCommits { rows_per_transaction, rows_per_second } in &ceiling.sqlite {
        lines.push(format!(
            "SQLite     {rows_per_second:.0} rows/s in transactions of {rows_per_transaction}"
        ));
    }
    lines.join("\n")
}

/// Measured numbers of rows in a transaction.
const GROUPS: [u32; 3] = [64, 512, 4_096];
/// Signatures that are verified together.
const TOGETHER: usize = 8;
