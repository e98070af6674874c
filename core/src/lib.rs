//! The Sealpost protocol as pure state machines.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "aws-lc"))]
extern crate std;

pub mod address;
pub mod client;
pub mod crypto;
pub mod entropy;
pub mod host;
pub mod ids;
mod in_order;
pub mod limits;
pub mod machine;
pub mod server;
pub mod store;
pub mod time;
mod timers;
pub mod wire;
