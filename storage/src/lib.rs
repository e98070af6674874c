//! Where Sealpost keeps what must outlive the process.
//!
//! - [`Storage`]: one call, one durable transaction. Its documentation is the contract of every
//!   engine.
//! - [`MemoryStorage`]: the server's store as an executable specification; the simulator runs on
//!   it.
//! - [`SqliteStorage`]: the server's store in one SQLite file, for production.
//! - [`Inspector`]: reads that file beside a running server, for the operator.
//! - [`client`]: the same for a client's own store.
//! - [`Faulty`]: any engine, with failures on demand.
//! - [`key_file`]: private keys and the server's wrapping key, each in a file of its own.
//! - `conformance` (feature of the same name): the suite that every engine passes.
#![forbid(unsafe_code)]

mod atomic_file;
pub mod client;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod faulty;
pub mod key_file;
mod memory;
mod quota;
mod request;
mod sqlite;
mod storage;

pub use faulty::Faulty;
pub use memory::MemoryStorage;
pub use quota::{Quota, Usage};
pub use sqlite::{
    CheckReport, EngineError, Finding, Inspector, OpenError, SqliteStorage, Stats, UserRecord,
};
pub use storage::Storage;
