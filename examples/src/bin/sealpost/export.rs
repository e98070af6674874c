//! `sealpost export` and `sealpost import`: a home as one encrypted file.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sealpost_core::frame::StoreError;
use sealpost_programs::{
    Failure, Folder, Line, SealedReader, SealedWriter, UnsealError, random_rng,
};
use sealpost_storage::client::{ClientStorage, SqliteClientStorage};

use crate::archive;
use crate::home::{CERTIFICATES, DATABASE, Home, KEY, number_from_the_clock, require_account};
use crate::passphrase::{self, Passphrase};

/// Options of `export`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXPORT_EXAMPLES)]
pub(crate) struct ExportArgs {
    /// File to write, which must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    passphrase: FilePassphraseArg,
}

/// Options of `import`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = IMPORT_EXAMPLES)]
pub(crate) struct ImportArgs {
    /// File that sealpost export has written
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    passphrase: FilePassphraseArg,
}

/// The passphrase of an exported file, which is not that of the key in it.
#[derive(clap::Args, Clone, Debug)]
struct FilePassphraseArg {
    /// File whose first line is the passphrase of FILE, and that others can't read [default: ask]
    #[arg(long, value_name = "PATH")]
    export_passphrase_file: Option<PathBuf>,
}

/// Writes the home into an encrypted file. Another process may be using the home.
pub(crate) fn export(home: &Home, args: &ExportArgs) -> Result<(), Failure> {
    home.look_for_account()?;
    let file = &args.file;
    // Before the passphrase is asked for, and again when the file gets its name.
    refuse_existing(file)?;
    let passphrase = args.passphrase.read(passphrase::ask_for_new)?;
    let copy = Scratch(home.path().join(COPY));
    home.look()?.copy_to(&copy.0)?;
    let written = Scratch(temporary(file)?);
    write(home, &copy.0, &written.0, &passphrase).map_err(Failure::context(file.display()))?;
    refuse_existing(file)?;
    fs::rename(&written.0, file)
        .and_then(|()| sync_folder_of(file))
        .map_err(Failure::context(file.display()))?;
    Line::text(format_args!("exported {} to {}", home.path().display(), file.display()))
}

/// Makes the home from an exported file. A home that exists is refused.
pub(crate) fn import(home: &Home, args: &ImportArgs) -> Result<(), Failure> {
    let (path, file) = (home.path(), &args.file);
    refuse_home(path)?;
    let input = File::open(file).map_err(Failure::context(file.display()))?;
    let passphrase = args.passphrase.read(passphrase::ask)?;
    let failure = |error: UnsealError| Failure::context(file.display())(error);
    let mut sealed =
        SealedReader::new(BufReader::new(input), passphrase.as_bytes()).map_err(failure)?;
    let made = ScratchFolder::make(path)?;
    archive::read(&mut sealed, made.0.path()).map_err(failure)?;
    let phone = restore(&made.0, file)?;
    refuse_home(path)?;
    fs::rename(made.0.path(), path)
        .and_then(|()| sync_folder_of(path))
        .map_err(Failure::context(path.display()))?;
    Line::text(format_args!("imported {phone} into {}", path.display()))?;
    Line::text(
        "Use it on one device only. What waited to be sent when it was exported is not sent by \
         itself: sealpost history shows it as cancelled, and sealpost outbox retry NUMBER sends it",
    )
}

fn write(home: &Home, database: &Path, to: &Path, passphrase: &Passphrase) -> Result<(), Failure> {
    let out = BufWriter::new(create(to)?);
    let mut sealed = SealedWriter::new(out, passphrase.as_bytes(), &mut *random_rng()?)?;
    let folder = home.path();
    archive::add(&mut sealed, KEY, &folder.join(KEY))?;
    let certificates = folder.join(CERTIFICATES);
    if certificates.exists() {
        archive::add(&mut sealed, CERTIFICATES, &certificates)?;
    }
    archive::add(&mut sealed, DATABASE, database)?;
    archive::end(&mut sealed)?;
    let mut out = sealed.finish()?;
    out.flush()?;
    Ok(out.get_ref().sync_all()?)
}

