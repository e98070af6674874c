//! `sealpost`, a Sealpost client for the command line.
#![forbid(unsafe_code)]

mod address;
mod archive;
mod args;
mod authorities;
mod body;
mod chat;
mod confirm;
mod contact_list;
mod contacts;
mod daemon;
mod doctor;
mod doctor_server;
mod events;
mod export;
mod files;
mod files_args;
mod finding;
mod first_run;
mod group;
mod group_args;
mod hands;
mod history;
mod home;
mod incognito;
mod listen;
mod markdown;
mod marks;
mod outbox;
mod passphrase;
mod recipient;
mod register;
mod rpc;
mod safety_number;
mod send;
mod send_args;
mod service;
mod session;
mod signals;
mod status;
mod transcript;
mod transfer;
mod verify;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use sealpost_programs::{Failure, LogFormat, hide_memory, log_to_stderr, run_program};
use tracing_subscriber::filter::LevelFilter;

use args::{Args, Task, home_folder};
use authorities::Authorities;
use home::{Home, ServerKey};
use passphrase::Passphrases;

fn main() -> ExitCode {
    run_program("sealpost", run)
}

fn run(args: Args) -> Result<(), Failure> {
    hide_memory()?;
    // Lines of the log would be drawn into the screen.
    if !matches!(args.task, Task::Chat(_)) || !io::stderr().is_terminal() {
        log_to_stderr(LevelFilter::ERROR, LogFormat::Text)?;
    }
    if let Task::Chat(chat_args) = &args.task
        && chat_args.incognito
    {
        if args.home.is_some() {
            return Err(Failure::usage("--incognito has no home: leave --home out"));
        }
        let provider = args.crypto.provider(args.verify);
        return chat::incognito(Authorities::new(args.ca), provider, chat_args);
    }
    let passphrases = Passphrases::of(args.passphrase_file, args.passphrase_command);
    let home = || {
        Ok::<_, Failure>(Home::new(
            home_folder(args.home)?,
            passphrases.clone(),
            Authorities::new(args.ca),
            args.crypto.provider(args.verify),
        ))
    };
    match args.task {
        Task::Register(args) => register::register(&home()?, &args),
        Task::Send(args) => send::send(&home()?, args),
        Task::Files(args) => files::files(&home()?, &args),
        Task::Listen(args) => listen::listen(&home()?, &args),
        Task::Chat(args) if args.demo => chat::demo(&args),
        Task::Chat(args) => chat::chat(&home()?, &args),
        Task::History(args) => history::history(&home()?, &args),
        Task::Search(args) => history::search(&home()?, &args),
        Task::Outbox(args) => outbox::outbox(&home()?, &args),
        Task::Contacts(args) => contacts::contacts(&home()?, &args),
        Task::Group(args) => group::group(&home()?, args),
        Task::Verify(args) => verify::verify(&home()?, &args),
        Task::Address { new, new_key, format } => {
            let key = if new_key { ServerKey::New } else { ServerKey::Same };
            address::address(&home()?, new.as_ref(), key, format.format())
        }
        Task::Status { zone, format } => status::status(&home()?, format.format(), &zone.zone()),
        Task::Export(args) => export::export(&home()?, &args),
        Task::Import(args) => export::import(&home()?, &args),
        Task::Passphrase(args) => passphrase::change(&home()?, &args),
        Task::Doctor(args) => doctor::doctor(&home()?, &args),
        Task::Daemon => daemon::daemon(&home()?),
        Task::Rpc { openrpc: true } => rpc::print_openrpc(),
        Task::Rpc { openrpc: false } => rpc::rpc(&home()?),
        Task::Call { method, params } => rpc::call(&home()?, &method, params.as_deref()),
        Task::InstallService { print } => service::install(&home()?, &passphrases, print),
        Task::Manual(manual) => manual.run::<Args>(),
    }
}
