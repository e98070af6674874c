//! What a bed needs to know about its machine.

use sealpost_core::frame::{Machine, StoreError};
use sealpost_core::wire::Packet;
use sealpost_storage::Storage;

/// A machine that a [`Bed`](super::Bed) can drive.
pub trait TestedMachine:
    Machine<StoreOutcome = Result<Self::StoreReply, StoreError>> + Sized
{
    /// The machine dials connections.
    const DIALS: bool;
    /// Result of a successful store operation.
    type StoreReply;
    /// Memory store of the machine.
    type Store: Storage<Op = Self::StoreOp, Outcome = Self::StoreOutcome>;
    /// State of a bed that only this machine needs.
    type Setup;

    /// The answer to a delivery that went well, if one is due.
    fn accept(delivery: &Self::Delivery) -> Option<Self::Command>;

    /// Asserts that a packet is one that the machine may send.
    fn check_sent(packet: &Packet);

    /// Asserts that a notice does not report a fault of the bed.
    fn check_notice(notice: &Self::Notice);
}
