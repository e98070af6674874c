//! Metrics and health, on an address of their own.
//!
//! | file | what |
//! |---|---|
//! | `http` | answers `/metrics`, `/live` and `/ready` |
//! | `health` | whether the server is live and ready |
//! | `snapshot` | the figures of one moment, read when somebody asks |
//! | `exposition` | their names and texts, in the format of Prometheus |
//! | `page` | the page that they are written to |
//! | `process` | figures of the process, from the kernel |
//! | `vitals` | what other threads report: reloads, and the beginning of the stop |
//! | `probe` | the command `health` |
//!
//! A new metric is a field of the snapshot, a line in `exposition`, and a row in docs/OPERATING.md.

mod exposition;
mod health;
mod http;
mod page;
mod probe;
mod process;
mod snapshot;
mod vitals;

pub(crate) use health::ready;
pub(crate) use http::MetricsSocket;
pub(crate) use probe::health;
pub(crate) use process::Process;
pub(crate) use vitals::Vitals;
