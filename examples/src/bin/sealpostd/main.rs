//! `sealpostd`, the Sealpost server.
#![forbid(unsafe_code)]

mod admin;
mod application;
mod args;
mod backup;
mod ballast;
mod confine;
mod couriers;
mod data;
mod database;
mod manifest;
mod restore;
mod serve;
mod show;
mod size;
mod skipped;

use std::process::ExitCode;

use sealpost_programs::{Failure, hide_memory, run_program};

use args::{Args, Task, UserTask};
use backup::back_up;
use data::DataFolder;
use restore::{Existing, restore};

fn main() -> ExitCode {
    run_program("sealpostd", |args| run(&args))
}

fn run(args: &Args) -> Result<(), Failure> {
    hide_memory()?;
    let Some(task) = &args.task else { return serve::serve(&args.data, &args.serving) };
    if let Task::Restore { backup, replace, skip_ids } = task {
        let existing = if *replace { Existing::MoveAside } else { Existing::Refuse };
        return restore(backup, &DataFolder::make(&args.data)?, existing, *skip_ids);
    }
    let data = DataFolder::existing(&args.data)?;
    match task {
        // The only command that may create the folder.
        Task::Restore { .. } => Ok(()),
        Task::Users { task: UserTask::List { format } } => show::users(&data, format.format()),
        Task::Users { task: UserTask::Show { phone, format } } => {
            show::user(&data, *phone, format.format())
        }
        Task::Users { task: UserTask::Delete { phone } } => admin::delete_user(&data, *phone),
        Task::Stats { format } => show::stats(&data, format.format()),
        Task::Check { format } => show::check(&data, format.format()),
        Task::TrustClock => admin::trust_clock(&data),
        Task::Backup { to } => back_up(&data, to),
        Task::AcceptDatabase { skip_ids } => admin::accept_database(&data, *skip_ids),
        Task::NewDatabase { profile } => admin::create_database(&data, profile.profile()),
        Task::Address { host } => admin::print_address(&data, host.as_deref()),
    }
}
