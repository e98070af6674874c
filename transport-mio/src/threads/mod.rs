//! The threads beside the reactor's, and the inbox through which they report to it.

mod commit_times;
mod crypto_pool;
mod hosted_machine;
mod inbox;
mod job_queue;
mod job_runner;
mod spawn;
mod storage_thread;
mod store_handle;
mod store_request;
mod under_way;

pub use commit_times::CommitTimes;
pub(crate) use crypto_pool::CryptoPool;
pub use hosted_machine::HostedMachine;
pub(crate) use inbox::{Dialled, Inbox, Mail};
pub use job_runner::JobRunner;
pub(crate) use spawn::{fail_stop, join, spawn};
pub(crate) use storage_thread::StorageThread;
pub use store_handle::StoreHandle;
pub use store_request::{StoreAnswer, StoreRequest};
