//! The embedder's side of a host: where a machine's deliveries and notices go.

use sealpost_core::frame::{Machine, Seen};

use crate::dial_error::DialError;
use crate::reactor::Handle;

/// Receives what a machine delivers and reports. Its methods run on the reactor's thread and must
/// not block: while one runs, no connection is served.
pub trait Application<M: Machine> {
    /// Takes the handle of the host, before anything else happens: with it the application gives
    /// the machine commands, such as the answers to a server's deliveries.
    fn attach(&mut self, _handle: Handle<M>) {}

    /// Takes the reason why the server can't be reached, before the machine's notice about it. Only
    /// a host that dials calls this.
    fn dialling_failed(&mut self, _error: &DialError) {}

    /// Takes a delivery of the machine: a one-time password from a server, a message from a
    /// client.
    fn deliver(&mut self, delivery: M::Delivery);

    /// SIGHUP asks for new settings, with [`SignalHandling::Daemon`](crate::SignalHandling::Daemon).
    /// An application that has none to reload says so in the log.
    fn reload(&mut self) {
        tracing::info!("SIGHUP ignored: there is no configuration to reload");
    }

    /// The host begins to stop: the machine is told next.
    fn stopping(&mut self) {}

    /// Sees every input of the machine and every action, to record them.
    fn watch(&mut self, _seen: &Seen<'_, '_, M>) {}

    /// Takes a notice, and decides whether the host continues. Return [`Control::Stop`] on the
    /// notice with which the machine says that it has finished.
    fn notify(&mut self, notice: M::Notice) -> Control;
}

/// Whether a host continues to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Keep running.
    Continue,
    /// The machine has finished: send what is queued, close all connections, and return from
    /// `run`.
    Stop,
}
