//! `sealpostd restore`: a data folder from a backup, in which no id is used twice.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use sealpost_programs::{Failure, Folder, Format, Line, now, utc};
use sealpost_storage::{DatabaseMark, Inspector, Quota, Remembered, SqliteStorage};
use serde_json::json;

use crate::backup::sync;
use crate::data::{self, DataFolder};
use crate::manifest::{self, Manifest};
use crate::skipped::{Skipped, skip_ids};

/// Whether a data folder that is in use may be replaced. Its files are moved aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    Refuse,
    MoveAside,
}

/// Restores the backup in `from` into a data folder. Nothing there changes until the copy of the
/// backup is complete, verified and on disk.
pub(crate) fn restore(
    from: &Path,
    data: &DataFolder,
    existing: Existing,
    skip: Option<u64>,
    format: Format,
) -> Result<(), Failure> {
    let backup = Folder::existing(from)?;
    let manifest = Manifest::read(&backup)?;
    let _lock = data.lock()?;
    let old = entries(data)?;
    if !old.is_empty() && existing == Existing::Refuse {
        return Err(Failure::new(format_args!(
            "{} is not empty: restore into a new folder, or move its files aside with --replace",
            data.path().display()
        )));
    }
    // A mark that can't be read tells no more than a missing one.
    let known = data.mark().read().unwrap_or_default();
    let staged = stage(&backup, &manifest, data)?;
    staged.upgrade(&manifest)?;
    staged.check()?;
    // Opened for writing last, which leaves no log behind.
    let skipped = skip_ids(&mut staged.open(&manifest)?, &staged.mark(), known, skip)?;
    let ready = staged.finish()?;
    let aside = move_aside(data, &old)?;
    place(&ready, data)?;
    report(&manifest, known, skipped, aside.as_deref(), format)
}

/// Everything in the data folder that belongs to the server it was.
fn entries(data: &DataFolder) -> Result<Vec<PathBuf>, Failure> {
    let failed = || Failure::context(data.path().display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(data.path()).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ours = [data::LOCK, data::BALLAST, data::STAGING, data::RESTORED].contains(&&*name);
        if !ours && !name.starts_with(ASIDE) {
            entries.push(entry.path());
        }
    }
    entries.sort();
    Ok(entries)
}

/// The copy of a backup inside the data folder.
struct Staged(Folder);

/// Copies the files of a backup. Their sums are those of the manifest, or the restore fails.
fn stage(backup: &Folder, manifest: &Manifest, data: &DataFolder) -> Result<Staged, Failure> {
    let path = data.file(data::STAGING);
    if path.exists() {
        // An interrupted restore left it. Nothing else uses this name.
        fs::remove_dir_all(&path).map_err(Failure::context(path.display()))?;
    }
    DirBuilder::new().mode(0o700).create(&path).map_err(Failure::context(path.display()))?;
    let staged = Staged(Folder::existing(&path)?);
    for name in [data::KEY, data::DATABASE] {
        if !manifest.files.contains_key(name) {
            return Err(damaged(backup, name, "is not in the manifest"));
        }
    }
    for (name, expected) in &manifest.files {
        if *name != data::DATABASE && !data::is_kept(name) {
            return Err(damaged(backup, name, "is not a file of a backup"));
        }
        match manifest::copy(&backup.file(name), &staged.0.file(name))? {
            Some(sum) if sum == *expected => {}
            Some(_) => return Err(damaged(backup, name, "has changed since the backup was made")),
            None => return Err(damaged(backup, name, "is missing")),
        }
    }
    Ok(staged)
}

fn damaged(backup: &Folder, name: &str, what: &str) -> Failure {
    Failure::new(format_args!(
        "the backup is damaged: {} {what}; nothing was restored",
        backup.file(name).display()
    ))
}

impl Staged {
    fn mark(&self) -> DatabaseMark {
        DatabaseMark::new(self.0.file(data::MARK))
    }

    /// Migrates a database of an earlier version.
    fn upgrade(&self, manifest: &Manifest) -> Result<(), Failure> {
        self.open(manifest).map(drop)
    }

