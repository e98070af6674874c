//! A host on its own thread that can be killed like a process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use sealpost_core::client::store::InboxItem;
use sealpost_core::client::{self, Client};
use sealpost_core::frame::{Machine, StoreError};
use sealpost_core::server::{self, DeliveryOutcome, OtpDelivery, Server};
use sealpost_mio::{Application, Control, Error, Handle};
use sealpost_storage::Storage;
use sealpost_tests::scenarios::{Device, Observation};

/// A running host.
pub(crate) struct Process<M: Machine, S> {
    pub(crate) handle: Handle<M>,
    pub(crate) disk: Disk<S>,
    dead: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), Error>>,
}

impl<M: Machine, S> Process<M, S> {
    /// Runs a host that was created with this disk, and whose reporter stops at `dead`.
    pub(crate) fn start(
        handle: Handle<M>,
        disk: Disk<S>,
        dead: Arc<AtomicBool>,
        run: impl FnOnce() -> Result<(), Error> + Send + 'static,
    ) -> Self {
        Self { handle, disk, dead, thread: std::thread::spawn(run) }
    }

    /// Shuts the host down in order, and waits for its end.
    pub(crate) fn stop(self) {
        self.handle.stop();
        let ended = self.thread.join();
        // Do not hide the failure of a test that is already panicking.
        if !std::thread::panicking() {
            ended.unwrap().unwrap();
        }
    }

    /// Kills the host: from one moment on it writes nothing to its disk, nothing to the network,
    /// which `cut` takes away, and reports nothing.
    pub(crate) fn kill(self, cut: impl FnOnce()) {
        {
            // While the disk is locked, nothing is written and no outcome is reported, so the host
            // loses disk, network and reporter at the same moment.
            let mut disk = self.disk.lock();
            self.dead.store(true, Ordering::SeqCst);
            cut();
            *disk = None;
        }
        self.stop();
    }
}

/// A store that can be taken away from its host.
pub(crate) struct Disk<S>(Arc<Mutex<Option<S>>>);

impl<S> Disk<S> {
    pub(crate) fn new(store: S) -> Self {
        Self(Arc::new(Mutex::new(Some(store))))
    }

    /// Locks the disk: commits wait until the guard is dropped.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Option<S>> {
        self.0.lock().unwrap()
    }
}

impl<S> Clone for Disk<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R, S: Storage<Outcome = Result<R, StoreError>>> Storage for Disk<S> {
    type Op = S::Op;
    type Outcome = S::Outcome;

    fn commit(&mut self, requests: &[S::Op], outcomes: &mut Vec<S::Outcome>) {
        if let Some(store) = &mut *self.lock() {
            return store.commit(requests, outcomes);
        }
        outcomes.clear();
        outcomes.extend(requests.iter().map(|_| Err(StoreError::Io)));
    }
}

/// Passes a machine's outputs on to the test, until its host is killed.
pub(crate) struct Reporter {
    sender: Sender<Observation>,
    dead: Arc<AtomicBool>,
}

impl Reporter {
    /// Reports to `sender` until `dead` is set.
    pub(crate) const fn new(sender: Sender<Observation>, dead: Arc<AtomicBool>) -> Self {
        Self { sender, dead }
    }

    /// Reports an output. Returns whether the host continues.
    fn report(&self, observation: Observation) -> Control {
        let control = self.control();
        if control == Control::Continue {
            // The receiver is gone once the test is over.
            let _ = self.sender.send(observation);
        }
        control
    }

    /// Returns whether the host continues.
    fn control(&self) -> Control {
        if self.dead.load(Ordering::SeqCst) { Control::Stop } else { Control::Continue }
    }
}

/// Application of a device's client.
pub(crate) struct ClientApplication(pub(crate) Device, pub(crate) Reporter);

impl Application<Client> for ClientApplication {
    fn deliver(&mut self, item: InboxItem) {
        self.1.report(Observation::Message(self.0, Box::new(item)));
    }

    fn notify(&mut self, notice: client::Notice) -> Control {
        let stopped = notice == client::Notice::Stopped;
        let control = self.1.report(Observation::Notice(self.0, notice));
        if stopped { Control::Stop } else { control }
    }
}

/// Application of the server.
pub(crate) struct ServerApplication {
    reporter: Reporter,
    handle: Option<Handle<Server>>,
}

impl ServerApplication {
    /// An application that reports to the test.
    pub(crate) const fn new(reporter: Reporter) -> Self {
        Self { reporter, handle: None }
    }
}

impl Application<Server> for ServerApplication {
    fn attach(&mut self, handle: Handle<Server>) {
        self.handle = Some(handle);
    }

    fn deliver(&mut self, delivery: OtpDelivery) {
        let (id, outcome) = (delivery.id, DeliveryOutcome::Accepted);
        if let Some(handle) = &self.handle {
            handle.command(server::Command::OtpDelivery { id, outcome });
        }
        self.reporter.report(Observation::Otp(delivery));
    }

    fn notify(&mut self, notice: server::Notice) -> Control {
        match notice {
            server::Notice::Refused { code, .. } => {
                self.reporter.report(Observation::Refused(code))
            }
            server::Notice::Misuse { misuse } => panic!("host misused the machine: {misuse}"),
            server::Notice::Stopped => Control::Stop,
            server::Notice::Registered { .. }
            | server::Notice::SessionOpened { .. }
            | server::Notice::SessionClosed { .. }
            | server::Notice::StrangersShed { .. }
            | server::Notice::ConnectionsShed { .. }
            | server::Notice::Unresponsive { .. }
            | server::Notice::Reconfigured
            | server::Notice::ReconfigurationRefused { .. }
            | server::Notice::StoreFull
            | server::Notice::StoreFailed { .. }
            | server::Notice::ClockImplausible { .. } => self.reporter.control(),
        }
    }
}
