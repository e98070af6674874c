//! `sealpost chat`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sealpost_chat::{Backend, Demo, Mouse, Options, Reconnecting, Theme, run};
use sealpost_core::time::Timestamp;
use sealpost_messenger::api::Time;
use sealpost_messenger::rpc::Remote;
use sealpost_programs::{Failure, now};

use crate::args::{ChatArgs, ThemeName};
use crate::first_run::make_account;
use crate::hands::{Found, OwnHome};
use crate::home::Home;

/// Shows conversations until the user quits.
pub(crate) fn chat(home: &Home, args: &ChatArgs) -> Result<(), Failure> {
    if home.is_new() {
        make_account(home)?;
    }
    let mut connection = Connection { home, own: None, connected_at: None };
    let reconnecting =
        if home.asks_for_passphrase() { Reconnecting::Asks } else { Reconnecting::Quiet };
    let outcome = run(|| connection.connect(), &options(args, reconnecting), clock);
    // Also if the terminal has failed.
    let finished = connection.own.map_or(Ok(()), |own| own.finish());
    outcome.and(finished)
}

/// Shows made-up people until the user quits.
pub(crate) fn demo(args: &ChatArgs) -> Result<(), Failure> {
    run(|| Ok::<_, Failure>(Some(Demo::live(clock)?)), &options(args, Reconnecting::Quiet), clock)
}

/// Connects to whoever has the home.
struct Connection<'a> {
    home: &'a Home,
    /// The home, if this process has it.
    own: Option<Box<OwnHome>>,
    connected_at: Option<Instant>,
}

impl Connection<'_> {
    /// Connects, at the start and after the connection was lost. `None` if the client of this process
    /// has stopped.
    fn connect(&mut self) -> Result<Option<Backend>, Failure> {
        let before = self.connected_at.replace(Instant::now());
        if let Some(own) = &self.own {
            let has_stopped = before.is_some_and(|before| before.elapsed() < STOPPED_WITHIN);
            return Ok((!has_stopped).then(|| backend_of(own)));
        }
        match Found::at(self.home)? {
            Found::Owner(greeted) => {
                let (remote, notifications) = Remote::new(greeted)?;
                Ok(Some(Backend { caller: Arc::new(remote), notifications }))
            }
            Found::Own(own, _) => {
                own.engine.connect();
                Ok(Some(backend_of(self.own.insert(own))))
            }
        }
    }
}

fn backend_of(own: &OwnHome) -> Backend {
    let (access, notifications) = own.engine.access();
    Backend { caller: Arc::new(access), notifications }
}

fn options(args: &ChatArgs, reconnecting: Reconnecting) -> Options {
    Options {
        zone: args.zone.zone(),
        theme: theme(args.theme),
        mouse: if args.no_mouse { Mouse::Left } else { Mouse::Captured },
        reconnecting,
    }
}

fn theme(name: Option<ThemeName>) -> Theme {
    match name {
        Some(ThemeName::Light) => Theme::Light,
        Some(ThemeName::Plain) => Theme::Plain,
        None if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) => Theme::Plain,
        Some(ThemeName::Dark) | None => Theme::Dark,
    }
}

/// The time of this machine, if its clock is after 1970.
fn clock() -> Time {
    Time(now().unwrap_or(Timestamp::MIN))
}

/// A client that closes a connection again so soon has stopped.
const STOPPED_WITHIN: Duration = Duration::from_secs(1);
