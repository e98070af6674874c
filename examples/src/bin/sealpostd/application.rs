//! Receives what the server machine delivers and reports.

use sealpost_core::server::{Notice, OtpDelivery, Server};
use sealpost_mio::{Application, Control};

use crate::couriers::CourierThread;

/// Passes one-time passwords to a courier and logs notices. Above TRACE the log names nobody.
#[derive(Debug)]
pub(crate) struct ServerApplication {
    courier: CourierThread,
}

impl ServerApplication {
    /// Creates an application whose one-time passwords go to `courier`.
    pub(crate) const fn new(courier: CourierThread) -> Self {
        Self { courier }
    }
}

impl Application<Server> for ServerApplication {
    fn deliver(&mut self, delivery: OtpDelivery) {
        self.courier.send(delivery);
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
            Notice::StoreFailed { error } => {
                tracing::warn!(%error, "a database operation failed; its senders will try again");
            }
            Notice::ClockImplausible { clock, newest } => {
                tracing::warn!(
                    "the clock says {clock}, but the newest time in the database is {newest}: \
                     nothing expires until they agree; set the clock right, or, if it is right, \
                     stop the server and run sealpostd trust-clock"
                );
            }
            Notice::Misuse { misuse } => {
                tracing::error!(%misuse, "a bug in the host: it misused the server machine");
            }
            Notice::Stopped => return Control::Stop,
        }
        Control::Continue
    }
}
