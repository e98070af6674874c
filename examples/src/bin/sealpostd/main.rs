//! `sealpostd`, the Sealpost server.
#![forbid(unsafe_code)]

mod admin;
mod application;
mod args;
mod confine;
mod couriers;
mod data;
mod offline;
mod serve;
mod show;
mod size;

use std::process::ExitCode;

use sealpost_programs::{Failure, hide_memory, run_program};

use admin::{Repeat, UserChange};
use args::{Args, ChangeArgs, Task, UserTask};
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
        Task::Users { task: UserTask::Delete { user } } => change(&data, user, UserChange::Delete),
        Task::Users { task: UserTask::Suspend { user } } => {
            change(&data, user, UserChange::Suspend)
        }
        Task::Users { task: UserTask::Resume { user } } => change(&data, user, UserChange::Resume),
        Task::Stats { format } => admin::stats(&data, format.format()),
        Task::LogLevel { level, format } => {
            admin::change_log_level(&data, level.clone(), format.format())
        }
        Task::Top { once, format } => {
            let repeat = if *once { Repeat::Once } else { Repeat::UntilLeft };
            admin::top(&data, repeat, format.format())
        }
        Task::Stop { format } => admin::stop(&data, format.format()),
        Task::Check { format } => show::check(&data, format.format()),
        Task::TrustClock { format } => offline::trust_clock(&data, format.format()),
        Task::NewDatabase { profile, format } => {
            offline::create_database(&data, profile.profile(), format.format())
        }
        Task::Address { host, format } => {
            offline::print_address(&data, host.as_deref(), format.format())
        }
    }
}

fn change(data: &DataFolder, user: &ChangeArgs, change: UserChange) -> Result<(), Failure> {
    admin::change_user(data, user.phone, change, user.format.format())
}
