//! The process that owns a home: it keeps the session with the server, takes what arrives, and
//! carries out the methods of the interface.
//!
//! Four kinds of threads work on it:
//!
//! - the host's, on which the client machine and its store run;
//! - one that takes the machine's outputs: messages go into the store, notices to whoever waits;
//! - one that works on file transfers, and waits for the disk;
//! - those of the callers, each with an [`Access`]. They read the database beside its writer, write
//!   to it between two commits, and wait for notices.

mod access;
mod account;
mod answer;
mod changes;
mod clock;
mod consumers;
mod core;
mod dispatch;
mod entries;
mod file_body;
mod files;
mod groups;
mod held;
mod hub;
mod mentions;
mod methods;
mod notices;
mod outputs;
mod safety_numbers;
mod timeline;

pub use access::Access;
pub use account::Account;
pub use answer::{Answer, Waiting};
pub use consumers::LISTENER;
pub use outputs::server_key_changed;

use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sealpost_core::client::{self, Client, Limits};
use sealpost_core::entropy::Entropy;
use sealpost_mio::{ClientHost, Handle, HostConfig, SignalHandling};

use self::core::Core;
use crate::api::Notification;
use hub::Hub;
use outputs::{Forwarder, Output};

/// A running client. When it is dropped, it disconnects from the server first.
pub struct Engine {
    core: Arc<Core>,
    inputs: Sender<Output>,
    /// Before the first session.
    pause: Duration,
    threads: Vec<JoinHandle<Result<(), sealpost_mio::Error>>>,
    _lock: Box<dyn Send + Sync>,
}

/// Settings of an engine.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// What it does on signals.
    pub signals: SignalHandling,
    /// Version of the program.
    pub version: &'static str,
}

