//! `sealpost doctor`: what is wrong with a home, and what to do about it.

use std::os::unix::fs::{FileTypeExt, MetadataExt};

use rustix::fs::{StatVfsMountFlags, statvfs};
use sealpost_core::client::Limits;
use sealpost_core::client::store::Account;
use sealpost_core::keys::PemError;
use sealpost_programs::{Failure, Folder, Format, FormatArg, Line};
use sealpost_storage::client::{ClientStorage, Identity, SqliteClientStorage};
use sealpost_storage::key_file::{KeyFile, KeyFileError};

use crate::doctor_server::{connect, examine_connection};
use crate::finding::{Check, Finding, State};
use crate::home::{Home, KEY, SOCKET, require_account};

/// Options of `doctor`.
#[derive(clap::Args, Clone, Copy, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// Don't connect to the server
    #[arg(long)]
    offline: bool,
    /// How long to wait for the server, in seconds
    #[arg(long, value_name = "S", default_value_t = 15)]
    timeout: u64,
    #[command(flatten)]
    format: FormatArg,
}

/// Prints a line for each check. Fails if one of them has found an error.
pub(crate) fn doctor(home: &Home, args: &DoctorArgs) -> Result<(), Failure> {
    let findings = examine(home, args);
    for finding in &findings {
        match args.format.format() {
            Format::Json => Line::json(finding)?,
            Format::Text => Line::text(finding)?,
        }
    }
    match findings.iter().filter(|finding| finding.state == State::Error).count() {
        0 => Ok(()),
        1 => Err(Failure::new("one check has found an error")),
        count => Err(Failure::new(format_args!("{count} checks have found errors"))),
    }
}

fn examine(home: &Home, args: &DoctorArgs) -> Vec<Finding> {
    let Some(folder) = Folder::existing(home.path()).ok().filter(|_| !home.is_new()) else {
        return vec![no_home(home)];
    };
    let mut findings = vec![examine_folder(&folder), examine_key(&folder)];
    let account = match home.look() {
        Ok(store) => examine_store(&store, &mut findings),
        Err(error) => {
            findings.push(Check::Store.error(error, "import an export into another --home"));
            None
        }
    };
    findings.extend([examine_socket(home, &folder), examine_disk(&folder)]);
    let Some((identity, account)) = account else { return findings };
    if args.offline || findings.iter().any(|finding| finding.state == State::Error) {
        findings.push(examine_clock(&account, Measured::Before));
        return findings;
    }
    let connection = connect(home, &identity.endpoints, args.timeout);
    // The session may have shown how far the clocks differ.
    let measured = match &connection {
        Ok(reached) if reached.has_answered() => Measured::Now,
        Ok(_) | Err(_) => Measured::Before,
    };
    let account = home.look().ok().and_then(|store| store.load().ok()).map(|it| it.account);
    findings.extend(account.as_ref().map(|account| examine_clock(account, measured)));
    findings.extend(examine_connection(&identity, connection));
    findings
}

fn no_home(home: &Home) -> Finding {
    let path = home.path().display();
    match Folder::existing(home.path()) {
        Err(error) if home.path().exists() => {
            Check::Folder.error(error, "fix its owner and its permissions first")
        }
        Ok(_) | Err(_) => Check::Folder.error(
            format_args!("there is no account in {path}"),
            "start with sealpost register or sealpost import, or pass another --home",
        ),
    }
}

fn examine_folder(folder: &Folder) -> Finding {
    let path = folder.path();
    match path.metadata().map(|metadata| metadata.mode() & 0o777) {
        Ok(mode) if mode == mode & 0o700 => Check::Folder.ok(path.display()),
        Ok(mode) => Check::Folder.warning(
            format_args!("others can look into {}: its mode is {mode:03o}", path.display()),
            format_args!("chmod 700 {}", path.display()),
        ),
        Err(error) => Check::Folder.error(error, "fix its permissions"),
    }
}

fn examine_key(folder: &Folder) -> Finding {
    match KeyFile::new(folder.file(KEY)).load(None) {
        Ok(_) => Check::Key.ok("private, and not encrypted; sealpost passphrase encrypts it"),
        Err(KeyFileError::Pem(_, PemError::PassphraseNeeded)) => {
            Check::Key.ok("private, and encrypted with a passphrase")
        }
        Err(error @ KeyFileError::Exposed(..)) => Check::Key
            .error(error, "remove the rights of others; if they have read the key, register anew"),
        Err(error) => Check::Key.error(error, "restore the file, or import an export"),
    }
}

