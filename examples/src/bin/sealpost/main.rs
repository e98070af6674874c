//! `sealpost`, a Sealpost client for the command line.
#![forbid(unsafe_code)]

mod address;
mod args;
mod authorities;
mod chat;
mod contacts;
mod daemon;
mod events;
mod first_run;
mod group;
mod group_args;
mod hands;
mod home;
mod listen;
mod passphrase;
mod recipient;
mod register;
mod rpc;
mod safety_number;
mod send;
mod service;
mod session;
mod signals;
mod status;
mod verify;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use sealpost_programs::{Failure, LogFormat, hide_memory, log_to_stderr, run_program};
use tracing_subscriber::filter::LevelFilter;

use args::{Args, Task, home_folder};
use authorities::Authorities;
use home::{Home, ServerKey};

fn main() -> ExitCode {
    run_program("sealpost", run)
}

fn run(args: Args) -> Result<(), Failure> {
    hide_memory()?;
    // Lines of the log would be drawn into the screen.
    if !matches!(args.task, Task::Chat(_)) || !io::stderr().is_terminal() {
        log_to_stderr(LevelFilter::ERROR, LogFormat::Text)?;
    }
    let passphrase_file = args.passphrase_file.clone();
    let home = || {
        Ok::<_, Failure>(Home::new(
            home_folder(args.home)?,
            args.passphrase_file,
            Authorities::new(args.ca),
            args.crypto.provider(args.verify),
        ))
    };
    match args.task {
        Task::Register(args) => register::register(&home()?, &args),
        Task::Send(args) => send::send(&home()?, args),
        Task::Listen(args) => listen::listen(&home()?, &args),
        Task::Chat(args) if args.demo => chat::demo(&args),
        Task::Chat(args) => chat::chat(&home()?, &args),
        Task::Contacts { format } => contacts::contacts(&home()?, format.format()),
        Task::Group(args) => group::group(&home()?, args),
        Task::Verify(args) => verify::verify(&home()?, &args),
        Task::Address { new, new_key, format } => {
            let key = if new_key { ServerKey::New } else { ServerKey::Same };
            address::address(&home()?, new.as_ref(), key, format.format())
        }
        Task::Status { format } => status::status(&home()?, format.format()),
        Task::Daemon => daemon::daemon(&home()?),
        Task::Rpc { openrpc: true } => rpc::print_openrpc(),
        Task::Rpc { openrpc: false } => rpc::rpc(&home()?),
        Task::Call { method, params } => rpc::call(&home()?, &method, params.as_deref()),
        Task::InstallService { print } => {
            service::install(&home()?, passphrase_file.as_deref(), print)
        }
        Task::Manual(manual) => manual.run::<Args>(),
    }
}