/// Why an engine did not start, or did not end in order.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The machine does not accept its limits.
    #[error(transparent)]
    Limits(#[from] sealpost_core::frame::InvalidLimits),
    /// The host failed.
    #[error(transparent)]
    Host(#[from] sealpost_mio::Error),
    /// The database failed.
    #[error("the client's database failed: {0}")]
    Store(#[from] sealpost_core::frame::StoreError),
    /// The system gave no thread.
    #[error("can't start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// A thread panicked, which is a bug.
    #[error("a thread of the client panicked")]
    Panicked,
}

impl Engine {
    /// Starts the client, offline.
    pub fn start(account: Account, entropy: Entropy, config: Config) -> Result<Self, EngineError> {
        let Account {
            identity,
            servers,
            snapshot,
            mut store,
            database,
            files: folder,
            mut crypto,
            lock,
        } = account;
        let arrived = consumers::begin(&mut store)?;
        // Paths of received files are shown to programs in other folders.
        let folder = folder.map(|folder| std::path::absolute(&folder).unwrap_or(folder));
        let released = store.last_released()?.map_or(0, |place| place.0);
        let desk = groups::Desk::new(crypto.fork(), identity.phone);
        let public_key = crypto.public_key().clone();
        let pause = pause_before_session(&snapshot.account);
        let machine_config = client::Config {
            profile: identity.profile,
            public_key: public_key.clone(),
            endpoints: identity.endpoints.count(),
            limits: Limits::default(),
        };
        let machine = Client::new(machine_config, snapshot, entropy)?;
        let (sender, outputs) = mpsc::channel();
        let host_config = HostConfig { signals: config.signals, ..HostConfig::default() };
        let forwarder = Forwarder(sender.clone());
        let host = ClientHost::new(&host_config, servers, store, crypto, machine, forwarder)?;
        let (files, works) = files::Files::new();
        let core = Arc::new(Core {
            handle: host.handle(),
            hub: Arc::new(Hub::new(arrived.0)),
            files,
            identity,
            public_key,
            safety_numbers: safety_numbers::SafetyNumbers::default(),
            version: config.version,
            store: host.store(),
            database,
            held: held::Held::default(),
            members: groups::Members::default(),
            groups: Mutex::new(desk),
            released_up_to: AtomicU64::new(released),
            readers: Mutex::default(),
        });
        let ended = sender.clone();
        let host = thread::Builder::new().name("client".into()).spawn(move || {
            let outcome = host.run();
            // The other thread may have ended before.
            let _ = ended.send(Output::Ended);
            outcome
        })?;
        let taker = Arc::clone(&core);
        if let Err(error) = core.send_unsent() {
            tracing::error!(%error, "can't read the messages that were being sent");
        }
        if let Err(error) = core.start_groups() {
            tracing::error!(%error, "can't read the groups; trying again when they are needed");
        }
        let clerk = Arc::clone(&core);
        let clerk = thread::Builder::new().name("files".into()).spawn(move || {
            files::work(clerk, folder, &works);
            Ok(())
        })?;
        let outputs = thread::Builder::new().name("outputs".into()).spawn(move || {
            outputs::take(&taker, &outputs);
            taker.hub.stop();
            taker.files.stop();
            Ok(())
        })?;
        Ok(Self { core, inputs: sender, pause, threads: vec![host, outputs, clerk], _lock: lock })
    }

    /// Goes online, and stays online.
    pub fn connect(&self) {
        // The thread that takes it ends only with the engine.
        let _ = self.inputs.send(Output::Connect(self.pause));
    }

    /// A way to call methods, with subscriptions of its own: what they bring arrives in the receiver,
    /// which must be read. If it is not read for long, the receiver is closed.
    pub fn access(&self) -> (Access, Receiver<Notification>) {
        self.door().open()
    }

    /// Gives out accesses on another thread.
    pub fn door(&self) -> Door {
        Door(Arc::clone(&self.core))
    }

    /// Waits until a signal has stopped the client, or [`Stopper::stop`].
    pub fn wait(&self) {
        self.core.hub.wait_for_the_end();
    }

    /// Whether the client has not stopped yet.
    pub fn is_running(&self) -> bool {
        !self.core.hub.has_stopped()
    }

    /// Stops the client from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.core.handle.clone())
    }

    /// Disconnects from the server, and waits until everything is stored.
    pub fn finish(mut self) -> Result<(), EngineError> {
        self.stop()
    }

    fn stop(&mut self) -> Result<(), EngineError> {
        self.core.handle.stop();
        let mut outcome = Ok(());
        for thread in self.threads.drain(..) {
            match thread.join() {
                Ok(ended) => outcome = outcome.and(ended.map_err(EngineError::from)),
                Err(_) => outcome = Err(EngineError::Panicked),
            }
        }
        outcome
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // A caller that needs to know about a failure calls `finish`.
        let _ = self.stop();
    }
}

/// Gives out accesses to an engine.
#[derive(Clone)]
pub struct Door(Arc<Core>);

impl Door {
    /// As [`Engine::access`].
    pub fn open(&self) -> (Access, Receiver<Notification>) {
        let (sender, receiver) = mpsc::sync_channel(NOTIFICATIONS_MAX);
        (Access::new(Arc::clone(&self.0), sender), receiver)
    }
}

/// Stops an engine.
#[derive(Clone, Debug)]
pub struct Stopper(Handle<Client>);

impl Stopper {
    /// Stops the client gracefully, as a signal does.
    pub fn stop(&self) {
        self.0.stop();
    }
}

/// The date of a session must be newer than that of the session before, to the second. Rather than
/// date it ahead of the clock, the client waits for the clock: otherwise a hundred sessions in a
/// hundred short commands would be two minutes ahead of it, and the server would refuse the next. A
/// home that is further ahead already gains on the clock with each session.
fn pause_before_session(account: &client::store::Account) -> Duration {
    let Some(last) = account.last_reconnect else { return Duration::ZERO };
    let since_1970 =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    // The first moment of the second after that of the last session, by our own clock.
    let free = last.unix_secs().saturating_add(1).saturating_sub(account.clock_offset_secs);
    let free = Duration::from_secs(u64::try_from(free).unwrap_or(0));
    free.saturating_sub(since_1970).min(PAUSE_MAX)
}

/// Longest wait for the clock.
const PAUSE_MAX: Duration = Duration::from_millis(1_500);
/// Notifications that wait to be read.
const NOTIFICATIONS_MAX: usize = 1_024;
