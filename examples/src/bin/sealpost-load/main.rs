//! `sealpost-load`, which puts a server under load and measures it.
#![forbid(unsafe_code)]

mod args;
mod ceiling;
mod compare;
mod daemon;
mod figures;
mod fleet;
mod idle;
mod interrupt;
mod letters;
mod link;
mod offline;
mod online;
mod pair;
mod parallel;
mod process;
mod progress;
mod reader;
mod reconnect;
mod registration;
mod ring;
mod sender;
mod storm;
mod user;

use std::process::ExitCode;

use clap::Parser;
use sealpost_core::wire::Profile;
use sealpost_programs::{Failure, report};

use args::{Args, Task};

/// The profile that is measured; the other one differs by 12 bytes a packet.
const PROFILE: Profile = Profile::Compact;

fn main() -> ExitCode {
    report("sealpost-load", run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Failure> {
    match &args.task {
        Task::Online(args) => online::run(args),
        Task::Offline(args) => offline::run(args),
        Task::Reconnect(args) => reconnect::run(args),
        Task::Idle(args) => idle::run(args),
        Task::Storm(args) => storm::run(args),
        Task::Ceiling(args) => ceiling::run(args),
        Task::Compare(args) => compare::run(args),
    }
}