/// Prepares what was exported for use. Returns the account's phone number.
fn restore(folder: &Folder, file: &Path) -> Result<String, Failure> {
    for name in [KEY, DATABASE] {
        if !folder.file(name).exists() {
            return Err(Failure::context(file.display())(UnsealError::Damaged));
        }
    }
    let database = folder.file(DATABASE);
    let failed = |error: StoreError| Failure::context(file.display())(error);
    // The path of the scratch folder means nothing to the user.
    let mut store = SqliteClientStorage::open(&database)
        .map_err(|error| Failure::context(file.display())(error.reason))?;
    require_account(&store.load().map_err(failed)?)?;
    store.withdraw_unsent().map_err(failed)?;
    // Whatever was sent after the export has smaller numbers.
    number_from_the_clock(&mut store)?;
    let phone = store.identity().map_err(failed)?.phone.to_string();
    drop(store);
    for entry in fs::read_dir(folder.path())? {
        File::open(entry?.path())?.sync_all()?;
    }
    File::open(folder.path())?.sync_all()?;
    Ok(phone)
}

impl FilePassphraseArg {
    fn read(&self, ask: fn() -> Result<Passphrase, Failure>) -> Result<Passphrase, Failure> {
        match &self.export_passphrase_file {
            Some(file) => passphrase::from_file(file),
            None => ask(),
        }
    }
}

fn refuse_existing(file: &Path) -> Result<(), Failure> {
    match file.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::context(file.display())(error)),
        Ok(_) => Err(Failure::new(format_args!(
            "{} exists already; choose another name: an export replaces nothing",
            file.display()
        ))),
    }
}

fn refuse_home(path: &Path) -> Result<(), Failure> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::context(path.display())(error)),
        Ok(_) => Err(Failure::new(format_args!(
            "{} exists already, and an import replaces nothing: choose another --home, or move the \
             folder away",
            path.display()
        ))),
    }
}

/// A file that is gone when this is dropped, unless it got another name.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may have got another name, and what can't be removed is replaced the next time.
        let _ = fs::remove_file(&self.0);
    }
}

/// A folder that is gone when this is dropped, unless it got another name.
struct ScratchFolder(Folder);

impl ScratchFolder {
    /// Makes a folder beside the one that is to be made.
    fn make(path: &Path) -> Result<Self, Failure> {
        let scratch = temporary(path)?;
        if scratch.symlink_metadata().is_ok() {
            return Err(Failure::new(format_args!(
                "{} exists: if no other import runs, remove it; an interrupted one has left it",
                scratch.display()
            )));
        }
        Folder::make(&scratch).map(Self)
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        // It may have got another name.
        let _ = fs::remove_dir_all(self.0.path());
    }
}

/// The path under which something is made that gets this path once it is whole.
fn temporary(path: &Path) -> Result<PathBuf, Failure> {
    let name = path.file_name().ok_or_else(|| {
        Failure::usage(format_args!("{} is not the name of a file or folder", path.display()))
    })?;
    let mut name = name.to_owned();
    name.push(".new");
    Ok(path.with_file_name(name))
}

fn create(path: &Path) -> std::io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

const EXPORT_EXAMPLES: &str = "\
The file contains the key, contacts with what was verified, the history and everything else
that a new device needs. The key in it keeps its own passphrase, if it has one.

Examples:
  sealpost export sealpost.export
  sealpost export /media/stick/sealpost.export --export-passphrase-file passphrase";
const IMPORT_EXAMPLES: &str = "Examples:
  sealpost import sealpost.export
  sealpost --home ~/.sealpost-restored import sealpost.export";

/// The copy of the database that is encrypted.
const COPY: &str = "client.db.export";
