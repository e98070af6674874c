//! The client machine at work on a thread of its own, and what it tells.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use sealpost_core::client::store::InboxItem;
use sealpost_core::client::{self, Client, Command, Limits, Notice, OfflineReason};
use sealpost_core::entropy::Entropy;
use sealpost_mio::{Application, ClientHost, Control, Handle, HostConfig, SignalHandling};
use sealpost_programs::{Failure, FolderLock, random_seed};

use crate::home::Account;

/// A running client. Dropped, it takes leave of the server first.
pub(crate) struct Session {
    handle: Handle<Client>,
    told: Receiver<Told>,
    thread: Option<JoinHandle<Result<(), sealpost_mio::Error>>>,
    host_port: String,
    _lock: FolderLock,
}

/// What the machine tells.
#[derive(Debug)]
pub(crate) enum Told {
    /// A message that was not shown yet.
    Message(Box<InboxItem>),
    /// Anything else.
    Notice(Notice),
}

/// What waiting came to.
#[derive(Debug)]
pub(crate) enum Waited {
    /// Something was told.
    Told(Told),
    /// It took too long.
    TimedOut,
    /// The client has stopped, on a signal.
    Stopped,
}

/// Passes on what the machine tells.
struct Forward(Sender<Told>);

impl Application<Client> for Forward {
    fn deliver(&mut self, item: InboxItem) {
        // Nobody listens any more once the program is about to end.
        let _ = self.0.send(Told::Message(Box::new(item)));
    }

    fn notify(&mut self, notice: Notice) -> Control {
        let control = if notice == Notice::Stopped { Control::Stop } else { Control::Continue };
        if let Notice::StoreFailed(error) = &notice {
            tracing::error!(%error, "the client's database did not do it");
        }
        let _ = self.0.send(Told::Notice(notice));
        control
    }
}

impl Session {
    /// Starts the client, offline.
    pub(crate) fn start(account: Account, signals: SignalHandling) -> Result<Self, Failure> {
        let Account { identity, snapshot, store, crypto, lock } = account;
        let config = client::Config {
            profile: identity.profile,
            public_key: crypto.public_key().clone(),
            limits: Limits::default(),
        };
        let machine = Client::new(config, snapshot, Entropy::from_seed(random_seed()?));
        let (sender, told) = mpsc::channel();
        let host_config = HostConfig { signals, ..HostConfig::default() };
        let host_port = identity.host_port;
        let host = ClientHost::new(
            &host_config,
            host_port.clone(),
            store,
            crypto,
            machine,
            Forward(sender),
        )?;
        let handle = host.handle();
        let thread = thread::Builder::new().name("client".into()).spawn(|| host.run())?;
        Ok(Self { handle, told, thread: Some(thread), host_port, _lock: lock })
    }

    /// Gives the machine a command.
    pub(crate) fn command(&self, command: Command) {
        self.handle.command(command);
    }

    /// What is told next, until `deadline`; for ever without one.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Waited {
        let told = match deadline {
            Some(deadline) => {
                self.told.recv_timeout(deadline.saturating_duration_since(Instant::now()))
            }
            None => self.told.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match told {
            Ok(Told::Notice(Notice::Stopped)) | Err(RecvTimeoutError::Disconnected) => {
                Waited::Stopped
            }
            Ok(told) => Waited::Told(told),
            Err(RecvTimeoutError::Timeout) => Waited::TimedOut,
        }
    }

    /// Waits until `mind` finds what it waits for in a notice; `None` if that takes until `deadline`.
    /// Messages that come meanwhile are left for `listen`.
    ///
    /// # Errors
    /// What `mind` says, or that the client is offline for good, or stopped by a signal.
    pub(crate) fn until<T>(
        &self,
        deadline: Instant,
        mut mind: impl FnMut(&Notice) -> Option<Result<T, Failure>>,
    ) -> Result<Option<T>, Failure> {
        loop {
            let notice = match self.wait(Some(deadline)) {
                Waited::Told(Told::Notice(notice)) => notice,
                Waited::Told(Told::Message(_)) => continue,
                Waited::TimedOut => return Ok(None),
                Waited::Stopped => return Err(Failure::new("stopped by a signal")),
            };
            if let Some(found) = mind(&notice) {
                return found.map(Some);
            }
            if let Some(failure) = self.given_up(&notice) {
                return Err(failure);
            }
        }
    }

    /// Why the client is offline, if it is not going to try again by itself.
    pub(crate) fn given_up(&self, notice: &Notice) -> Option<Failure> {
        let Notice::Offline { reason, retry_in: None } = notice else { return None };
        match reason {
            // We stop, or the registration itself says what is next.
            OfflineReason::Wished
            | OfflineReason::AwaitingOtp
            | OfflineReason::RegistrationFailed => None,
            OfflineReason::Unreachable => Some(self.unreachable()),
            OfflineReason::Lost
            | OfflineReason::TimedOut
            | OfflineReason::Refused(_)
            | OfflineReason::Fault
            | OfflineReason::WrongServer
            | OfflineReason::Displaced
            | OfflineReason::NotRegistered
            | OfflineReason::Local => Some(Failure::new(reason)),
        }
    }

    /// Nobody answers where the server should be.
    pub(crate) fn unreachable(&self) -> Failure {
        Failure::new(format_args!("no server can be reached at {}", self.host_port))
    }

    /// Nothing was heard for too long.
    pub(crate) fn silent(&self) -> Failure {
        Failure::new(format_args!("no answer in time from the server at {}", self.host_port))
    }

    /// Takes leave of the server, and waits until everything is kept.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.stop()
    }

    fn stop(&mut self) -> Result<(), Failure> {
        self.handle.stop();
        match self.thread.take().map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(error.into()),
            Some(Err(_)) => Err(Failure::new("the client's thread panicked")),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Whoever wants to know of a failure calls `finish`.
        let _ = self.stop();
    }
}
