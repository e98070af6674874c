//! `sealpost-load`, which puts a Sealpost server under load and measures it.
//!
//! - `tasks`: what can be measured, a file for each subcommand.
//! - `clients`: users that do what clients must, with packets prepared in advance.
//! - `mqtt`: the same load on an MQTT broker, for comparison.
//! - `siege`: ordinary users and attackers at once.
//! - `system`: the server's process, its figures in `/proc`, and our own threads.
#![forbid(unsafe_code)]

mod args;
mod clients;
mod figures;
mod mqtt;
mod options;
mod progress;
mod siege;
mod system;
mod tasks;

use std::process::ExitCode;

use sealpost_programs::{Failure, run_program};

use args::{Args, Task};
use tasks::{ceiling, compare, idle, mosquitto, offline, online, reconnect, storm};

fn main() -> ExitCode {
    run_program("sealpost-load", |args| run(&args))
}

fn run(args: &Args) -> Result<(), Failure> {
    match &args.task {
        Task::Online(args) => online::run(args),
        Task::Offline(args) => offline::run(args),
        Task::Reconnect(args) => reconnect::run(args),
        Task::Idle(args) => idle::run(args),
        Task::Storm(args) => storm::run(args),
        Task::Siege(args) => tasks::siege::run(args),
        Task::Mosquitto(args) => mosquitto::run(args),
        Task::Ceiling(args) => ceiling::run(args),
        Task::Compare(args) => compare::run(args),
    }
}
