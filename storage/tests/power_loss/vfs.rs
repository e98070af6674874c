//! [`FileSystem`]s as SQLite's default VFS in this test process. The only unsafe code.
//!
//! A file lives on the file system that was attached to its folder. There are no files anywhere
//! else. Time, sleep and randomness come from the system.
#![expect(unsafe_code, reason = "SQLite calls through C")]
#![warn(clippy::undocumented_unsafe_blocks)]

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use rusqlite::ffi;

use crate::disk::{Disk, Fault};
use crate::file_system::{Creation, FileSystem, Handle};
use crate::shared_state::{Busy, Level, Mode};

/// Attaches a file system to a folder.
pub(crate) fn attach(folder: &Path, file_system: FileSystem) {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(register);
    file_systems().insert(folder.into(), file_system);
}

/// Detaches a folder's file system.
pub(crate) fn detach(folder: &Path) {
    file_systems().remove(folder);
}

fn file_systems() -> MutexGuard<'static, BTreeMap<PathBuf, FileSystem>> {
    static FILE_SYSTEMS: Mutex<BTreeMap<PathBuf, FileSystem>> = Mutex::new(BTreeMap::new());
    FILE_SYSTEMS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Registers the default VFS. It inherits from the system's what it does not replace.
fn register() {
    // SAFETY: a null name asks for the default VFS. There is one, and it lives as long as the
    // process. Its copy is plain data; the functions that we keep use none of the original's own.
    let system = unsafe { *ffi::sqlite3_vfs_find(std::ptr::null()) };
    let ours = Box::leak(Box::new(ffi::sqlite3_vfs {
        szOsFile: c_int::try_from(size_of::<OpenFile>()).unwrap(),
        pNext: std::ptr::null_mut(),
        zName: c"power-loss".as_ptr(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_pathname),
        ..system
    }));
    // SAFETY: `ours` is complete and is never freed.
    let registered = unsafe { ffi::sqlite3_vfs_register(ours, 1) };
    assert_eq!(registered, ffi::SQLITE_OK);
}