/// Returns the account, if the store can be read.
fn examine_store(
    store: &SqliteClientStorage,
    findings: &mut Vec<Finding>,
) -> Option<(Identity, Account)> {
    let read =
        store.identity().and_then(|identity| Ok((identity, store.load()?, store.is_sound()?)));
    let (identity, snapshot, is_sound) = match read {
        Ok(read) => read,
        Err(error) => {
            findings.push(Check::Store.error(error, "import an export into another --home"));
            return None;
        }
    };
    findings.push(if is_sound {
        Check::Store.ok("whole")
    } else {
        Check::Store.error(
            "the database is damaged",
            "end every sealpost that uses it, keep a copy, and import an export into another --home",
        )
    });
    findings.push(match require_account(&snapshot) {
        Ok(()) => Check::Account.ok(format_args!("{} is registered", identity.phone)),
        Err(error) => Check::Account.error(error, "run sealpost register again, with --have-otp"),
    });
    Some((identity, snapshot.account))
}

fn examine_socket(home: &Home, folder: &Folder) -> Finding {
    let path = folder.file(SOCKET);
    let is_owned = folder.try_lock().is_ok_and(|lock| lock.is_none());
    let end_it = "end the other sealpost that uses this home";
    match path.symlink_metadata() {
        Ok(found) if !found.file_type().is_socket() => Check::Socket.error(
            format_args!("{} is not a socket", path.display()),
            "move it away: no process can serve the home",
        ),
        Ok(_) if home.connect().is_ok_and(|stream| stream.is_some()) => {
            Check::Socket.ok("a process owns the home, and takes requests")
        }
        Ok(_) if is_owned => {
            Check::Socket.error("a process owns the home, and takes no requests", end_it)
        }
        Ok(_) => Check::Socket
            .warning("left by a process that was killed", "nothing: the next command replaces it"),
        Err(_) if is_owned => {
            Check::Socket.warning("a process owns the home, and has no socket", end_it)
        }
        Err(_) => Check::Socket.ok("no process owns the home"),
    }
}

fn examine_disk(folder: &Folder) -> Finding {
    let disk = match statvfs(folder.path()) {
        Ok(disk) => disk,
        Err(error) => return Check::Disk.warning(error, "look yourself whether there is room"),
    };
    if disk.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Check::Disk.error(
            "it can only be read",
            "mount it for writing, or repair it: nothing can be stored, and nothing is taken",
        );
    }
    if disk.f_files > 0 && disk.f_favail == 0 {
        return Check::Disk.error("it has no room for another file", "delete files there");
    }
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let found = format!("{} MiB free", free >> 20);
    let make_room = "make room: messages that can't be stored are not taken";
    if free < DISK_ERROR {
        Check::Disk.error(found, make_room)
    } else if free < DISK_WARNING {
        Check::Disk.warning(found, make_room)
    } else {
        Check::Disk.ok(found)
    }
}

/// When the clocks were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measured {
    Now,
    /// In an earlier session.
    Before,
}

fn examine_clock(account: &Account, measured: Measured) -> Finding {
    let limits = Limits::default();
    let secs = account.clock_offset_secs;
    let size = secs.unsigned_abs();
    let direction = if secs < 0 { "ahead of" } else { "behind" };
    let when = match measured {
        Measured::Now => "",
        Measured::Before => " in the last session; not checked now",
    };
    let found = format!("{size} s {direction} the server's{when}");
    let advice = "set the clock of this device, or let it follow a time server";
    if size >= limits.clock_refusal_secs {
        Check::Clock.error(found, advice)
    } else if size >= limits.clock_warning_secs {
        Check::Clock.warning(found, advice)
    } else {
        Check::Clock.ok(found)
    }
}

const EXAMPLES: &str =
    "Each line says ok, warning or error, what was checked, what was found, and what to \
do. The exit status
is 1 if there is an error.

Examples:
  sealpost doctor
  sealpost doctor --offline --json";

/// Below this SQLite may not be able to commit.
const DISK_ERROR: u64 = 16 << 20;
const DISK_WARNING: u64 = 256 << 20;
