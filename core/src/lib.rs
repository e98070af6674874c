//! The Sealpost protocol as two pure state machines: [`server::Server`] and [`client::Client`].
//!
//! A machine does no I/O. It never touches a socket or a file, reads a clock, asks the system for
//! randomness, or blocks. A *host* does all of that for it: `sealpost-mio` in production, an
//! example over `std::net`, a simulator, a fuzzer. The same machine runs under each of them, and
//! the same seed with the same inputs gives the same actions, byte for byte.
//!
//! This page is the manual for embedders, the people who write a host.
//!
//! # The run loop
//!
//! 1. Make a machine from its configuration and a seed ([`entropy::Entropy`]).
//! 2. Wait for the next event: bytes on a connection, a connection that opened or closed, the
//!    outcome of a job or a store operation, a command of the application, or the deadline that
//!    [`Machine::deadline`](frame::Machine::deadline) named.
//! 3. Read the clocks once ([`time::Now`]) and hand the machine that one event as an
//!    [`Input`](frame::Input).
//! 4. Carry out every [`Action`](frame::Action) that comes back, in order. `Send`, `Store` and
//!    `Compute` only have to be started here; they need not be finished.
//! 5. When a store operation or a job finishes, report it with
//!    [`Event::Stored`](frame::Event::Stored) or [`Event::Computed`](frame::Event::Computed) under
//!    the ticket of its action. That is the next input.
//! 6. Continue with 2.
//!
//! [`frame::pump`] does the match over actions for everything that implements [`frame::Host`]. The
//! actions borrow the machine, so a host that gives it the next input before they are drained does
//! not compile.
//!
//! ```
//! use sealpost_core::frame::{Deadline, Event, Host, Input, Machine, pump};
//! use sealpost_core::time::Now;
//!
//! /// Handles everything that has happened since the last turn. Returns the time of the next turn
//! /// if nothing else happens before it.
//! fn turn<M: Machine>(
//!     machine: &mut M,
//!     host: &mut impl Host<M>,
//!     events: impl IntoIterator<Item = Event<M>>,
//!     now: Now,
//! ) -> Option<Deadline> {
//!     for event in events {
//!         pump(machine, host, now, Input::Event(event));
//!     }
//!     match machine.deadline() {
//!         Some(deadline) if deadline.at <= now.mono => {
//!             pump(machine, host, now, Input::Event(Event::Tick))
//!         }
//!         later => later,
//!     }
//! }
//! ```
//!
//! # What a host promises
//!
//! - **Bytes** of one connection are reported in the order of the stream. They may be cut anywhere.
//! - **Store operations** reach the store in the order of their actions. An outcome is reported
//!   once it is durable and never earlier, because the machine acknowledges messages on the
//!   strength of it. Outcomes may be late. They may be missing only if the process dies.
//! - **Jobs** ([`crypto::Job`]) run on any thread and finish in any order. The machine restores the
//!   order that matters: packets of one connection take effect as they arrived.
//! - **Connection numbers and tickets** come back unchanged. A host never uses a connection number
//!   twice, so a late event cannot hit a newer connection.
//! - **Back-pressure**: after [`Flow::Pause`](frame::Flow::Pause) the host stops reading from the
//!   connection. When too many bytes are queued for a slow peer, the host reports
//!   [`Congested`](frame::Event::Congested), and [`Writable`](frame::Event::Writable) once they
//!   have been sent.
//!
//! A machine survives a host that breaks a promise about tickets or connection numbers: it reports
//! a [`Misuse`](frame::Misuse) in a notice and goes on. It cannot detect a store that claims to be
//! durable and is not.
//!
//! # Proofs
//!
//! What must not happen does not compile. A [`Verified`](frame::Verified) value carries a packet
//! whose signature was verified; a [`Durable`](frame::Durable) value is one that the store has
//! committed. The code that acts takes the proof as an argument: a message is routed only if it is
//! verified, acknowledged only if it is durable, and a session begins only from a request that is
//! both. Only the outcome of the job or operation that a proof is about can make it, reported by
//! the host under the right ticket. An outcome that reports a failure makes no proof.
//!
//! # Three notions of time
//!
//! [`time::Mono`] never goes back and times everything inside a machine. [`time::Timestamp`] is UTC
//! to the second; it goes into packets and into the store, and may jump. A *deadline*
//! ([`frame::Deadline`]) is the latest time at which the machine must be called again, with the
//! reason. Calling it earlier changes nothing.
//!
//! # Two sources of randomness
//!
//! The machine has a generator of its own, given at construction. One-time passwords, reply keys
//! and the jitter of back-offs come from it. Session keys, message keys, IVs and OAEP seeds are
//! drawn where the job runs, by the host's [`crypto::Crypto`], which is also the only holder of the
//! private key.
//! # Faults
//!
//! Errors are named after the party at fault, and none of them is an `Err` of `handle`.
//!
//! | at fault | type | consequence |
//! |---|---|---|
//! | peer | [`wire::Violation`], [`wire::Malformed`], [`keys::Rejected`] | a server answers with a signed 244, and closes if its [class](wire::ErrorClass) says so; a client reports a suspicion |
//! | environment | [`frame::StoreError`] | the request is refused for now, or retried |
//! | host | [`frame::Misuse`] | a notice |
//! | embedder | [`frame::InvalidLimits`] | the machine is not made |
//!
//! # Map of the modules
//!
//! A module uses only those below it in this table.
//!
//! | module | content |
//! |---|---|
//! | [`server`], [`client`] | the two machines: configuration, limits, notices, what they ask of their store |
//! | [`groups`] | groups, by pairwise copies |
//! | [`files`] | transfers of files, in pieces |
//! | [`frame`] | contract between machine and host, proofs, tickets, alarms |
//! | [`crypto`] | jobs, and the two providers that run them |
//! | [`event`] | what a message can be beyond plain text, in CBOR |
//! | [`address`] | addresses of servers, `sealpost://…` |
//! | [`wire`] | every byte of `docs/PROTOCOL.md` |
//! | [`entropy`] | the machine's own generator |
//! | [`keys`] | symmetric keys, plaintext, public keys, fingerprints, safety numbers, PEM |
//! | [`ids`], [`time`] | users, messages, connections, tickets, phone numbers; clocks |
//!
//! Every bound has a name and a reason in [`server::limits`] and [`client::Limits`].
//!
//! # Features
//!
//! `rust-crypto` (default) adds the portable provider. `aws-lc` adds the fast one, which needs
//! `std` and a C compiler. With neither, the crate has the machines only, and the host brings its
//! own [`crypto::Provider`]. The crate is `no_std` with `alloc` and forbids unsafe code.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "aws-lc"))]
extern crate std;

pub mod address;
pub mod client;
pub mod crypto;
pub mod entropy;
pub mod event;
pub mod files;
pub mod frame;
pub mod groups;
pub mod ids;
pub mod keys;
pub mod server;
pub mod time;
pub mod wire;