    fn open(&self, manifest: &Manifest) -> Result<SqliteStorage, Failure> {
        let path = self.0.file(data::DATABASE);
        Ok(SqliteStorage::open_existing(&path, manifest.profile()?, Quota::default())?)
    }

    fn check(&self) -> Result<(), Failure> {
        let report = Inspector::open(&self.0.file(data::DATABASE))?.check()?;
        match report.findings.first() {
            None => Ok(()),
            Some(finding) => {
                Err(Failure::new(format_args!("the database of the backup is damaged: {finding}")))
            }
        }
    }

    /// Makes the copy durable, and names it so that a server refuses to start until it is in place.
    fn finish(self) -> Result<PathBuf, Failure> {
        sync(self.0.path())?;
        let ready = self.0.path().with_file_name(data::RESTORED);
        if ready.exists() {
            // An interrupted restore left it: a part of its backup's copy.
            fs::remove_dir_all(&ready).map_err(Failure::context(ready.display()))?;
        }
        fs::rename(self.0.path(), &ready).map_err(Failure::context(ready.display()))?;
        sync(ready.parent().unwrap_or(&ready))?;
        Ok(ready)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // What is left after a failure is removed by the next restore.
        let _ = fs::remove_dir_all(self.0.path());
    }
}

/// Moves the old files, among them the log of the old database, into a folder of their own.
fn move_aside(data: &DataFolder, old: &[PathBuf]) -> Result<Option<PathBuf>, Failure> {
    if old.is_empty() {
        return Ok(None);
    }
    let aside = make_aside(data)?;
    let failed = || Failure::context(aside.display());
    for path in old {
        fs::rename(path, aside.join(path.file_name().unwrap_or_default())).map_err(failed())?;
    }
    sync(&aside)?;
    sync(data.path())?;
    Ok(Some(aside))
}

/// Makes a folder named after the time. Another restore may have made one within the same second.
fn make_aside(data: &DataFolder) -> Result<PathBuf, Failure> {
    let first = format!("{ASIDE}{}", utc(now()?).replace(':', ""));
    let (mut name, mut number) = (first.clone(), 1_u32);
    loop {
        let aside = data.file(&name);
        match DirBuilder::new().mode(0o700).create(&aside) {
            Ok(()) => return Ok(aside),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Failure::context(aside.display())(error)),
        }
        number = number.saturating_add(1);
        name = format!("{first}-{number}");
    }
}

/// Moves the copy of the backup into place.
fn place(ready: &Path, data: &DataFolder) -> Result<(), Failure> {
    let failed = || Failure::context(ready.display());
    for entry in fs::read_dir(ready).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let to = data.path().join(entry.file_name());
        fs::rename(entry.path(), &to).map_err(Failure::context(to.display()))?;
    }
    sync(data.path())?;
    fs::remove_dir(ready).map_err(failed())?;
    sync(data.path())
}

fn report(
    manifest: &Manifest,
    known: Option<Remembered>,
    skipped: Skipped,
    aside: Option<&Path>,
    format: Format,
) -> Result<(), Failure> {
    let Manifest { users, messages, time, .. } = manifest;
    let known = known.filter(|known| known.id.to_string() == manifest.database);
    let lost = known.map(|known| known.handed_out.saturating_sub(manifest.last_user_id));
    if format == Format::Json {
        return Line::json(&json!({
            "time": time,
            "users": users,
            "messages": messages,
            "lost_accounts_at_most": lost,
            "next_user_id": skipped.next(),
            "old_files": aside.map(Path::to_string_lossy),
        }));
    }
    Line::text(format_args!(
        "restored {users} users and {messages} waiting messages as of {time}"
    ))?;
    match lost {
        Some(accounts) => Line::text(format_args!(
            "lost: every account registered since (at most {accounts}), and every message stored since"
        ))?,
        None => Line::text("lost: every account registered and every message stored since")?,
    }
    Line::text(
        "restored as well: accounts deleted since, and messages delivered since, which clients \
         recognise",
    )?;
    skipped.report()?;
    match aside {
        Some(aside) => Line::text(format_args!("the old files are in {}", aside.display())),
        None => Ok(()),
    }
}

/// Beginning of the names of folders with files that a restore moved aside.
const ASIDE: &str = "replaced-";
