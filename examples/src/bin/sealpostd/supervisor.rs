//! Reloads the configuration at SIGHUP, and tells the service manager how the server is.
//!
//! Both happen on a thread that is started before the server is confined: the configuration and the
//! files that it names may be anywhere. It also does what may block, which the reactor must not.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use sd_notify::NotifyState;
use sealpost_core::server::{Command, Reconfiguration, Server};
use sealpost_mio::Handle;
use sealpost_programs::{Failure, LogControl, LogLevels};
use sealpost_storage::SharedQuota;

use crate::config::{Config, Layers, Settings};
use crate::couriers::{Couriers, SharedCouriers};
use crate::metrics::Vitals;
use crate::tls::Certificate;

/// What a reload changes.
#[derive(Debug)]
pub(crate) struct Reloadable {
    /// Where its settings come from.
    pub(crate) layers: Layers,
    /// The settings in force.
    pub(crate) settings: Settings,
    /// Connections for which it has files.
    pub(crate) connections: usize,
    /// What mailboxes and the store may hold.
    pub(crate) quota: SharedQuota,
    /// Deliver one-time passwords.
    pub(crate) couriers: SharedCouriers,
    /// What becomes of reloads.
    pub(crate) vitals: Arc<Vitals>,
    /// For TLS.
    pub(crate) certificate: Option<Certificate>,
}

/// The thread. Once it is dropped, the thread ends.
#[derive(Debug)]
pub(crate) struct Supervisor {
    events: Sender<Event>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is told.
enum Event {
    /// The server serves. This controls it.
    Serving(Handle<Server>),
    /// The operator asks for a reload, by a signal or by a command, which waits for what has become
    /// of it.
    Reload(Option<Sender<Result<String, Failure>>>),
    /// The reactor has answered.
    Alive,
    /// The server begins to stop.
    Stopping,
    /// The server has stopped: the thread ends.
    Stopped,
}

impl Supervisor {
    /// Starts the thread.
    pub(crate) fn start(reloadable: Reloadable, log: LogControl) -> Result<Self, Failure> {
        let (sender, events) = mpsc::channel();
        let watch = Watch { sender: sender.clone(), interval: sd_notify::watchdog_enabled() };
        let thread = Builder::new()
            .name("supervisor".into())
            .spawn(move || run(reloadable, &log, &events, &watch))
            .map_err(Failure::context("can't start the thread that reloads the configuration"))?;
        Ok(Self { events: sender, thread: Some(thread) })
    }

    /// The server serves.
    pub(crate) fn serving(&self, handle: Handle<Server>) {
        self.tell(Event::Serving(handle));
    }

    /// Reloads the configuration.
    pub(crate) fn reload(&self) {
        self.tell(Event::Reload(None));
    }

    /// Asks for reloads from other threads.
    pub(crate) fn reloader(&self) -> Reloader {
        Reloader(self.events.clone())
    }

    /// The server begins to stop.
    pub(crate) fn stopping(&self) {
        self.tell(Event::Stopping);
    }

    fn tell(&self, event: Event) {
        // The thread has ended early only if it has panicked.
        let _ = self.events.send(event);
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.tell(Event::Stopped);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Asks for reloads.
#[derive(Clone, Debug)]
pub(crate) struct Reloader(Sender<Event>);

impl Reloader {
    /// Reloads the configuration. What has changed, or why nothing has, arrives in the receiver, which
    /// is disconnected if the server stops before.
    pub(crate) fn reload(&self) -> Receiver<Result<String, Failure>> {
        let (answer, outcome) = mpsc::channel();
        // If the thread has ended, the answer is dropped with the event.
        let _ = self.0.send(Event::Reload(Some(answer)));
        outcome
    }
}

/// How the reactor is watched for the service manager.
struct Watch {
    /// For the answers of the reactor.
    sender: Sender<Event>,
    /// Time without a sign of life after which the service manager restarts the server. `None` if it
    /// does not.
    interval: Option<Duration>,
}

impl Watch {
    /// The next event. `None` if it is time to ask the reactor for a sign of life.
    fn next(&self, events: &Receiver<Event>) -> Option<Event> {
        let Some(interval) = self.interval else {
            return Some(events.recv().unwrap_or(Event::Stopped));
        };
        match events.recv_timeout(interval / 3) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Event::Stopped),
        }
    }

