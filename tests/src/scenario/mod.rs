//! Scenarios: scripts that run the same on different grounds, and what people saw in them.
//!
//! A [`Ground`] is a server, its clients and the network between them: the simulator's
//! [`World`](crate::sim::World) is one, real hosts over real sockets are another. A script acts
//! through a [`Scene`], which waits for what people see and never for time. What is left at the end
//! is [`Seen`], which holds nothing that depends on timing: two grounds that run the same script
//! must leave the same.

mod diary;
mod ground;
mod scene;
mod seen;

pub use diary::Diary;
pub use ground::{Device, Ground, Heard, Road};
pub use scene::{Marking, Scene};
pub use seen::{DeviceSaw, Event, Read, Return, Seen, Words};
