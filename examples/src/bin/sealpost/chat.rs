//! `sealpost chat`.

use std::sync::Arc;

use sealpost_chat::{Backend, Demo, Mouse, Options, Theme, Zone};
use sealpost_messenger::api::{Method, SubscribeChanges, Time};
use sealpost_programs::{Failure, now};
use serde_json::Value;

use crate::args::{ChatArgs, ThemeName};
use crate::hands::{Hands, Owner};
use crate::home::Home;

/// Shows conversations until the user quits.
pub(crate) fn chat(home: &Home, args: &ChatArgs) -> Result<(), Failure> {
    let hands =
        Hands::take(home, |caller| caller.request(SubscribeChanges::NAME, Value::Null).map(drop))?;
    let Hands { owner, notifications } = hands;
    let backend = Backend { caller: Arc::clone(&owner) as _, notifications };
    let shown = sealpost_chat::run(backend, &options(args), clock);
    match &*owner {
        Owner::Other(_) => {}
        Owner::Here(own) => own.end()?,
    }
    Ok(shown?)
}

/// Shows made-up people until the user quits.
pub(crate) fn demo(args: &ChatArgs) -> Result<(), Failure> {
    Ok(sealpost_chat::run(Demo::live(clock)?, &options(args), clock)?)
}

fn options(args: &ChatArgs) -> Options {
    Options {
        zone: if args.utc { Zone::UTC } else { Zone::system() },
        theme: theme(args.theme),
        mouse: if args.no_mouse { Mouse::Left } else { Mouse::Captured },
    }
}

/// The clock is that of a machine that has started, so it is after 1970.
fn clock() -> Time {
    Time(now().unwrap_or(sealpost_core::time::Timestamp::MIN))
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
