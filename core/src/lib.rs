//! The Sealpost protocol as pure state machines.
//!
//! Two machines live here, [`server::Server`] and the client's. Neither touches a socket, a file, a
//! clock or the system's randomness, and neither blocks. A *host* does all that for them: under
//! mio in production, over `std::net` in an example, in memory in tests. The same machine runs in
//! all of them, byte for byte.
//!
//! # The run loop
//!
//! 1. Make a machine from its configuration and a seed ([`entropy::Entropy`]).
//! 2. Wait until something happens: bytes on a connection, an outcome, a command, or the moment
//!    that [`Machine::deadline`](frame::Machine::deadline) named.
//! 3. Read the clocks once ([`time::Now`]), and give the machine that one
//!    [`Input`](frame::Input).
//! 4. Carry out every [`Action`](frame::Action) that comes back, in order. `Send`, `Store` and
//!    `Compute` may only be begun here; they need not be finished.
//! 5. When the store or a job has answered, that is the next input: `Stored` or `Computed`, with
//!    the ticket of its action.
//! 6. Go on at 2.
//!
//! [`frame::pump`] is steps 3 and 4 for anything that implements [`frame::Host`]. The actions borrow
//! the machine, so giving it the next input before they are drained does not compile.
//!
//! ```
//! use sealpost_core::frame::{Deadline, Event, Host, Input, Machine, pump};
//! use sealpost_core::time::Now;
//!
//! /// One turn of a host that owns its sockets, its store and its workers.
//! fn turn<M: Machine>(machine: &mut M, host: &mut impl Host<M>, now: Now, due: bool) -> Option<Deadline> {
//!     if due {
//!         return pump(machine, host, now, Input::Event(Event::Tick));
//!     }
//!     machine.deadline()
//! }
//! ```
//!
//! # What a host promises
//!
//! - **Bytes** of one connection arrive in order, cut anywhere.
//! - **Store** operations reach the store in the order of their actions; an outcome is reported
//!   once it is durable, and not before. Outcomes may be late, or never come (the process dies).
//! - **Jobs** ([`crypto::Job`]) run anywhere, in any order. The machine keeps the order that
//!   matters: packets of one connection take effect as they arrived.
//! - **Connections** have numbers that are never used twice.
//! - **Back-pressure**: after `Flow::Pause` a host reads no further from a connection; when more is
//!   queued for a connection than it takes, the host says `Congested`, and later `Writable`.
//!
//! # Three notions of time
//!
//! [`time::Mono`] never goes back, and times everything inside a machine. [`time::Timestamp`] is
//! wall time to the second: it goes into packets and into the store, and may jump. A *deadline* is
//! when the machine wants to be called again; calling it earlier changes nothing.
//!
//! # Two sources of randomness
//!
//! The machine's own generator is seeded at construction: one-time passwords and the jitter of
//! back-offs come from it, and the same seed with the same inputs gives the same actions. Keys, IVs
//! and OAEP seeds are drawn where the job runs, by the host's [`crypto::Crypto`], which alone holds
//! the private key.
//!
//! # Whose fault
//!
//! A peer's fault is never an error of `handle`: it becomes a signed 244, and closes the connection
//! where the protocol says so. A [`wire::Violation`] is the peer's fault, a
//! [`frame::StoreError`] the environment's, a [`server::Misuse`] the host's.
//!
//! # Where things are
//!
//! | module | what |
//! |---|---|
//! | [`wire`] | every byte of `docs/PROTOCOL.md` |
//! | [`crypto`] | jobs, and the two providers that run them |
//! | [`store`] | what the server asks of its store, and proof that it is durable |
//! | [`server`] | the server machine |
//! | [`machine`], [`host`], [`time`], [`entropy`], [`ids`] | the contract |
//! | [`limits`] | every bound of the server, with its reason |
//!
//! # Features
//!
//! `rust-crypto` (default) brings the portable provider, `aws-lc` the fast one, which needs `std`
//! and a C compiler. Without either the crate is the machines alone, and a host brings its own
//! [`crypto::Provider`]. The crate is `no_std` with `alloc`, and forbids unsafe code.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "aws-lc"))]
extern crate std;

pub mod address;
pub mod client;
pub mod crypto;
pub mod entropy;
pub mod frame;
pub mod ids;
pub mod keys;
pub mod server;
pub mod time;
pub mod wire;
