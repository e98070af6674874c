//! The production host: carries out what the machines of `sealpost-core` decide.
//!
//! [`ServerHost`] runs a machine behind listening sockets, [`ClientHost`] runs one that dials.
//! Both are one loop, the reactor, on the thread that calls `run`. The machine lives on that thread
//! and needs no lock:
//!
//! ```text
//!   sockets ── bytes ──▶ ┌─────────┐ ── requests ─▶ storage thread ─┐
//!   timers ─── ticks ──▶ │ reactor │ ── jobs ─────▶ crypto workers ─┤
//!   signals ── stop ───▶ │ machine │ ── deliveries ▶ application    │
//!                        └─────────┘ ◀────────── outcomes ──────────┘
//! ```
//!
//! A turn of the reactor:
//!
//! 1. Hand over what the last turn gathered: bytes to the sockets, requests to the storage thread,
//!    jobs to the workers.
//! 2. Wait for sockets, outcomes, a signal, or the machine's deadline.
//! 3. Give the machine the outcomes that have gathered, then new connections, then the bytes of
//!    each readable connection, then a tick if one is due. The bytes read from one connection in a
//!    turn are bounded, so that every connection gets its turn. All actions that follow from one
//!    input are carried out before the next input.
//!
//! A connection whose peer reads too slowly is reported to the machine as congested, and as
//! writable once its queue is empty. The machine pauses reading from a connection that has given it
//! as much work as it accepts. When the machine closes a connection, the bytes queued for it still
//! go out, within a bounded time.
//!
//! The process aborts if the storage thread or a crypto worker panics. Everything acknowledged is
//! durable by then, and a host without those threads would accept messages and never answer.
//!
//! This crate needs Unix: it handles Unix signals and relies on edge-triggered readiness.
//!
//! # Embedding
//!
//! A program implements [`Application`], which receives the machine's deliveries (for a server,
//! one-time passwords; for a client, messages) and notices. It brings a store and a [`JobRunner`],
//! starts a host, and controls it from other threads through a [`Handle`]. A [`StoreHandle`] lets
//! it work on the store of a running server, between two commits.
//!
//! # Where things are
//!
//! Each folder uses only those above it in this list.
//!
//! - `tls`: certificates, authorities, and what TLS makes of the bytes of one connection.
//! - `threads`: the storage thread, the crypto pool, and the inbox through which they answer.
//! - `sockets`: the listener, the dialler, and all connections with their queues.
//! - `reactor`: the loop, and the executor of the machine's actions.
//! - `hosts`: what an embedder starts.
#![forbid(unsafe_code)]

mod application;
#[cfg(test)]
#[path = "../tests/certificates/mod.rs"]
mod certificates;
mod clock;
mod config;
mod destination;
mod dial_error;
mod error;
mod hosts;
mod reactor;
mod sockets;
mod threads;
mod tls;

pub use application::{Application, Control};
pub use config::{HostConfig, SignalHandling, TransactionLimit, raise_file_limit};
pub use destination::Destination;
pub use dial_error::{Attempts, DialError};
pub use error::Error;
pub use hosts::{ClientHost, ServerHost};
pub use reactor::Handle;
pub use sockets::{InvalidProxyHeader, ListeningSocket, LocalAddress, ProxyHeader};
pub use threads::{CommitTimes, HostedMachine, JobRunner, StoreAnswer, StoreHandle, StoreRequest};
pub use tls::{CertificateChain, TlsClient, TlsError, TlsServer};
