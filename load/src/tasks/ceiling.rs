//! `ceiling`: what this machine can do, with the server's libraries but without a server.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use sealpost_core::crypto::{PrivateKey, Provider, SESSION_LABEL};
use sealpost_core::keys::SymmetricKey;
use sealpost_core::server::store::StoreOp;
use sealpost_core::wire::SIGNATURE_LEN;
use sealpost_programs::{CryptoName, Failure, Format, FormatArg, Line, Verify, random_rng};
use sealpost_storage::{Quota, SqliteStorage, Storage};
use serde::Serialize;
use tempfile::TempDir;

use crate::clients::PROFILE;
use crate::clients::user::now;
use crate::figures::{micros_each, per_second};
use crate::options::span_of;
use crate::progress::{print_lines, say};
use crate::system::parallel;
use crate::system::process::Pid;

/// What this machine can do: RSA operations on one core and on all, and SQLite's group commits.
///
/// RSA operations use aws-lc with one parsed key, which is the least that a verification by itself
/// can cost. What the server saves by verifying several at once is not in them. SQLite writes rows of messages into the server's tables, with the
/// server's indexes and pragmas (WAL, synchronous FULL), in transactions of a given number of rows.
/// It does nothing else: no quotas are counted and no mailboxes are looked up.
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

/// Rows a second into the server's tables, in transactions of `rows` rows.
fn group_commits(folder: &Path, rows: u32, packet: usize, span: Duration) -> Result<f64, Failure> {
    let path = folder.join("sealpost.db");
    make_mailboxes(&path)?;
    let mut connection = Connection::open(&path)?;
    connection.execute_batch(SERVER_PRAGMAS)?;
    let payload = vec![7_u8; packet.saturating_sub(PROFILE.header_len() + SIGNATURE_LEN)];
    let signature = [7_u8; SIGNATURE_LEN];
    let at = now().unix_secs();
    let (start, mut id) = (Instant::now(), 0_i64);
    while start.elapsed() < span {
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            for _ in 0..rows {
                id += 1;
                let recipient = id % MAILBOXES + 1;
                insert.execute(params![id, recipient, at, payload, signature])?;
            }
        }
        transaction.commit()?;
    }
    Ok(per_second(id.cast_unsigned(), start.elapsed()))
}

/// Creates a database as the server does, with users 1 to `MAILBOXES`.
fn make_mailboxes(path: &Path) -> Result<(), Failure> {
    let mut rng = random_rng()?;
    let provider = CryptoName::AwsLc.provider(Verify::Auto);
    let key = provider.load_key(provider.generate_key(&mut *rng)?.expose())?;
    let aes_key = SymmetricKey::from_bytes([1; 32]).wrap(&SymmetricKey::from_bytes([2; 32]));
    let user = |number| {
        Ok(StoreOp::CreateUser {
            phone: format!("+999{number:09}").parse()?,
            public_key: key.public_key().clone(),
            aes_key,
            at: now(),
            max_id: PROFILE.max_user_id(),
            invitation: None,
        })
    };
    let requests = (1..=MAILBOXES).map(user).collect::<Result<Vec<_>, Failure>>()?;
    let mut outcomes = Vec::new();
    SqliteStorage::open(path, PROFILE, Quota::default())?.commit(&requests, &mut outcomes);
    Ok(outcomes.into_iter().try_for_each(|outcome| outcome.map(drop))?)
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
const MAILBOXES: i64 = 50;
const INSERT: &str = "
    INSERT INTO pending_messages
        (kind, message_id, sender_id, recipient_id, timestamp, stored_at, encrypted_payload,
         signature)
    VALUES (0, ?1, 1, ?2, ?3, ?3, ?4, ?5)
";
/// The pragmas that the server's store sets.
const SERVER_PRAGMAS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA cell_size_check = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -65536;
    PRAGMA wal_autocheckpoint = 4096;
    PRAGMA journal_size_limit = 67108864;
";
