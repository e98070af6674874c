//! `sealpostd`, the Sealpost server.
#![forbid(unsafe_code)]

mod address;
mod admin;
mod application;
mod args;
mod backup;
mod ballast;
mod bound;
mod config;
mod confine;
mod couriers;
mod data;
mod database;
mod init;
mod invite;
mod key;
mod manifest;
mod metrics;
mod offline;
mod recording;
mod restore;
mod running;
mod serve;
mod show;
mod size;
mod skipped;
mod sockets;
mod supervisor;
mod tls;

use std::process::ExitCode;

use sealpost_programs::{Failure, hide_memory, run_program};

use admin::{Repeat, UserChange};
use args::{Args, ChangeArgs, ConfigTask, Task, UserTask};
use backup::back_up;
use config::{Config, Layers};
use data::DataFolder;
use offline::AddressKey;
use restore::{Existing, restore};

fn main() -> ExitCode {
    run_program("sealpostd", run)
}

fn run(args: Args) -> Result<(), Failure> {
    hide_memory()?;
    let layers = Layers::new(args.config, args.flags)?;
    let path = || layers.data();
    let existing = || DataFolder::existing(&path()?);
    match args.task {
        None => serve::serve(&layers, args.init),
        Some(Task::Init { format }) => init::init(&layers, format.format()),
        Some(Task::Config { task: None }) => init::print_config(&layers),
        Some(Task::Config { task: Some(ConfigTask::Check { format }) }) => {
            init::check_config(&layers, format.format())
        }
        Some(Task::Users { task: UserTask::List { format } }) => {
            show::users(&existing()?, format.format())
        }
        Some(Task::Users { task: UserTask::Show { phone, format } }) => {
            show::user(&existing()?, phone, format.format())
        }
        Some(Task::Users { task: UserTask::Delete { user } }) => {
            change(&existing()?, &user, UserChange::Delete)
        }
        Some(Task::Users { task: UserTask::Suspend { user } }) => {
            change(&existing()?, &user, UserChange::Suspend)
        }
        Some(Task::Users { task: UserTask::Resume { user } }) => {
            change(&existing()?, &user, UserChange::Resume)
        }
        Some(Task::Key { task }) => {
            let retire_after = Config::new(&layers.settings()?)?.key.retire_after;
            key::run(&existing()?, task, retire_after.0)
        }
        Some(Task::Invite { task }) => invite::run(&existing()?, &task),
        Some(Task::Stats { format }) => admin::stats(&existing()?, format.format()),
        Some(Task::Health { metrics, format }) => {
            let configured = Config::new(&layers.settings()?)?.metrics.listen;
            metrics::health(metrics.or(configured), existing, format.format())
        }
        Some(Task::LogLevel { level, format }) => {
            admin::change_log_level(&existing()?, level, format.format())
        }
        Some(Task::Top { once, format }) => {
            let repeat = if once { Repeat::Once } else { Repeat::UntilLeft };
            admin::top(&existing()?, repeat, format.format())
        }
        Some(Task::Reload { format }) => admin::reload(&existing()?, format.format()),
        Some(Task::Stop { format }) => admin::stop(&existing()?, format.format()),
        Some(Task::Check { format }) => show::check(&existing()?, format.format()),
        Some(Task::TrustClock { format }) => offline::trust_clock(&existing()?, format.format()),
        Some(Task::Backup { to, format }) => back_up(&existing()?, &to, format.format()),
        // The only command on a folder that need not exist.
        Some(Task::Restore { backup, replace, skip_ids, format }) => {
            let existing = if replace { Existing::MoveAside } else { Existing::Refuse };
            let data = DataFolder::make(&path()?)?;
            restore(&backup, &data, existing, skip_ids, format.format())
        }
        Some(Task::AcceptDatabase { skip_ids, format }) => {
            offline::accept_database(&existing()?, skip_ids, format.format())
        }
        Some(Task::NewDatabase { profile, format }) => {
            offline::create_database(&existing()?, profile.profile(), format.format())
        }
        Some(Task::Address { host, old, format }) => {
            let key = if old { AddressKey::Old } else { AddressKey::New };
            offline::print_address(&existing()?, key, host.as_deref(), format.format())
        }
        Some(Task::Manual(manual)) => manual.run::<Args>(),
    }
}

fn change(data: &DataFolder, user: &ChangeArgs, change: UserChange) -> Result<(), Failure> {
    admin::change_user(data, user.phone, change, user.format.format())
}
