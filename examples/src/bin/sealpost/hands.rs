//! Whoever carries out a command: the process that has the home, or this one, which has it for a
//! moment and meanwhile serves others.

use std::io;
use std::os::unix::net::UnixListener;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use sealpost_core::keys::Plaintext;
use sealpost_messenger::api::{
    ApiError, Caller, Changed, ErrorKind, Method, Notification, SubscribeChanges,
};
use sealpost_messenger::engine::{Access, Account, Config, Engine};
use sealpost_messenger::rpc::{Greeted, Listener, Remote};
use sealpost_mio::SignalHandling;
use sealpost_programs::{Failure, VERSION, entropy, tell};
use serde_json::Value;

use crate::home::{Home, require_account};

/// A way to call methods, with notifications of its own.
pub(crate) struct Hands {
    pub(crate) owner: Owner,
    pub(crate) notifications: Receiver<Notification>,
}

/// Who has the home.
pub(crate) enum Owner {
    Other(Remote),
    Here(Box<OwnHome>),
}

/// Who has a home.
pub(crate) enum Found {
    /// Another process, which has greeted.
    Owner(Greeted),
    /// This one, from now on. It is offline.
    Own(Box<OwnHome>, Receiver<Notification>),
}

/// A home that this process has.
pub(crate) struct OwnHome {
    pub(crate) access: Access,
    pub(crate) engine: Engine,
    listener: Option<Listener>,
}

/// How an owner of a home serves other commands.
#[derive(Debug)]
pub(crate) enum Service {
    /// On the socket in the home.
    Bound,
    /// On a socket that the service manager passed on.
    Adopted(UnixListener),
    /// Not at all: others wait until it is done.
    Withheld,
}

impl Hands {
    /// Connects to the process that has the home, or takes the home and goes online. `prepare` is done
    /// before, so that nothing is missed.
    pub(crate) fn take(
        home: &Home,
        prepare: impl Fn(&dyn Caller) -> Result<(), ApiError>,
    ) -> Result<Self, Failure> {
        let deadline = Instant::now() + HANDOVER_MAX;
        loop {
            let hands = Self::of(Found::at(home)?)?;
            match (&hands.owner, prepare(&hands.owner)) {
                (Owner::Here(own), Ok(())) => own.engine.connect(),
                (Owner::Other(_), Ok(())) => {}
                // It has ended since it greeted.
                (Owner::Other(_), Err(error))
                    if error.kind() == Some(ErrorKind::Unavailable)
                        && Instant::now() < deadline =>
                {
                    thread::sleep(HANDOVER_PAUSE);
                    continue;
                }
                (Owner::Here(_) | Owner::Other(_), Err(error)) => return Err(failure(&error)),
            }
            return Ok(hands);
        }
    }

    /// Connects to the process that has the home, or takes the home for a moment and stays offline.
    /// Meanwhile it serves no others, who may need the server: the caller must not wait for anything.
    pub(crate) fn offline(home: &Home) -> Result<Self, Failure> {
        Self::of(Found::at_with(home, || Service::Withheld)?)
    }

    fn of(found: Found) -> Result<Self, Failure> {
        let (owner, notifications) = match found {
            Found::Owner(greeted) => {
                let (remote, notifications) = Remote::new(greeted)?;
                (Owner::Other(remote), notifications)
            }
            Found::Own(own, notifications) => (Owner::Here(own), notifications),
        };
        Ok(Self { owner, notifications })
    }

    /// Calls a method.
    pub(crate) fn call<M: Method>(&self, params: &M::Params) -> Result<M::Result, ApiError> {
        self.owner.call::<M>(params)
    }

    /// Tells the person of warnings that have come.
    pub(crate) fn tell_warnings(&self) -> Result<(), Failure> {
        for notification in self.notifications.try_iter() {
            if let Notification::Changed(Changed::Warning { text }) = notification {
                tell(format_args!("* {text}"))?;
            }
        }
        Ok(())
    }

    /// Whether the process that had the home has ended, or has hung up. What was called and not
    /// answered may have been done.
    pub(crate) fn is_lost(&self) -> bool {
        match &self.owner {
            Owner::Other(remote) => remote.is_lost(),
            Owner::Here(_) => false,
        }
    }

    /// Whether this process has the home, and was not stopped.
    pub(crate) fn runs_here(&self) -> bool {
        match &self.owner {
            Owner::Other(_) => false,
            Owner::Here(own) => own.engine.is_running(),
        }
    }

