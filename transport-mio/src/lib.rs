//! The production host: it carries out what the machines of `sealpost-core` decide.
//!
//! [`Server`] runs a machine behind a listening socket, [`ClientHost`] one that dials. Both are one
//! loop, the reactor, on the thread that calls `run`; the machine lives there and is never locked:
//!
//! ```text
//!   sockets ─ bytes ─▶ ┌─────────┐ ─ requests ─▶ storage thread ─┐
//!   timers ── ticks ─▶ │ reactor │ ─ jobs ─────▶ crypto workers ─┤
//!   signals ─ stop ──▶ │ machine │ ─ passwords ▶ courier         │
//!                      └─────────┘ ◀────────── outcomes ─────────┘
//! ```
//!
//! A turn of the reactor:
//!
//! 1. Hand over what the last turn gathered: bytes to sockets, requests to the storage thread, jobs
//!    to the workers.
//! 2. Wait for sockets, outcomes, a signal, or the machine's deadline.
//! 3. Give the machine the outcomes that have gathered, then new connections, then the bytes of each
//!    connection that has some (so many at most that the others get their turn), then a tick if one
//!    is due. What follows from each is carried out before the next.
//!
//! A connection whose peer reads too slowly is reported as congested, and as writable once all has
//! gone out; the machine pauses reading where it has taken on enough. A connection that the machine
//! closes gets what was queued for it, within a bound.
//!
//! The process stops at once if the storage thread or a worker panics: what was acknowledged is
//! durable, and a host without them would take messages and never answer.
//!
//! For Unix: signals, and readiness that is reported by edges, are taken as they are there.
#![forbid(unsafe_code)]

mod application;
mod client;
mod clock;
mod config;
mod conn;
mod crypto_pool;
mod dialler;
mod error;
mod host;
mod inbox;
mod listener;
mod operator;
mod otp;
mod reactor;
mod server;
mod signals;
mod slots;
mod sockets;
mod storage_thread;
mod store_request;
mod worker;

pub use application::{Application, Control};
pub use client::ClientHost;
pub use config::{Config, Signals, TransactionLimit};
pub use crypto_pool::JobRunner;
pub use error::Error;
pub use inbox::Hosted;
pub use operator::Operator;
pub use otp::{InvalidRoute, InvalidUrl, OtpCourier, OtpRoute, WebhookUrl};
pub use reactor::Handle;
pub use server::Server;
pub use store_request::{StoreAnswer, StoreRequest};
