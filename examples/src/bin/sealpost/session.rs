//! A client machine that runs on a thread of its own, and its outputs.

use std::cell::{Cell, RefCell};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sealpost_core::address::Endpoints;
use sealpost_core::client::store::InboxItem;
use sealpost_core::client::{self, Client, Command, Limits, Notice, OfflineReason};
use sealpost_messenger::engine::server_key_changed;
use sealpost_mio::{
    Application, ClientHost, Control, DialError, Handle, HostConfig, SignalHandling,
};
use sealpost_programs::{Failure, entropy, tell};

use sealpost_messenger::engine::Account;

/// A running client. When it is dropped, it disconnects from the server first.
pub(crate) struct Session {
    handle: Handle<Client>,
    outputs: Receiver<Output>,
    thread: Option<JoinHandle<Result<(), sealpost_mio::Error>>>,
    endpoints: Endpoints,
    /// Why the server could not be reached the last time.
    unreachable: RefCell<Option<String>>,
    /// The machine has not reported that failure yet.
    is_recent: Cell<bool>,
    _lock: Box<dyn Send + Sync>,
}

/// An output of the machine.
#[derive(Debug)]
pub(crate) enum Output {
    Notice(Notice),
    /// Why the server can't be reached.
    Unreachable(String),
}

/// Result of waiting for an output.
#[derive(Debug)]
pub(crate) enum Waited {
    Output(Output),
    /// The deadline has passed.
    TimedOut,
    /// The client has stopped, on a signal.
    Stopped,
}

/// The time that is `seconds` from now. `None`, which means to wait for ever, if the clock cannot
/// count that far.
pub(crate) fn deadline_in(seconds: u64) -> Option<Instant> {
    Instant::now().checked_add(Duration::from_secs(seconds))
}

/// Passes the machine's outputs to the session.
struct Forwarder(Sender<Output>);

impl Application<Client> for Forwarder {
    /// Registration takes no messages: they are delivered again the next time.
    fn deliver(&mut self, _: InboxItem) {}

    fn dialling_failed(&mut self, error: &DialError) {
        // The receiver is gone when the program is about to end.
        let _ = self.0.send(Output::Unreachable(error.to_string()));
    }

    fn notify(&mut self, notice: Notice) -> Control {
        let control = if notice == Notice::Stopped { Control::Stop } else { Control::Continue };
        if let Notice::StoreFailed { error } = &notice {
            tracing::error!(%error, "an operation of the client's database failed");
        }
        let _ = self.0.send(Output::Notice(notice));
        control
    }
}

impl Session {
    /// Starts the client, offline.
    pub(crate) fn start(account: Account, signals: SignalHandling) -> Result<Self, Failure> {
        let Account { identity, servers, snapshot, store, crypto, lock, database: _, files: _ } =
            account;
        let config = client::Config {
            profile: identity.profile,
            public_key: crypto.public_key().clone(),
            endpoints: identity.endpoints.count(),
            limits: Limits::default(),
        };
        let machine = Client::new(config, snapshot, entropy()?)?;
        let (sender, outputs) = mpsc::channel();
        let host_config = HostConfig { signals, ..HostConfig::default() };
        let endpoints = identity.endpoints;
        let host =
            ClientHost::new(&host_config, servers, store, crypto, machine, Forwarder(sender))?;
        let handle = host.handle();
        let thread = thread::Builder::new().name("client".into()).spawn(|| host.run())?;
        Ok(Self {
            handle,
            outputs,
            thread: Some(thread),
            endpoints,
            unreachable: RefCell::new(None),
            is_recent: Cell::new(false),
            _lock: lock,
        })
    }

    /// Gives the machine a command.
    pub(crate) fn command(&self, command: Command) {
        self.handle.command(command);
    }

