//! `sealpost`, a Sealpost client for the command line.
#![forbid(unsafe_code)]

mod address;
mod args;
mod authorities;
mod contacts;
mod events;
mod home;
mod listen;
mod passphrase;
mod register;
mod safety_number;
mod send;
mod session;
mod status;
mod verify;

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
    log_to_stderr(LevelFilter::ERROR, LogFormat::Text)?;
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
        Task::Contacts { format } => contacts::contacts(&home()?, format.format()),
        Task::Verify(args) => verify::verify(&home()?, &args),
        Task::Address { new, new_key, format } => {
            let key = if new_key { ServerKey::New } else { ServerKey::Same };
            address::address(&home()?, new.as_ref(), key, format.format())
        }
        Task::Status { format } => status::status(&home()?, format.format()),
        Task::Manual(manual) => manual.run::<Args>(),
    }
}
