//! Requirements on a machine that runs in a host.

use sealpost_core::frame::Machine;

use super::store_request::{StoreAnswer, StoreRequest};

/// A machine that a host can run: its commands, store operations, deliveries and notices can cross
/// threads. Implemented for every machine that meets the bounds.
pub trait HostedMachine:
    Machine<
        StoreOp: StoreRequest,
        StoreOutcome: StoreAnswer,
        Command: Send,
        Delivery: Send,
        Notice: Send,
    > + 'static
{
}

impl<M> HostedMachine for M where
    M: Machine<
            StoreOp: StoreRequest,
            StoreOutcome: StoreAnswer,
            Command: Send,
            Delivery: Send,
            Notice: Send,
        > + 'static
{
}
