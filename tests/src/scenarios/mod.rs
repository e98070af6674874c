//! Scenarios that run unchanged in the simulator and over real sockets.
//!
//! A [`Deployment`] is a server, its clients and the network between them. The simulator's
//! [`World`](crate::sim::World) is one; hosts over real sockets are another. A test drives it
//! through a [`Scenario`], which waits for observations and never for time. The result is an
//! [`Outcome`], which holds nothing that depends on timing, so every deployment must produce the
//! same one.

mod app_log;
mod deployment;
mod outcome;
mod scenario;

pub use app_log::AppLog;
pub use deployment::{Deployment, Device, Observation, Reachability};
pub use outcome::{DeviceOutcome, Event, Outcome, ReceivedText, Retry, Text};
pub use scenario::{Marking, Scenario};
