//! The server's store: accounts, and the mailboxes of users who are not online.
//!
//! - [`MemoryStorage`] is the executable specification; the simulator runs on it.
//! - [`SqliteStorage`] keeps everything in one SQLite file, for production.
//! - [`jetstream`] (feature of the same name) keeps everything in NATS JetStream, where several servers
//!   can share it.
//! - [`moving`] (feature `jetstream`) moves a deployment from one of these two to the other.
//! - [`Inspector`] reads that file alongside a running server, for the operator.
//! - [`Marked`] wraps either, and tells the folder's mark which user ids are handed out.
//! - `conformance` (feature of the same name) is the suite that all of them pass.

mod clock;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod daily_use;
mod invitations;
#[cfg(feature = "jetstream")]
pub mod jetstream;
mod marked;
mod memory;
#[cfg(feature = "jetstream")]
pub mod moving;
mod quota;
mod reconnects;
mod request;
mod sqlite;
mod suspension;
mod usage;

pub use invitations::{InvitationRecord, NewInvitation};
pub use marked::Marked;
pub use memory::MemoryStorage;
pub use quota::{Quota, SharedQuota, Shares};
pub use sqlite::{CheckReport, Finding, Inspector, SqliteStorage, Stats, UserRecord};
pub use suspension::{Suspension, SuspensionOutcome};
pub use usage::Usage;
