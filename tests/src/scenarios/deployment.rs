//! The system a scenario runs on.

use std::time::Duration;

use sealpost_core::client::store::InboxItem;
use sealpost_core::client::{Command, Notice};
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;
use sealpost_core::server::OtpDelivery;
use sealpost_core::wire::ErrorCode;
use sealpost_storage::Usage;
use sealpost_storage::client::HistoryEntry;

/// Index of a client process. The first devices have an account each; a device added by
/// [`Deployment::second_device`] shares the account of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device(pub usize);

/// Whether a device can reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reachability {
    /// Connections succeed.
    Reachable,
    /// No new connection succeeds. Established ones are left alone.
    Unreachable,
}

/// Output of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// Notice to a device's application.
    Notice(Device, Notice),
    /// Message delivered to a device's application.
    Message(Device, Box<InboxItem>),
    /// One-time password that the server wants delivered.
    Otp(OtpDelivery),
    /// Error that the server sent to some client.
    Refused(ErrorCode),
}

/// A running server, running devices that are offline, and the network between them.
///
/// Applications do nothing on their own: every reaction to an observation is up to the scenario.
pub trait Deployment {
    /// Number of devices.
    fn devices(&self) -> usize;

    /// Phone number of a device's account.
    fn phone(&self, device: Device) -> Phone;

    /// Fingerprint of a device's public key.
    fn fingerprint(&self, device: Device) -> Fingerprint;

    /// Time since the deployment started, simulated or real.
    fn now(&self) -> Duration;

    /// Time to wait for an expected observation before the test fails.
    fn timeout(&self) -> Duration;

    /// Next output of any machine, or `None` if there is none before `until`. The outputs of one
    /// machine come in order.
    fn next_observation(&mut self, until: Duration) -> Option<Observation>;

    /// Lets time pass until work in progress has finished. Simulated time costs nothing, so a
    /// simulation waits for long.
    fn let_settle(&mut self);

    /// Gives a device's client a command. Ignored while its process is down.
    fn command(&mut self, device: Device, command: Command);

    /// Changes whether a device can reach the server from now on.
    fn set_reachability(&mut self, device: Device, reachability: Reachability);

    /// Breaks a device's connections; bytes in flight are lost.
    fn cut(&mut self, device: Device);

    /// Kills a device's process: what is not durable yet is lost.
    fn kill(&mut self, device: Device);

    /// Restarts a device's process, offline.
    fn start(&mut self, device: Device);

    /// Adds a device with the same key and a copy of the store of `device`, which must be running.
    fn second_device(&mut self, device: Device) -> Device;

    /// Shuts the server down in order, and waits for its end.
    fn stop_server(&mut self);

    /// Kills the server's process.
    fn kill_server(&mut self);

    /// Restarts the server.
    fn start_server(&mut self);

    /// Stored conversation of a running device with a peer, oldest entry first.
    fn history(&self, device: Device, peer: Phone) -> Vec<HistoryEntry>;

    /// Usage of the stopped server's store.
    fn pending(&self) -> Usage;
}
