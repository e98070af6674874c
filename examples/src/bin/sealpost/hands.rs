//! Whoever carries out a command: the process that has the home, or this one, which has it for a
//! moment and meanwhile serves others.

use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use sealpost_core::keys::Plaintext;
use sealpost_messenger::api::{ApiError, Caller, Method, Notification};
use sealpost_messenger::engine::{Access, Config, Engine};
use sealpost_messenger::rpc::{Listener, Remote};
use sealpost_mio::SignalHandling;
use sealpost_programs::{Failure, VERSION, entropy};

use crate::home::{Home, require_account};

/// A way to call methods, with notifications of its own.
pub(crate) struct Hands {
    caller: Owner,
    pub(crate) notifications: Receiver<Notification>,
}

enum Owner {
    Other(Remote),
    Here(Box<OwnHome>),
}

/// A home that this process has.
pub(crate) struct OwnHome {
    pub(crate) access: Access,
    pub(crate) engine: Engine,
    pub(crate) listener: Listener,
}

impl Hands {
    /// Connects to the process that has the home, or takes the home and goes online. `prepare` is done
    /// before, so that nothing is missed.
    pub(crate) fn take(
        home: &Home,
        prepare: impl Fn(&dyn Caller) -> Result<(), ApiError>,
    ) -> Result<Self, Failure> {
        let deadline = Instant::now() + HANDOVER_MAX;
        let mut key = None;
        loop {
            if let Some(stream) = home.connect()? {
                match Remote::new(stream) {
                    Ok((remote, notifications)) => {
                        prepare(&remote).map_err(|error| failure(&error))?;
                        return Ok(Self { caller: Owner::Other(remote), notifications });
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Other => {
                        return Err(Failure::with_status(error, BUSY_STATUS));
                    }
                    // It is ending.
                    Err(_) => {}
                }
            }
            if let Some((own, notifications)) = OwnHome::take(home, &mut key)? {
                prepare(&own.access).map_err(|error| failure(&error))?;
                own.engine.connect();
                return Ok(Self { caller: Owner::Here(Box::new(own)), notifications });
            }
            // Its owner has no socket yet, or none any more, or never.
            if Instant::now() >= deadline {
                return Err(home.in_use());
            }
            thread::sleep(HANDOVER_PAUSE);
        }
    }

    /// Calls a method.
    pub(crate) fn call<M: Method>(&self, params: &M::Params) -> Result<M::Result, ApiError> {
        match &self.caller {
            Owner::Other(remote) => remote.call::<M>(params),
            Owner::Here(own) => own.access.call::<M>(params),
        }
    }

    /// Whether the process that had the home has ended. What was called and not answered may have been
    /// done.
    pub(crate) fn is_lost(&self) -> bool {
        match &self.caller {
            Owner::Other(remote) => remote.is_lost(),
            Owner::Here(_) => false,
        }
    }

    /// Lets go of the home, after the requests of others that are being carried out.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self.caller {
            Owner::Other(_) => Ok(()),
            Owner::Here(own) => own.finish(),
        }
    }
}

impl OwnHome {
    /// Takes the home, and serves it, offline. `None` if another process has it. The key is loaded once.
    pub(crate) fn take(
        home: &Home,
        key: &mut Option<Plaintext>,
    ) -> Result<Option<(Self, Receiver<Notification>)>, Failure> {
        // Before the home is locked: loading the key may ask for its passphrase, and meanwhile
        // other commands must be able to use the home.
        let key = match key {
            Some(key) => key,
            None => key.insert(home.load_key()?),
        };
        let Some(account) = home.try_open(key)? else { return Ok(None) };
        require_account(&account.snapshot)?;
        let config = Config { signals: SignalHandling::Stop, version: VERSION };
        let engine = Engine::start(account, entropy()?, config)?;
        let (access, notifications) = engine.access();
        let listener = Listener::bind(home.path(), engine.door())
            .map_err(Failure::context(format!("can't serve {}", home.path().display())))?;
        Ok(Some((Self { access, engine, listener }, notifications)))
    }

    /// Lets go of the home, after the requests of others that are being carried out.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        self.listener.close(PATIENCE);
        drop(self.access);
        Ok(self.engine.finish()?)
    }
}

/// Failure of a method, with the exit status of its kind.
pub(crate) fn failure(error: &ApiError) -> Failure {
    let status = error.kind().map_or(1, sealpost_messenger::api::ErrorKind::exit_status);
    Failure::with_status(error, status)
}

/// How long the home may be between two owners, or without a socket.
const HANDOVER_MAX: Duration = Duration::from_secs(5);
const HANDOVER_PAUSE: Duration = Duration::from_millis(50);
/// Longest wait for requests of others, when this process is about to end.
const PATIENCE: Duration = Duration::from_secs(30);
const BUSY_STATUS: u8 = sealpost_messenger::api::ErrorKind::Busy.exit_status();
