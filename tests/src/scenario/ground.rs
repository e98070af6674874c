//! Where a scenario takes place.

use std::time::Duration;

use sealpost_core::client::store::InboxItem;
use sealpost_core::client::{Command, Notice};
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;
use sealpost_core::server::OtpDelivery;
use sealpost_core::wire::ErrorCode;
use sealpost_storage::Usage;
use sealpost_storage::client::HistoryEntry;

/// A client's process, by its place in the row. The first ones have accounts of their own; those
/// that [`Ground::twin`] adds share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device(pub usize);

/// Whether a device can reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    /// It can.
    Open,
    /// No connection can be made. Those that stand are not touched.
    Blocked,
}

/// Something that came out of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A device's application is told something.
    Notice(Device, Notice),
    /// A device's application is handed a message.
    Message(Device, Box<InboxItem>),
    /// The server wants a one-time password brought to its owner.
    Otp(OtpDelivery),
    /// The server has answered somebody with an error.
    Refused(ErrorCode),
}

/// A server that runs, the devices of some people, which run and are offline, and a network.
///
/// Nobody's application does anything by itself: whatever follows from what is heard, the script
/// has to do.
pub trait Ground {
    /// How many devices there are.
    fn devices(&self) -> usize;

    /// Whose a device is.
    fn phone(&self, device: Device) -> Phone;

    /// Of a device's key.
    fn fingerprint(&self, device: Device) -> Fingerprint;

    /// The time since the beginning, as it passes here.
    fn now(&self) -> Duration;

    /// How long to wait for what must come.
    fn patience(&self) -> Duration;

    /// The next thing that comes out of a machine, in the order in which one device is told; `None`
    /// if nothing comes until then.
    fn hear(&mut self, until: Duration) -> Option<Heard>;

    /// Lets time pass until what is under way is over: much, if that costs nothing here.
    fn while_away(&mut self);

    /// A device's application wishes something. If the process is down, nothing happens.
    fn command(&mut self, device: Device, command: Command);

    /// From now on.
    fn set_road(&mut self, device: Device, road: Road);

    /// A device's connections break, with what was under way on them.
    fn cut(&mut self, device: Device);

    /// A device's process dies: what is not durable at this moment never will be.
    fn kill(&mut self, device: Device);

    /// A device's process starts again, offline.
    fn start(&mut self, device: Device);

    /// Another device with the same key, and a copy of what the first one, which runs, has stored.
    fn twin(&mut self, device: Device) -> Device;

    /// The server is stopped in order, and has ended.
    fn stop_server(&mut self);

    /// The server's process dies, as a device's does.
    fn kill_server(&mut self);

    /// The server starts again.
    fn start_server(&mut self);

    /// What a device, which runs, has stored of its conversation with somebody, oldest first.
    fn history(&self, device: Device, peer: Phone) -> Vec<HistoryEntry>;

    /// What the server, which is down, has stored.
    fn pending(&self) -> Usage;
}
