//! The client's store: one account on one server, its contacts and its history.
//!
//! - [`ClientStorage`] is the trait. The machine is given a
//!   [`Snapshot`](sealpost_core::client::store::Snapshot) at its start and sends its requests
//!   through [`Storage::commit`](crate::Storage::commit). An application reads what it displays
//!   from the store directly.
//! - [`MemoryClientStorage`] is the executable specification; the simulator runs on it.
//! - [`SqliteClientStorage`] keeps everything in one SQLite file, for production.
//! - [`conversations`] is what people see of it, and [`transfers`] is what is known of files on their
//!   way; only [`SqliteClientStorage`] keeps these.
//! - `conformance` (feature of the same name) is the suite that both pass.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod conversations;
mod history;
mod identity;
mod memory;
mod outbox;
mod signed_again;
mod sqlite;
mod storage;
pub mod transfers;

pub use history::{HistoryEntry, Place, SentMessage};
pub use identity::Identity;
pub use memory::MemoryClientStorage;
pub use outbox::OutboxCounts;
pub use sqlite::{Location, MemoryDatabase, SqliteClientStorage};
pub use storage::ClientStorage;
