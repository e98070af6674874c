//! The copy of a database that is kept before it is migrated: the way back to the earlier version of
//! the program.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::copy::copy;
use super::error::OpenFailure;

/// Copies a database of this schema version to a file beside it, which is on disk when this returns.
/// A copy that an interrupted migration left is replaced: it may be incomplete.
pub(super) fn keep(connection: &Connection, version: u32) -> Result<(), OpenFailure> {
    let Some(kept) = path(connection, version) else { return Ok(()) };
    copy(connection, &kept, |_| ()).map_err(|reason| {
        // What there is of it takes up space. The failure is reported, so this one is not.
        let _ = std::fs::remove_file(&kept);
        OpenFailure::NotKept { version, copy: kept, reason: Box::new(reason) }
    })
}

/// Removes the copies of versions before this one. One that can't be removed is left.
pub(super) fn forget_before(connection: &Connection, version: u32) {
    for kept in (0..version).filter_map(|earlier| path(connection, earlier)) {
        let _ = std::fs::remove_file(kept);
    }
}

/// Path of the copy: `sealpost.db.schema-1.bak`. `None` for a database in memory.
fn path(connection: &Connection, version: u32) -> Option<PathBuf> {
    let database = Path::new(connection.path().filter(|path| !path.is_empty())?);
    let mut name = database.file_name()?.to_owned();
    name.push(format!(".schema-{version}.bak"));
    Some(database.with_file_name(name))
}
