//! `sealpostd`, the Sealpost server.
#![forbid(unsafe_code)]

mod admin;
mod application;
mod args;
mod confine;
mod couriers;
mod data;
mod invite;
mod joining;
mod lifetime;
mod serve;
mod show;
mod size;

use std::process::ExitCode;

use sealpost_programs::{Failure, hide_memory, run_program};

use args::{Args, Task, UserTask};
use data::DataFolder;

fn main() -> ExitCode {
    run_program("sealpostd", |args| run(&args))
}

fn run(args: &Args) -> Result<(), Failure> {
    hide_memory()?;
    let Some(task) = &args.task else { return serve::serve(&args.data, &args.serving) };
    let data = DataFolder::existing(&args.data)?;
    match task {
        Task::Users { task: UserTask::List { format } } => show::users(&data, format.format()),
        Task::Users { task: UserTask::Show { phone, format } } => {
            show::user(&data, *phone, format.format())
        }
        Task::Users { task: UserTask::Delete { phone } } => admin::delete_user(&data, *phone),
        Task::Invite { task } => invite::run(&data, task),
        Task::Stats { format } => show::stats(&data, format.format()),
        Task::Check { format } => show::check(&data, format.format()),
        Task::TrustClock => admin::trust_clock(&data),
        Task::NewDatabase { profile } => admin::create_database(&data, profile.profile()),
        Task::Address { host } => admin::print_address(&data, host.as_deref()),
    }
}
