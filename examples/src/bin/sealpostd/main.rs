//! `sealpostd`, the Sealpost server.
#![forbid(unsafe_code)]

mod admin;
mod application;
mod args;
mod config;
mod confine;
mod couriers;
mod data;
mod init;
mod serve;
mod show;
mod size;
mod supervisor;

use std::process::ExitCode;

use sealpost_programs::{Failure, hide_memory, run_program};

use args::{Args, ConfigTask, Task, UserTask};
use config::Layers;
use data::DataFolder;

fn main() -> ExitCode {
    run_program("sealpostd", run)
}

fn run(args: Args) -> Result<(), Failure> {
    hide_memory()?;
    let layers = Layers::new(args.config, args.flags)?;
    let existing = || DataFolder::existing(&config::data(&layers.settings()?)?);
    match args.task {
        None => serve::serve(&layers, args.init),
        Some(Task::Init) => init::init(&layers),
        Some(Task::Config { task: None }) => init::print_config(&layers),
        Some(Task::Config { task: Some(ConfigTask::Check) }) => init::check_config(&layers),
        Some(Task::Users { task: UserTask::List { format } }) => {
            show::users(&existing()?, format.format())
        }
        Some(Task::Users { task: UserTask::Show { phone, format } }) => {
            show::user(&existing()?, phone, format.format())
        }
        Some(Task::Users { task: UserTask::Delete { phone } }) => {
            admin::delete_user(&existing()?, phone)
        }
        Some(Task::Stats { format }) => show::stats(&existing()?, format.format()),
        Some(Task::Check { format }) => show::check(&existing()?, format.format()),
        Some(Task::TrustClock) => admin::trust_clock(&existing()?),
        Some(Task::NewDatabase { profile }) => {
            admin::create_database(&existing()?, profile.profile())
        }
        Some(Task::Address { host }) => admin::print_address(&existing()?, host.as_deref()),
    }
}
