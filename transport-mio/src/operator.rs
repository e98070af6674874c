//! The server's side that faces its operator.

use sealpost_core::server::{Notice, OtpDelivery, Server};

use crate::application::{Application, Control};
use crate::otp::OtpCourier;

/// Passes one-time passwords on and writes notices to the log, without naming anybody.
#[derive(Debug)]
pub struct Operator {
    courier: OtpCourier,
}

impl Operator {
    /// One-time passwords go to `courier`.
    pub const fn new(courier: OtpCourier) -> Self {
        Self { courier }
    }
}

impl Application<Server> for Operator {
    fn deliver(&mut self, delivery: OtpDelivery) {
        self.courier.send(delivery);
    }

    fn notify(&mut self, notice: Notice) -> Control {
        match notice {
            Notice::Registered(user) => {
                tracing::info!("an account was made");
                tracing::trace!(%user, "registered");
            }
            Notice::SessionOpened(user, conn) => tracing::trace!(%user, ?conn, "session opened"),
            Notice::SessionClosed(user, conn) => tracing::trace!(%user, ?conn, "session closed"),
            Notice::Refused(conn, code) => {
                tracing::debug!(?code, "a packet was refused");
                tracing::trace!(?conn, ?code, "refused");
            }
            Notice::StoreFailed(error) => tracing::warn!(%error, "the store did not do it"),
            Notice::Misuse(misuse) => tracing::error!(%misuse, "the host made a mistake"),
            Notice::Stopped => return Control::Stop,
        }
        Control::Continue
    }
}
