//! Receives what the server machine delivers and reports.

use std::time::{Duration, Instant};

use sealpost_core::frame::Seen;
use sealpost_core::server::{Command, Notice, OtpDelivery, Server};
use sealpost_mio::{Application, Control, Handle};

use crate::couriers::SharedCouriers;
use crate::recording::Recording;
use crate::supervisor::Supervisor;

/// Passes one-time passwords to couriers and logs notices. Above TRACE the log names nobody.
#[derive(Debug)]
pub(crate) struct ServerApplication {
    couriers: SharedCouriers,
    supervisor: Supervisor,
    recording: Option<Recording>,
    handle: Option<Handle<Server>>,
    warned_of_full_store: Option<Instant>,
}

impl ServerApplication {
    /// Creates an application whose one-time passwords go to `couriers`.
    pub(crate) const fn new(
        couriers: SharedCouriers,
        supervisor: Supervisor,
        recording: Option<Recording>,
    ) -> Self {
        Self { couriers, supervisor, recording, handle: None, warned_of_full_store: None }
    }

    /// Every refusal is one notice; the log gets one line a minute.
    fn warn_of_full_store(&mut self) {
        if self.warned_of_full_store.is_none_or(|at| at.elapsed() >= Duration::from_mins(1)) {
            tracing::warn!(
                "the store is full (--store-size), or its disk is (--disk-reserve): new messages \
                 to absent recipients are refused, on a full disk registrations too, and their \
                 senders will try again; make room, or delete users"
            );
            self.warned_of_full_store = Some(Instant::now());
        }
    }
}

impl Application<Server> for ServerApplication {
    fn attach(&mut self, handle: Handle<Server>) {
        self.supervisor.serving(handle.clone());
        self.handle = Some(handle);
    }

    fn deliver(&mut self, delivery: OtpDelivery) {
        let (id, outcome) = (delivery.id, self.couriers.send(delivery));
        if let Some(handle) = &self.handle {
            handle.command(Command::OtpDelivery { id, outcome });
        }
    }

    fn reload(&mut self) {
        self.supervisor.reload();
    }

    fn stopping(&mut self) {
        self.supervisor.stopping();
    }

    fn watch(&mut self, seen: &Seen<'_, '_, Server>) {
        if let Some(recording) = &mut self.recording {
            recording.watch(seen);
        }
    }

    fn notify(&mut self, notice: Notice) -> Control {
        match notice {
            Notice::Registered { user } => {
                tracing::info!("a new account was registered");
                tracing::trace!(%user, "registered");
            }
            Notice::SessionOpened { user, conn } => tracing::trace!(%user, ?conn, "session opened"),
            Notice::SessionClosed { user, conn } => tracing::trace!(%user, ?conn, "session closed"),
            Notice::Refused { conn, code } => {
                tracing::debug!(?code, "a packet was refused");
                tracing::trace!(?conn, ?code, "refused");
            }
            Notice::StrangersShed { count } => tracing::warn!(
                count,
                "disconnected clients without a session: too many at once, or from one address; \
                 clients in a session are served as before"
            ),
            Notice::ConnectionsShed { count } => tracing::warn!(
                count,
                "disconnected the clients that held the most memory: all together held too much of \
                 --packet-memory; nothing acknowledged is lost"
            ),
            Notice::StoreFailed { error } => {
                tracing::warn!(%error, "a database operation failed; its senders will try again");
            }
            Notice::Unresponsive { user, conn } => {
                tracing::debug!("a client that took nothing was disconnected");
                tracing::trace!(%user, ?conn, "unresponsive");
            }
            Notice::StoreFull => self.warn_of_full_store(),
            Notice::ClockImplausible { clock, newest } => {
                tracing::warn!(
                    "the clock says {clock}, but the newest time in the database is {newest}: \
                     nothing expires until they agree; set the clock right, or, if it is right, \
                     stop the server and run sealpostd trust-clock"
                );
            }
            Notice::Reconfigured => tracing::debug!("new settings are in force"),
            Notice::ReconfigurationRefused { error } => {
                tracing::error!(%error, "a bug in the server: its own machine refused new settings");
            }
            Notice::Misuse { misuse } => {
                tracing::error!(%misuse, "a bug in the host: it misused the server machine");
            }
            Notice::Stopped => return Control::Stop,
        }
        Control::Continue
    }
}
