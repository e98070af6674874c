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
#[cfg_attr(not(feature = "jetstream"), path = "no_migrate.rs")]
mod migrate;
mod offline;
mod recording;
mod restore;
mod running;
mod serve;
mod show;
mod site;
mod size;
mod skipped;
mod sockets;
mod store;
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
use site::Site;

fn main() -> ExitCode {
    run_program("sealpostd", run)
}

fn run(args: Args) -> Result<(), Failure> {
    hide_memory()?;
    let layers = Layers::new(args.config, args.flags)?;
    let path = || layers.data();
    let existing = || DataFolder::existing(&path()?);
    let site = || Site::existing(&path()?, &layers);
    let database = |instead| site()?.data().with_database(instead).cloned();
    match args.task {
        None => serve::serve(&layers, args.init),
        Some(Task::Init { format }) => init::init(&layers, format.format()),
        Some(Task::Config { task: None }) => init::print_config(&layers),
        Some(Task::Config { task: Some(ConfigTask::Check { format }) }) => {
            init::check_config(&layers, format.format())
        }
        Some(Task::Users { task: UserTask::List { format } }) => {
            show::users(&site()?, format.format())
        }
        Some(Task::Users { task: UserTask::Show { phone, format } }) => {
            show::user(&site()?, phone, format.format())
        }
        Some(Task::Users { task: UserTask::Delete { user } }) => {
            change(&site()?, &user, UserChange::Delete)
        }
        Some(Task::Users { task: UserTask::Suspend { user } }) => {
            change(&site()?, &user, UserChange::Suspend)
        }
        Some(Task::Users { task: UserTask::Resume { user } }) => {
            change(&site()?, &user, UserChange::Resume)
        }
        Some(Task::Key { task }) => {
            let retire_after = Config::new(&layers.settings()?)?.key.retire_after;
            key::run(&site()?, task, retire_after.0)
        }
        Some(Task::Invite { task }) => invite::run(&site()?, &task),
        Some(Task::Stats { format }) => admin::stats(&site()?, format.format()),
        Some(Task::Health { metrics, format }) => {
            let configured = Config::new(&layers.settings()?)?.metrics.listen;
            metrics::health(metrics.or(configured), existing, format.format())
        }
        Some(Task::LogLevel { level, format }) => {
            admin::change_log_level(&site()?, level, format.format())
        }
        Some(Task::Top { once, format }) => {
            let repeat = if once { Repeat::Once } else { Repeat::UntilLeft };
            admin::top(&existing()?, repeat, format.format())
        }
        Some(Task::Reload { format }) => admin::reload(&site()?, format.format()),
        Some(Task::Stop { format }) => admin::stop(&existing()?, format.format()),
        Some(Task::Check { format }) => show::check(&database(CHECK)?, format.format()),
        Some(Task::TrustClock { format }) => offline::trust_clock(&site()?, format.format()),
        Some(Task::Backup { to, format }) => back_up(&database(BACKUP)?, &to, format.format()),
        // The only command on a folder that need not exist.
        Some(Task::Restore { backup, replace, skip_ids, format }) => {
            let existing = if replace { Existing::MoveAside } else { Existing::Refuse };
            let data = DataFolder::make(&path()?)?;
            restore(&backup, data.with_database(RESTORE)?, existing, skip_ids, format.format())
        }
        Some(Task::Migrate { args }) => migrate::run(&existing()?, &layers, &args),
        Some(Task::AcceptDatabase { skip_ids, format }) => {
            offline::accept_database(&database(NO_DATABASE)?, skip_ids, format.format())
        }
        Some(Task::NewDatabase { profile, format }) => {
            offline::create_database(&database(NO_DATABASE)?, profile.profile(), format.format())
        }
        Some(Task::Address { host, old, format }) => {
            let key = if old { AddressKey::Old } else { AddressKey::New };
            offline::print_address(&existing()?, key, host.as_deref(), format.format())
        }
        Some(Task::Manual(manual)) => manual.run::<Args>(),
    }
}

fn change(site: &Site, user: &ChangeArgs, change: UserChange) -> Result<(), Failure> {
    admin::change_user(site, user.phone, change, user.format.format())
}

/// What to do in place of commands that need a database.
const CHECK: &str =
    "NATS checks its own files; `nats stream report` shows the state of the streams";
const BACKUP: &str = "back up the streams with `nats account backup`, and copy the keys in the data \
                      folder (docs/OPERATING.md, Several servers)";
const RESTORE: &str = "restore the streams with `nats account restore`, and copy the keys into the data \
                       folder (docs/OPERATING.md, Several servers)";
const NO_DATABASE: &str =
    "to begin with nothing, use a new data folder, and another nats.deployment";
