//! Events of a simulation.

use bytes::Bytes;
use sealpost_core::client::Command;
use sealpost_core::ids::{Phone, Ticket};
use sealpost_core::server::{DeliveryId, DeliveryOutcome, Elsewhere};

use super::batches::{LateOp, OpStep};
use super::engine::ServerName;
use super::network::LinkId;
use super::process::ProcessId;
use super::step::End;

/// An event in the queue. Events for a process carry its incarnation.
pub(super) enum SimEvent {
    /// Apply a step of the plan.
    Step(usize),
    Tick(ProcessId, u32),
    Computed(ProcessId, u32, Ticket),
    Committed(ProcessId, u32),
    Stored(ProcessId, u32, Ticket),
    /// An end of a link learns that it is established.
    Opened(LinkId, End),
    /// Bytes that this end sent arrive at the other.
    Arrive(LinkId, End),
    /// An end learns that its link is broken or closed.
    Lost(LinkId, End),
    /// An end learns that its queue is too long, or empty again.
    Pressure(LinkId, End),
    /// An operation goes on in the engine that several servers share.
    Operation(ServerName, usize, OpStep),
    /// An operation takes effect that its server has given up.
    LateOperation(Box<LateOp>),
    /// A server hears what another one has done.
    Hint(ServerName, Elsewhere),
    /// A server reaches the engine again.
    ReachAgain(ServerName),
    /// Start a process.
    Start(ProcessId),
    /// Answer a delivery of the server.
    AnswerDelivery(usize, u32, DeliveryId, DeliveryOutcome),
    /// Give a client a command.
    RunCommand(usize, u32, Command),
    /// Have an application bring its client online.
    GoOnline(usize, u32),
    /// Send a message to a contact whose new key was accepted.
    WriteToContact(usize, Phone),
    /// Ask the operator to delete the account of a client that lost its key.
    RequestDeletion(usize),
    /// A dishonest server sends a packet again.
    Late(LinkId, Bytes),
    /// A dishonest server forges a receipt for a message.
    Forge(LinkId, Bytes),
    /// Have a greedy user go on.
    Greed(usize),
}
