//! The command line of `sealpost-sim`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use sealpost_tests::sim::{CryptoKind, FaultFamily};

/// Runs the server and its clients in simulated worlds where connections break, disks fail, power
/// is lost and strangers attack, and checks that nothing is lost, repeated, reordered or forged.
///
/// Each seed is one world with faults of its own. The same seed gives the same run, byte for byte.
/// A seed that fails is made small and written to a file, which `replay` runs again.
#[derive(Debug, Parser)]
#[command(name = "sealpost-sim", version, after_help = EXAMPLES, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) task: Task,
}

const EXAMPLES: &str = "Examples:
  sealpost-sim run                                      a thousand worlds
  sealpost-sim run --seeds 1000000 --minutes 60         as many as fit into an hour
  sealpost-sim run --seed 4711 --seeds 1                that one
  sealpost-sim run --faults power,disks --crypto real   these faults only, with real cryptography
  sealpost-sim replay sim-failures/seed-4711.json --trace

The exit status is 0 if every world was as it must be, 1 if one was not, 2 for a bad command line.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Run the worlds of many seeds
    Run(Run),
    /// Run the world of a file again
    Replay(Replay),
}

/// How to run many.
#[derive(clap::Args, Debug)]
pub(crate) struct Run {
    /// How many seeds
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub(crate) seeds: u64,

    /// The first one
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,

    /// Begin no more seeds after so many minutes
    #[arg(long, value_name = "M")]
    pub(crate) minutes: Option<f64>,

    /// Kinds of faults, from which each seed takes some: network, crashes, power, disks, clocks,
    /// wire, attackers, dishonest, homes; or none
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', value_parser = fault)]
    pub(crate) faults: Option<Vec<FaultName>>,

    /// Real cryptography, or a stand-in for RSA that is thousands of times faster and protects
    /// nothing
    #[arg(long, value_enum, default_value_t = CryptoName::Insecure)]
    pub(crate) crypto: CryptoName,

    /// Seeds that run at once [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,

    /// Run each seed twice, and compare
    #[arg(long)]
    pub(crate) twice: bool,

    /// Go on after a seed has failed
    #[arg(long)]
    pub(crate) keep_going: bool,

    /// Where the seeds that fail are written
    #[arg(long, value_name = "DIR", default_value = "./sim-failures")]
    pub(crate) out: PathBuf,
}

/// How to run one again.
#[derive(clap::Args, Debug)]
pub(crate) struct Replay {
    /// What `run` has written
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Print a line for everything that happens
    #[arg(long)]
    pub(crate) trace: bool,
}

/// Cryptography as options name it.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CryptoName {
    /// A stand-in for RSA
    Insecure,
    /// RSA
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

/// A kind of faults, or none.
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
        format!("there is no such kind; there are {}, and none", names.join(", "))
    })
}

impl Run {
    /// The kinds of faults that were asked for.
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