    /// Waits for the next output until `deadline`, or without limit if there is none.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Waited {
        let output = match deadline {
            Some(deadline) => {
                self.outputs.recv_timeout(deadline.saturating_duration_since(Instant::now()))
            }
            None => self.outputs.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match output {
            Ok(Output::Notice(Notice::Stopped)) | Err(RecvTimeoutError::Disconnected) => {
                Waited::Stopped
            }
            Ok(output) => Waited::Output(output),
            Err(RecvTimeoutError::Timeout) => Waited::TimedOut,
        }
    }

    /// Waits until `pick` returns something for a notice. Returns `None` at the `deadline`, if there
    /// is one. Messages that arrive meanwhile are not marked as shown, so `listen` prints them later.
    /// What is suspicious is told at once.
    ///
    /// # Errors
    /// Returns the failure of `pick`. Fails if the client is offline and will not try again, or if
    /// a signal stopped it.
    pub(crate) fn until<T>(
        &self,
        deadline: Option<Instant>,
        mut pick: impl FnMut(&Notice) -> Option<Result<T, Failure>>,
    ) -> Result<Option<T>, Failure> {
        loop {
            let notice = match self.wait(deadline) {
                Waited::Output(Output::Notice(notice)) => notice,
                Waited::Output(Output::Unreachable(reason)) => {
                    self.note_unreachable(reason);
                    continue;
                }
                Waited::TimedOut => return Ok(None),
                Waited::Stopped => return Err(Failure::new("stopped by a signal")),
            };
            if let Notice::Offline { .. } = &notice
                && !self.is_recent.take()
            {
                self.unreachable.replace(None);
            }
            if let Notice::Suspicious { suspicion } = &notice {
                tell(format_args!("* suspicious: {suspicion:?}"))?;
            }
            if let Notice::ServerKey { change, fingerprint } = &notice {
                tell(format_args!("* {}", server_key_changed(*change, fingerprint)))?;
            }
            if let Some(picked) = pick(&notice) {
                return picked.map(Some);
            }
            if let Some(failure) = self.given_up(&notice) {
                return Err(failure);
            }
        }
    }

    /// The failure for a notice that the client is offline and will not try again.
    pub(crate) fn given_up(&self, notice: &Notice) -> Option<Failure> {
        let Notice::Offline { reason, retry_in: None } = notice else { return None };
        match reason {
            // No failures: we are stopping, or the registration has its own notice.
            OfflineReason::Requested
            | OfflineReason::AwaitingOtp
            | OfflineReason::RegistrationFailed => None,
            OfflineReason::Unreachable => Some(self.unreachable()),
            OfflineReason::Lost
            | OfflineReason::TimedOut
            | OfflineReason::Refused(_)
            | OfflineReason::Fault
            | OfflineReason::WrongServer
            | OfflineReason::WrongClock
            | OfflineReason::Displaced
            | OfflineReason::Suspended
            | OfflineReason::NotRegistered
            | OfflineReason::Local => Some(Failure::new(reason)),
        }
    }

    /// Remembers why the server can't be reached. Returns whether this is news.
    pub(crate) fn note_unreachable(&self, reason: String) -> bool {
        self.is_recent.set(true);
        let is_new = self.unreachable.borrow().as_ref() != Some(&reason);
        self.unreachable.replace(Some(reason));
        is_new
    }

    /// The failure for a server that can't be connected to.
    fn unreachable(&self) -> Failure {
        let reason = self.unreachable.borrow();
        let reason = reason.as_deref().unwrap_or("no connection");
        Failure::new(format_args!("no server can be reached at {}: {reason}", self.endpoints))
    }

    /// The failure for a server that did not answer in time, or was not there.
    pub(crate) fn silent(&self) -> Failure {
        if self.unreachable.borrow().is_some() {
            return self.unreachable();
        }
        Failure::new(format_args!("the server at {} did not answer in time", self.endpoints))
    }

    /// Disconnects from the server, and waits until everything is stored.
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
        // A caller that needs to know about a failure calls `finish`.
        let _ = self.stop();
    }
}
