//! A host on a thread of its own that can die as a process does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use sealpost_core::client::store::InboxItem;
use sealpost_core::client::{self, Client};
use sealpost_core::frame::{Machine, StoreError};
use sealpost_core::server::{self, OtpDelivery, Server};
use sealpost_mio::{Application, Control, Error, Handle};
use sealpost_storage::Storage;
use sealpost_tests::scenario::{Device, Heard};

/// A host that runs.
pub(crate) struct Process<M: Machine, S> {
    pub(crate) handle: Handle<M>,
    pub(crate) disk: Disk<S>,
    dead: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), Error>>,
}

impl<M: Machine, S> Process<M, S> {
    /// A host that was made with this disk and this ear.
    pub(crate) fn start(
        handle: Handle<M>,
        disk: Disk<S>,
        dead: Arc<AtomicBool>,
        run: impl FnOnce() -> Result<(), Error> + Send + 'static,
    ) -> Self {
        Self { handle, disk, dead, thread: std::thread::spawn(run) }
    }

    /// Stops it in order.
    pub(crate) fn stop(self) {
        self.handle.stop();
        let ended = self.thread.join();
        // A test that has failed already has the word.
        if !std::thread::panicking() {
            ended.unwrap().unwrap();
        }
    }

    /// Has it die: from one moment on it writes nothing to its disk, nothing to the network, which
    /// `cut` takes away, and tells nobody anything.
    pub(crate) fn kill(self, cut: impl FnOnce()) {
        {
            // While the disk is held, nothing is written and no outcome is reported.
            let mut disk = self.disk.lock();
            self.dead.store(true, Ordering::SeqCst);
            cut();
            *disk = None;
        }
        self.stop();
    }
}

/// A store that can be taken away.
pub(crate) struct Disk<S>(Arc<Mutex<Option<S>>>);

impl<S> Disk<S> {
    pub(crate) fn new(store: S) -> Self {
        Self(Arc::new(Mutex::new(Some(store))))
    }

    /// Holds everything up that is to be written.
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

/// Hears what a machine says, until it is dead.
pub(crate) struct Ear {
    told: Sender<Heard>,
    dead: Arc<AtomicBool>,
}

impl Ear {
    /// It hears until `dead` is set.
    pub(crate) const fn new(told: Sender<Heard>, dead: Arc<AtomicBool>) -> Self {
        Self { told, dead }
    }

    /// Passes something on. Returns whether the host goes on.
    fn hear(&self, heard: Heard) -> Control {
        let control = self.still();
        if control == Control::Continue {
            // Nobody listens any more when the test is over.
            let _ = self.told.send(heard);
        }
        control
    }

    /// Returns whether the host goes on.
    fn still(&self) -> Control {
        if self.dead.load(Ordering::SeqCst) { Control::Stop } else { Control::Continue }
    }
}

/// A device's application.
pub(crate) struct Owner(pub(crate) Device, pub(crate) Ear);

impl Application<Client> for Owner {
    fn deliver(&mut self, item: InboxItem) {
        self.1.hear(Heard::Message(self.0, Box::new(item)));
    }

    fn notify(&mut self, notice: client::Notice) -> Control {
        let stopped = notice == client::Notice::Stopped;
        let control = self.1.hear(Heard::Notice(self.0, notice));
        if stopped { Control::Stop } else { control }
    }
}

/// The server's operator.
pub(crate) struct Operator(pub(crate) Ear);

impl Application<Server> for Operator {
    fn deliver(&mut self, delivery: OtpDelivery) {
        self.0.hear(Heard::Otp(delivery));
    }

    fn notify(&mut self, notice: server::Notice) -> Control {
        match notice {
            server::Notice::Refused(_, code) => self.0.hear(Heard::Refused(code)),
            server::Notice::Misuse(misuse) => panic!("the host {misuse}"),
            server::Notice::Stopped => Control::Stop,
            server::Notice::Registered(_)
            | server::Notice::SessionOpened(..)
            | server::Notice::SessionClosed(..)
            | server::Notice::StoreFailed(_) => self.0.still(),
        }
    }
}
