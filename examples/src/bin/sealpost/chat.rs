//! `sealpost chat`.

use sealpost_chat::{Backend, Demo, Mouse, Options, Theme, Zone};
use sealpost_messenger::api::Time;
use sealpost_programs::{Failure, now};

use crate::args::{ChatArgs, ThemeName};

/// Shows conversations until the user quits.
pub(crate) fn chat(args: &ChatArgs) -> Result<(), Failure> {
    let options = Options {
        zone: if args.utc { Zone::UTC } else { Zone::system() },
        theme: theme(args.theme),
        mouse: if args.no_mouse { Mouse::Left } else { Mouse::Captured },
    };
    // The clock is that of a machine that has started, so it is after 1970.
    let clock = || Time(now().unwrap_or(sealpost_core::time::Timestamp::MIN));
    Ok(sealpost_chat::run(backend(args, clock)?, &options, clock)?)
}

/// Whoever carries out the requests.
fn backend(args: &ChatArgs, clock: fn() -> Time) -> Result<Backend, Failure> {
    if !args.demo {
        return Err(Failure::usage("chat has only made-up people so far: pass --demo"));
    }
    Ok(Demo::live(clock)?)
}

fn theme(name: Option<ThemeName>) -> Theme {
    match name {
        Some(ThemeName::Dark) => Theme::Dark,
        Some(ThemeName::Light) => Theme::Light,
        Some(ThemeName::Plain) => Theme::Plain,
        None if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) => Theme::Plain,
        None => Theme::Dark,
    }
}
