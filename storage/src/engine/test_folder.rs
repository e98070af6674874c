//! Temporary folders for tests of databases.

use tempfile::TempDir;

/// Creates a folder in shared memory where the system has it: these tests do not test the disk.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}