    /// Lets go of the home, after the requests of others that are being carried out.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        drop(self.notifications);
        match self.owner {
            Owner::Here(own) => own.finish(),
            Owner::Other(_) => Ok(()),
        }
    }
}

impl Caller for Owner {
    fn request(&self, method: &str, params: Value) -> Result<Value, ApiError> {
        match self {
            Self::Other(remote) => remote.request(method, params),
            Self::Here(own) => own.access.request(method, params),
        }
    }
}

impl Found {
    /// Connects to the process that has the home, or takes the home and serves it.
    pub(crate) fn at(home: &Home) -> Result<Self, Failure> {
        Self::at_with(home, || Service::Bound)
    }

    fn at_with(home: &Home, service: impl Fn() -> Service) -> Result<Self, Failure> {
        let deadline = Instant::now() + HANDOVER_MAX;
        let mut key = None;
        loop {
            if let Some(stream) = home.connect()? {
                match Greeted::by(stream) {
                    Ok(greeted) => return Ok(Self::Owner(greeted)),
                    Err(error) if error.kind() == io::ErrorKind::Other => {
                        return Err(Failure::with_status(error, ErrorKind::Busy.exit_status()));
                    }
                    // It is ending.
                    Err(_) => {}
                }
            }
            if let Some((own, notifications)) = OwnHome::take(home, &mut key, service())? {
                return Ok(Self::Own(Box::new(own), notifications));
            }
            // Its owner has no socket yet, or none any more, or never.
            if Instant::now() >= deadline {
                return Err(home.in_use());
            }
            thread::sleep(HANDOVER_PAUSE);
        }
    }
}

impl OwnHome {
    /// Takes the home, and stays offline. `None` if another process has it. The key is loaded once.
    pub(crate) fn take(
        home: &Home,
        key: &mut Option<Plaintext>,
        service: Service,
    ) -> Result<Option<(Self, Receiver<Notification>)>, Failure> {
        // Before the home is locked: loading the key may ask for its passphrase, and meanwhile
        // other commands must be able to use the home.
        let key = match key {
            Some(key) => key,
            None => key.insert(home.load_key()?),
        };
        let Some(account) = home.try_open(key)? else { return Ok(None) };
        let (own, notifications) = Self::start(account)?;
        let engine = &own.engine;
        let listener = match service {
            Service::Adopted(socket) => {
                Listener::adopt(home.path(), socket, engine.door()).map(Some)
            }
            Service::Bound => Listener::bind(home.path(), engine.door()).map(Some),
            Service::Withheld => Ok(None),
        };
        let listener =
            listener.map_err(Failure::context(format!("can't serve {}", home.path().display())))?;
        Ok(Some((Self { listener, ..own }, notifications)))
    }

    /// Starts the client of an account, offline. Nobody else is served.
    pub(crate) fn start(account: Account) -> Result<(Self, Receiver<Notification>), Failure> {
        require_account(&account.snapshot)?;
        let config = Config { signals: SignalHandling::Stop, version: VERSION };
        let engine = Engine::start(account, entropy()?, config)?;
        let (access, notifications) = engine.access();
        Ok((Self { access, engine, listener: None }, notifications))
    }

    /// Lets go of the home, after the requests of others that are being carried out.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        if let Some(listener) = self.listener {
            listener.close(PATIENCE);
        }
        drop(self.access);
        Ok(self.engine.finish()?)
    }
}

/// Asks for warnings, and whatever else changes.
pub(crate) fn subscribe_changes(caller: &dyn Caller) -> Result<(), ApiError> {
    caller.request(SubscribeChanges::NAME, Value::Null).map(drop)
}

/// Failure of a method, with the exit status of its kind.
pub(crate) fn failure(error: &ApiError) -> Failure {
    let status = error.kind().map_or(1, ErrorKind::exit_status);
    let kept = error.data.as_ref().and_then(|data| data.entry);
    match kept.filter(|_| error.kind() == Some(ErrorKind::KeptForLater)) {
        Some(entry) => Failure::with_status(format_args!("{error} (number {entry})"), status),
        None => Failure::with_status(error, status),
    }
}

/// A time-out in seconds as methods take it. More than a century is for ever.
pub(crate) fn seconds(timeout: u64) -> u32 {
    u32::try_from(timeout).unwrap_or(u32::MAX)
}

/// How long the home may be between two owners, or without a socket.
pub(crate) const HANDOVER_MAX: Duration = Duration::from_secs(5);
pub(crate) const HANDOVER_PAUSE: Duration = Duration::from_millis(50);
/// Longest wait for requests of others, when this process is about to end.
const PATIENCE: Duration = Duration::from_secs(30);
