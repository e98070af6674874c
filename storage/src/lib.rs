//! Storage for Sealpost: everything that must outlive the process.
//!
//! - [`Storage`] is the trait: one call, one durable transaction. Its documentation is the contract
//!   of every store.
//! - [`server`] holds the server's store, in memory, in SQLite, and with the feature `jetstream` in NATS
//!   JetStream, where several servers can share it. Its names are also re-exported
//!   here.
//! - [`client`] holds the client's store, in the same two forms.
//! - [`Faulty`] wraps any store and makes it fail on demand.
//! - [`key_file`] keeps private keys and the server's wrapping key, each in a file of its own.
//! - [`DatabaseMark`] is a file beside the keys that remembers which database belongs to them, and
//!   which user ids were handed out. [`Marked`] keeps it up to date.
//! - [`Exposure`] says why a key file or database that others can read or change is not used.
//! - `conformance` (feature of the same name) has the fixtures of the two suites that every store
//!   passes: `server::conformance` and `client::conformance`.
//!
//! Dependencies point one way: the private module `engine` has what both SQLite stores share, the
//! server and the client build on it and not on each other, and the conformance suites use both.
#![forbid(unsafe_code)]

mod atomic_file;
pub mod client;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod database_mark;
mod engine;
mod faulty;
pub mod key_file;
mod private_file;
pub mod server;
mod storage;

pub use database_mark::{DatabaseId, DatabaseMark, Remembered};
pub use engine::{EngineError, OpenError, OpenFailure, Progress};
pub use faulty::Faulty;
pub use private_file::Exposure;
pub use server::{
    CheckReport, Finding, Inspector, InvitationRecord, Marked, MemoryStorage, NewInvitation, Quota,
    SharedQuota, Shares, SqliteStorage, Stats, Suspension, SuspensionOutcome, Usage, UserRecord,
};
pub use storage::{Report, Storage};
