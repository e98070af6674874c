//! `sealpost chat`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sealpost_chat::{
    Backend, Demo, Graphics, Keeping, Mouse, Options, Pictures, Reconnecting, Theme,
    require_terminal, run,
};
use sealpost_core::crypto::Provider;
use sealpost_core::time::Timestamp;
use sealpost_messenger::api::Time;
use sealpost_messenger::rpc::Remote;
use sealpost_programs::{Failure, now};

use crate::args::{ChatArgs, PicturesName, ThemeName};
use crate::authorities::Authorities;
use crate::first_run::make_account;
use crate::hands::{Found, OwnHome};
use crate::home::Home;
use crate::incognito::Incognito;

/// Shows conversations until the user quits.
pub(crate) fn chat(home: &Home, args: &ChatArgs) -> Result<(), Failure> {
    if home.is_new() {
        make_account(home)?;
    }
    let mut connection = Connection { home, own: None };
    let reconnecting =
        if home.asks_for_passphrase() { Reconnecting::Asks } else { Reconnecting::Quiet };
    let outcome = run(|| connection.connect(), &options(args, reconnecting), clock);
    // Also if the terminal has failed.
    let finished = connection.own.map_or(Ok(()), OwnClient::finish);
    outcome.and(finished)
}

/// Shows made-up people until the user quits.
pub(crate) fn demo(args: &ChatArgs) -> Result<(), Failure> {
    run(|| Ok::<_, Failure>(Some(Demo::live(clock)?)), &options(args, Reconnecting::Quiet), clock)
}

/// Registers an account in memory, and shows its conversations until the user quits.
pub(crate) fn incognito(
    authorities: Authorities,
    provider: Arc<dyn Provider>,
    args: &ChatArgs,
) -> Result<(), Failure> {
    require_terminal()?;
    let incognito = Incognito::register(authorities, provider, args.files.clone())?;
    let (own, _) = OwnHome::start(incognito.account()?)?;
    own.engine.connect();
    let mut own = OwnClient { own: Box::new(own), connected_at: None };
    let keeping = if args.files.is_some() { Keeping::FilesOnly } else { Keeping::Nothing };
    let options = Options { keeping, ..options(args, Reconnecting::Quiet) };
    let outcome = run(|| Ok::<_, Failure>(own.connect()), &options, clock);
    outcome.and(own.finish())
}

/// Connects to whoever has the home.
struct Connection<'a> {
    home: &'a Home,
    /// The client, if this process has the home.
    own: Option<OwnClient>,
}

impl Connection<'_> {
    /// Connects, at the start and after the connection was lost. `None` if the client of this process
    /// has stopped.
    fn connect(&mut self) -> Result<Option<Backend>, Failure> {
        if let Some(own) = &mut self.own {
            return Ok(own.connect());
        }
        match Found::at(self.home)? {
            Found::Owner(greeted) => {
                let (remote, notifications) = Remote::new(greeted)?;
                Ok(Some(Backend::new(Arc::new(remote), notifications)))
            }
            Found::Own(own, _) => {
                own.engine.connect();
                Ok(self.own.insert(OwnClient { own, connected_at: None }).connect())
            }
        }
    }
}

/// A client in this process.
struct OwnClient {
    own: Box<OwnHome>,
    connected_at: Option<Instant>,
}

impl OwnClient {
    /// Connects to the client; `None` if it has stopped.
    fn connect(&mut self) -> Option<Backend> {
        let before = self.connected_at.replace(Instant::now());
        let has_stopped = before.is_some_and(|before| before.elapsed() < STOPPED_WITHIN);
        if has_stopped {
            return None;
        }
        let (access, notifications) = self.own.engine.access();
        Some(Backend::new(Arc::new(access), notifications))
    }

    fn finish(self) -> Result<(), Failure> {
        self.own.finish()
    }
}

fn options(args: &ChatArgs, reconnecting: Reconnecting) -> Options {
    Options {
        zone: args.zone.zone(),
        theme: theme(args.theme),
        pictures: if args.pictures == PicturesName::Off { Pictures::Hidden } else { pictures() },
        graphics: graphics(args),
        keeping: Keeping::Everything,
        mouse: if args.no_mouse { Mouse::Left } else { Mouse::Captured },
        reconnecting,
    }
}

fn graphics(args: &ChatArgs) -> Graphics {
    match args.pictures {
        // The demo asks the terminal nothing.
        PicturesName::Auto if args.demo => Graphics::Blocks,
        PicturesName::Auto => Graphics::Auto,
        PicturesName::Kitty => Graphics::Kitty,
        PicturesName::Blocks | PicturesName::Off => Graphics::Blocks,
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

/// The colours that the terminal says it has.
fn pictures() -> Pictures {
    let var = |name| std::env::var(name).unwrap_or_default();
    let (term, colours) = (var("TERM"), var("COLORTERM"));
    let has_all = ["alacritty", "foot", "wezterm", "xterm-ghostty", "xterm-kitty"];
    if matches!(colours.as_str(), "truecolor" | "24bit")
        || term.ends_with("-direct")
        || has_all.iter().any(|known| term.starts_with(known))
    {
        return Pictures::InTrueColour;
    }
    if term.contains("256color") { Pictures::In256Colours } else { Pictures::Hidden }
}

/// The time of this machine, if its clock is after 1970.
fn clock() -> Time {
    Time(now().unwrap_or(Timestamp::MIN))
}

/// A client that closes a connection again so soon has stopped.
const STOPPED_WITHIN: Duration = Duration::from_secs(1);
