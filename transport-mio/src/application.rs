//! Where a machine's deliveries and notices go.

use sealpost_core::frame::Machine;

/// The side of a host that faces people. Called on the reactor's thread: it must not block.
pub trait Application<M: Machine> {
    /// Takes what the machine hands over.
    fn deliver(&mut self, delivery: M::Delivery);

    /// Takes a notice, and says whether the host goes on.
    fn notify(&mut self, notice: M::Notice) -> Control;
}

/// Whether a host goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// It does.
    Continue,
    /// The machine has finished: send what is queued, close, and return.
    Stop,
}
