//! The SQLite engine: what the server's and the client's database have in common.
//!
//! - `column`: values of columns, validated as they are read.
//! - `error`: what a failure of SQLite means, and why a database cannot be opened.
//! - `copy`: a copy of a database as of one point in time, while others write.
//! - `kept`: the copy of a database that is kept before it is migrated.
//! - `schema`: how a database file is created, identified, migrated and opened.
//! - `watch`: whether the files of an open database are still in place.
//! - `writer`: the connection that writes, and the one way to commit requests over it.
//!
//! Each module uses only those above it.

pub(crate) mod column;
mod copy;
mod error;
mod kept;
mod schema;
#[cfg(test)]
pub(crate) mod test_folder;
mod watch;
mod writer;

pub use copy::Progress;
pub(crate) use copy::copy;
pub(crate) use error::store_error;
pub use error::{EngineError, OpenError, OpenFailure};
pub(crate) use schema::Schema;
pub(crate) use writer::Writer;
