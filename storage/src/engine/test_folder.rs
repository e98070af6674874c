//! Temporary folders for tests of databases.

use std::path::Path;

use tempfile::TempDir;

/// Creates a folder in shared memory where the system has it: these tests do not test the disk.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Gives a file, which a test did not create as a store does, the mode that a store demands.
pub(crate) fn make_private(path: &Path) {
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}