    /// Asks the reactor for a sign of life. One that hangs gives none.
    fn ask(&self, handle: &Handle<Server>) {
        let sender = self.sender.clone();
        // The answer comes as an event, like everything else that this thread waits for.
        drop(handle.with_machine(move |_| sender.send(Event::Alive)));
    }
}

fn run(mut reloadable: Reloadable, log: &LogControl, events: &Receiver<Event>, watch: &Watch) {
    let mut handle = None;
    loop {
        match watch.next(events) {
            Some(Event::Serving(its)) => {
                handle = Some(its);
                notify(&[NotifyState::Ready, NotifyState::Status("serving")]);
            }
            Some(Event::Reload(answer)) => {
                if let Some(handle) = &handle {
                    let outcome = reload(&mut reloadable, log, handle);
                    // Whoever asked may have left.
                    let _ = answer.map(|answer| answer.send(outcome));
                }
            }
            Some(Event::Alive) => notify(&[NotifyState::Watchdog]),
            Some(Event::Stopping) => {
                reloadable.vitals.stopping();
                notify(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
            }
            Some(Event::Stopped) => return,
            None => handle.iter().for_each(|handle| watch.ask(handle)),
        }
    }
}

/// Reloads the configuration, and says what has become of it.
fn reload(
    reloadable: &mut Reloadable,
    log: &LogControl,
    handle: &Handle<Server>,
) -> Result<String, Failure> {
    let since = NotifyState::monotonic_usec_now().ok();
    notify(&[NotifyState::Reloading].into_iter().chain(since).collect::<Vec<_>>());
    let outcome = reloadable.reload().map(|Reloaded { command, log_levels, changes }| {
        handle.command(command);
        log.replace(log_levels);
        changes
    });
    reloadable.vitals.reloaded(&outcome);
    let status = match &outcome {
        Ok(changes) => {
            tracing::info!("configuration reloaded: {changes}");
            format!("serving; configuration reloaded: {changes}")
        }
        Err(failure) => {
            tracing::error!("configuration not reloaded, the old one stays in force: {failure}");
            format!("serving; configuration not reloaded: {failure}")
        }
    };
    notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
    outcome
}

impl Reloadable {
    /// Takes over what can be taken over while the server runs, or nothing if anything is wrong.
    fn reload(&mut self) -> Result<Reloaded, Failure> {
        let new = self.layers.settings()?;
        Config::new(&new)?;
        let (settings, [applied, waiting]) = self.settings.reloaded(&new);
        let config = Config::new(&settings)?;
        // Even if no setting has changed: the files with secrets may have.
        let couriers = Couriers::start(&config.otp)?;
        self.certificate.as_ref().map_or(Ok(()), Certificate::reload)?;
        self.couriers.replace(couriers);
        self.quota.set(config.quota());
        self.settings = settings;
        let command = Command::Reconfigure(Box::new(Reconfiguration {
            otp_channel: config.otp.route.channel(),
            registered_phones: config.registered_phones(),
            registration: config.registration.registrants(),
            exempt_networks: config.limits.exempt_networks.clone(),
            limits: config.core_limits(self.connections),
        }));
        let changes = describe(&applied, &waiting);
        Ok(Reloaded { command, log_levels: config.log.level, changes })
    }
}

/// A reload of which the machine and the log have to take over their parts.
struct Reloaded {
    command: Command,
    log_levels: LogLevels,
    /// What has changed, for people.
    changes: String,
}

fn describe(applied: &[&str], waiting: &[&str]) -> String {
    let applied = match applied {
        [] => "no option has changed that a reload applies".to_owned(),
        keys => format!("{} changed", keys.join(", ")),
    };
    match waiting {
        [] => applied,
        keys => format!("{applied}; {} will change at the next start", keys.join(", ")),
    }
}

/// Tells the service manager, if there is one.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "can't tell the service manager how the server is");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// A server whose configuration is this file.
    fn running(file: &Path) -> Reloadable {
        let layers = Layers::of_file(file);
        let settings = layers.settings().unwrap();
        let config = Config::new(&settings).unwrap();
        let quota = SharedQuota::new(config.quota());
        let couriers = SharedCouriers::new(Couriers::start(&config.otp).unwrap());
        let vitals = Arc::default();
        Reloadable { layers, settings, connections: 7, quota, couriers, certificate: None, vitals }
    }

    #[test]
    fn reload_that_fails_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        fs::write(&file, "").unwrap();
        let mut running = running(&file);
        let (quota, route) = (running.quota.current(), running.settings.name("otp.route"));
        for text in [
            "[storage]\nmailbox_messages = 1\n[otp]\nroute = \"exec:/no/such/program\"\n",
            "[storage]\nmailbox_messages = 1\n[limits]\nstrangers = 0\n",
            "[storage]\nmailbox_messages = 1\n[limits]\nno_option = 0\n",
        ] {
            fs::write(&file, text).unwrap();
            assert!(running.reload().is_err());
            assert_eq!(running.quota.current(), quota, "{text}");
            assert_eq!(running.settings.name("otp.route"), route);
        }
    }

    #[test]
    fn machine_and_store_take_over_their_parts_of_a_reload() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.toml");
        fs::write(&file, "").unwrap();
        let mut running = running(&file);
        let text = "[storage]\nmailbox_messages = 1\n[limits]\nstrangers = 9\nconnections = 9\n";
        fs::write(&file, text).unwrap();
        let Reloaded { command, changes, .. } = running.reload().unwrap();
        let Command::Reconfigure(new) = command else { panic!("{command:?}") };
        assert_eq!((new.limits.strangers, new.limits.connections), (9, 7));
        assert_eq!(running.quota.current().messages, 1);
        let expected = "limits.strangers, storage.mailbox_messages changed; limits.connections will \
                        change at the next start";
        assert_eq!(changes, expected);
        // What waits for a restart is named again: it is still not in force.
        let changes = running.reload().unwrap().changes;
        let nothing = "no option has changed that a reload applies; limits.connections will change";
        assert!(changes.starts_with(nothing), "{changes}");
    }
}
