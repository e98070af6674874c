//! Command line of `sealpost-sim`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use sealpost_tests::sim::{CryptoKind, FaultFamily, Plan};

/// Simulates a server and its clients while connections break, disks fail, power is lost and
/// attackers interfere, and checks that no message is lost, repeated, reordered or forged.
///
/// Each seed is one simulation with its own faults. The same seed gives the same run, byte for byte.
/// A failing seed is shrunk and written to a file that `replay` runs again.
#[derive(Debug, Parser)]
#[command(name = "sealpost-sim", version, after_help = EXAMPLES, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) task: Task,
}

const EXAMPLES: &str = "Examples:
  sealpost-sim run                                       run a thousand seeds
  sealpost-sim run --seeds 1000000 --minutes 60          run as many seeds as fit into an hour
  sealpost-sim run --seed 4711 --seeds 1                 run one seed
  sealpost-sim run --faults power,disks --crypto real    inject these faults only, with real RSA
  sealpost-sim replay sim-failures/seed-4711.json --trace
                                                         show what happens in a failing run
  sealpost-sim replay incident.jsonl                     show what a recorded server did
  sealpost-sim groups run --seeds 50000                  simulate groups

A recording passes if the server of this version does the same with it as the recorded one did.

Exit status: 0 if every run passed, 1 if one failed, 2 for a bad command line or file.";

/// Subcommand.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Run many seeds
    Run(Run),
    /// Run a plan from a file again, or a recording of sealpostd --record
    Replay(Replay),
    /// Simulate groups
    #[command(subcommand)]
    Groups(Groups),
}

/// Subcommand of `groups`.
#[derive(Debug, Subcommand)]
pub(crate) enum Groups {
    /// Run many seeds: users who are away, restored and removed, owners who race, one who cheats
    Run(GroupsRun),
    /// Run a plan from a file again
    Replay(Replay),
}

/// Options of `groups run`.
#[derive(clap::Args, Debug)]
pub(crate) struct GroupsRun {
    /// Number of seeds to run
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub(crate) seeds: u64,

    /// First seed
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Start no more seeds after M minutes
    #[arg(long, value_name = "M")]
    pub(crate) minutes: Option<f64>,

    /// Number of seeds to run in parallel [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,

    /// Continue after a seed has failed
    #[arg(long)]
    pub(crate) keep_going: bool,

    /// Directory for the plans of failing seeds
    #[arg(long, value_name = "DIR", default_value = "./sim-failures")]
    pub(crate) out: PathBuf,
}

/// Options of `run`.
#[derive(clap::Args, Debug)]
pub(crate) struct Run {
    /// Number of seeds to run
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub(crate) seeds: u64,

    /// First seed
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Start no more seeds after M minutes
    #[arg(long, value_name = "M")]
    pub(crate) minutes: Option<f64>,

    /// Kinds of faults from which each seed picks some: network, crashes, power, disks, clocks, wire,
    /// attackers, dishonest, directories, backups, held-back, greedy, accounts, server-keys,
    /// applications, servers; or none [default: all]
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', value_parser = fault)]
    pub(crate) faults: Option<Vec<FaultName>>,

    /// Number of servers that share a store, in every seed [default: drawn, mostly 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(crate) servers: Option<u8>,

    /// Cryptography to use
    #[arg(long, value_enum, default_value_t = CryptoName::Insecure)]
    pub(crate) crypto: CryptoName,

    /// Number of seeds to run in parallel [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,

    /// Run each seed twice, and fail if the runs differ
    #[arg(long)]
    pub(crate) twice: bool,

    /// Continue after a seed has failed
    #[arg(long)]
    pub(crate) keep_going: bool,

    /// Directory for the plans of failing seeds
    #[arg(long, value_name = "DIR", default_value = "./sim-failures")]
    pub(crate) out: PathBuf,
}

/// Options of `replay`.
#[derive(clap::Args, Debug)]
pub(crate) struct Replay {
    /// Plan written by `run`, or by hand; or a recording
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Print a line for every event of a plan; every input of a recording is printed anyway
    #[arg(long)]
    pub(crate) trace: bool,

    /// Stop after the N-th input of a recording
    #[arg(long, value_name = "N")]
    pub(crate) until: Option<u64>,

    /// Print only what there is in a recording, and whether the replay agrees with it
    #[arg(long, conflicts_with = "trace")]
    pub(crate) summary: bool,
}

/// Value of `--crypto`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CryptoName {
    /// An insecure stand-in for RSA that is thousands of times faster
    Insecure,
    /// Real RSA
    Real,
}

impl CryptoName {
    pub(crate) const fn kind(self) -> CryptoKind {
        match self {
            Self::Insecure => CryptoKind::Insecure,
            Self::Real => CryptoKind::Real,
        }
    }
}

/// Value of `--faults`: a kind of faults, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FaultName {
    None,
    One(FaultFamily),
}

fn fault(name: &str) -> Result<FaultName, String> {
    if name == "none" {
        return Ok(FaultName::None);
    }
    let known = FaultFamily::ALL.iter().find(|(_, known)| *known == name);
    known.map(|(family, _)| FaultName::One(*family)).ok_or_else(|| {
        let names: Vec<_> = FaultFamily::ALL.iter().map(|(_, name)| *name).collect();
        format!("unknown kind of faults; choose from {}, or none", names.join(", "))
    })
}

impl Run {
    /// The plan of a seed.
    pub(crate) fn plan(&self, seed: u64, families: &[FaultFamily]) -> Plan {
        let crypto = self.crypto.kind();
        match self.servers {
            None => Plan::from_seed(seed, crypto, families),
            Some(servers) => Plan::with_servers(seed, crypto, families, servers.into()),
        }
    }

    /// Kinds of faults to inject.
    pub(crate) fn families(&self) -> Vec<FaultFamily> {
        match &self.faults {
            None => FaultFamily::ALL.iter().map(|(family, _)| *family).collect(),
            Some(names) => names
                .iter()
                .filter_map(|name| match name {
                    FaultName::None => None,
                    FaultName::One(family) => Some(*family),
                })
                .collect(),
        }
    }
}