/// What SQLite allocates for a file, `szOsFile` bytes, and passes to every method.
#[repr(C)]
struct OpenFile {
    base: ffi::sqlite3_file,
    /// From [`Box::into_raw`] in `open`, back in `close`.
    handle: *mut Handle,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Returns the handle of an open file.
///
/// # Safety
/// `file` is one that `open` filled and `close` has not emptied, and no other call is using it:
/// SQLite calls the methods of one file one after the other.
unsafe fn handle<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Handle {
    // SAFETY: `file` is the head of an `OpenFile`, whose handle is valid between `open` and `close`
    // and is not borrowed elsewhere.
    unsafe { &mut *(*file.cast::<OpenFile>()).handle }
}

/// Returns the file system of a path, and the file's name there.
///
/// # Safety
/// `path` is null or a string that ends in 0 and lives through the call.
unsafe fn locate(path: *const c_char) -> Option<(FileSystem, String)> {
    if path.is_null() {
        return None;
    }
    // SAFETY: not null, so by contract a string.
    let path = Path::new(unsafe { CStr::from_ptr(path) }.to_str().ok()?);
    let file_system = file_systems().get(path.parent()?)?.clone();
    Some((file_system, path.file_name()?.to_str()?.to_owned()))
}

/// Returns the result code for SQLite: `failed` for faults that have no code of their own.
fn code(done: Result<(), Fault>, failed: c_int) -> c_int {
    match done {
        Ok(()) => ffi::SQLITE_OK,
        Err(Fault::Full) => ffi::SQLITE_FULL,
        Err(Fault::PowerOff | Fault::Io | Fault::Missing) => failed,
    }
}

const fn lock_code(done: Result<(), Busy>) -> c_int {
    match done {
        Ok(()) => ffi::SQLITE_OK,
        Err(Busy) => ffi::SQLITE_BUSY,
    }
}

const fn level(lock: c_int) -> Level {
    match lock {
        ffi::SQLITE_LOCK_NONE => Level::Unlocked,
        ffi::SQLITE_LOCK_SHARED => Level::Shared,
        ffi::SQLITE_LOCK_RESERVED => Level::Reserved,
        ffi::SQLITE_LOCK_PENDING => Level::Pending,
        _ => Level::Exclusive,
    }
}

/// Converts a position or length from SQLite, which is never negative.
fn size<T: TryInto<usize>>(number: T) -> usize {
    number.try_into().unwrap_or(0)
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let creation =
        if flags & ffi::SQLITE_OPEN_MAIN_DB == 0 { Creation::Allowed } else { Creation::External };
    // SAFETY: SQLite passes null or a string.
    let located = unsafe { locate(name) };
    let opened = located.and_then(|(file_system, name)| file_system.open(&name, creation).ok());
    let (methods, outcome) = match &opened {
        Some(_) => (&raw const METHODS, ffi::SQLITE_OK),
        None => (std::ptr::null(), ffi::SQLITE_CANTOPEN),
    };
    let handle = opened.map_or(std::ptr::null_mut(), |handle| Box::into_raw(Box::new(handle)));
    let base = ffi::sqlite3_file { pMethods: methods };
    // SAFETY: SQLite has allocated `szOsFile` bytes for the file, aligned for any structure.
    // Without methods it never hands the file to one.
    unsafe { file.cast::<OpenFile>().write(OpenFile { base, handle }) };
    if !out_flags.is_null() {
        // SAFETY: not null, so a place for the answer.
        unsafe { *out_flags = flags };
    }
    outcome
}

unsafe extern "C" fn delete(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_folder: c_int,
) -> c_int {
    // SAFETY: SQLite passes a string.
    let Some((file_system, name)) = (unsafe { locate(name) }) else {
        return ffi::SQLITE_IOERR_DELETE;
    };
    let deleted = file_system.disk(|disk| {
        disk.delete(&name)?;
        if sync_folder == 0 { Ok(()) } else { disk.sync_folder() }
    });
    match deleted {
        Err(Fault::Missing) => ffi::SQLITE_IOERR_DELETE_NOENT,
        done => code(done, ffi::SQLITE_IOERR_DELETE),
    }
}

unsafe extern "C" fn access(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes a string.
    let located = unsafe { locate(name) };
    let found = located.map_or(Ok(None), |(file_system, name)| {
        file_system.disk(|disk| {
            disk.ensure_power()?;
            disk.find(&name).map(|inode| disk.len(inode)).transpose()
        })
    });
    let there = match found {
        // As in the system's own VFS, an empty file counts as missing.
        Ok(len) => len.is_some_and(|len| len > 0 || flags != ffi::SQLITE_ACCESS_EXISTS),
        Err(_) => return ffi::SQLITE_IOERR_ACCESS,
    };
    // SAFETY: SQLite passes a place for the answer.
    unsafe { *out = there.into() };
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_pathname(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite passes a string.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
    if name.len() > size(room) {
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: `out` has `room` bytes, which are enough, and is SQLite's, not the name's.
    unsafe { out.copy_from_nonoverlapping(name.as_ptr().cast(), name.len()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let file = file.cast::<OpenFile>();
    // SAFETY: `open` has filled this file, and SQLite closes it once: the box comes back once.
    drop(unsafe { Box::from_raw((*file).handle) });
    // SAFETY: as above; the file stays SQLite's memory.
    unsafe { (*file).handle = std::ptr::null_mut() };
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    out: *mut c_void,
    len: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: an open file, as SQLite has it.
    let handle = unsafe { handle(file) };
    // SAFETY: SQLite passes room for `len` bytes that nobody else uses during the call; the zeros
    // make them bytes that may be read.
    let bytes = unsafe {
        out.write_bytes(0, size(len));
        std::slice::from_raw_parts_mut(out.cast::<u8>(), size(len))
    };
    match handle.disk(|disk, inode| disk.read(inode, size(at), bytes)) {
        Ok(there) if there == size(len) => ffi::SQLITE_OK,
        Ok(_) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(_) => ffi::SQLITE_IOERR_READ,
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    data: *const c_void,
    len: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: an open file, as SQLite has it.
    let handle = unsafe { handle(file) };
    // SAFETY: SQLite passes `len` bytes that stay as they are during the call.
    let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size(len)) };
    let done = handle.disk(|disk, inode| disk.write(inode, size(at), bytes));
    code(done, ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, len: ffi::sqlite3_int64) -> c_int {
    // SAFETY: an open file, as SQLite has it.
    let handle = unsafe { handle(file) };
    let done = handle.disk(|disk, inode| disk.truncate(inode, size(len)));
    code(done, ffi::SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: an open file, as SQLite has it.
    let handle = unsafe { handle(file) };
    code(handle.sync(), ffi::SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size(
    file: *mut ffi::sqlite3_file,
    out: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: an open file, as SQLite has it.
    let handle = unsafe { handle(file) };
    let done = handle.disk(Disk::len).map(|len| {
        // SAFETY: SQLite passes a place for the answer.
        unsafe { *out = ffi::sqlite3_int64::try_from(len).unwrap_or(ffi::sqlite3_int64::MAX) };
    });
    code(done, ffi::SQLITE_IOERR_FSTAT)
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, to: c_int) -> c_int {
    // SAFETY: an open file, as SQLite has it.
    let handle = unsafe { handle(file) };
    lock_code(handle.lock(level(to)))
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, to: c_int) -> c_int {
    // SAFETY: an open file, as SQLite has it.
    let handle = unsafe { handle(file) };
    handle.unlock(level(to));
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: an open file, as SQLite has it.
    let handle = unsafe { handle(file) };
    // SAFETY: SQLite passes a place for the answer.
    unsafe { *out = handle.is_reserved().into() };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

/// The same as in the system's own VFS.
unsafe extern "C" fn sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    4_096
}

/// The same as in the system's own VFS: bytes beside a torn write are not damaged.
unsafe extern "C" fn device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE | ffi::SQLITE_IOCAP_SUBPAGE_READ
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    index: c_int,
    len: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: an open file, as SQLite has it.
    let handle = unsafe { handle(file) };
    let region = handle.region(size(index), size(len), extend != 0);
    // The words are atomic, so SQLite may write through a shared pointer. The file system keeps
    // them until the last connection has unmapped them.
    let address = region.map_or(std::ptr::null(), |region| region.as_ptr());
    // SAFETY: SQLite passes a place for the answer.
    unsafe { *out = address.cast_mut().cast() };
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    first: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: an open file, as SQLite has it.
    let handle = unsafe { handle(file) };
    let mask = ((1 << count) - 1) << first;
    if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
        handle.unlock_slots(mask);
        return ffi::SQLITE_OK;
    }
    let shared = flags & ffi::SQLITE_SHM_SHARED != 0;
    lock_code(handle.lock_slots(mask, if shared { Mode::Shared } else { Mode::Exclusive }))
}

unsafe extern "C" fn shm_barrier(_: *mut ffi::sqlite3_file) {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: an open file, as SQLite has it.
    unsafe { handle(file) }.unmap();
    ffi::SQLITE_OK
}
