//! `sealpostd backup`: a copy of everything that a server needs, beside the running server.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sealpost_programs::{Failure, Folder, FolderLock, Format, Line, now, utc};
use sealpost_storage::{Inspector, Progress};
use serde_json::json;

use crate::data::{self, DataFolder};
use crate::key::SUCCESSOR;
use crate::manifest::{self, FORMAT, Manifest, Sum, profile_name};
use crate::size::Size;

/// Makes a backup in `to`, which must not exist or be empty. It is made beside `to` and renamed once
/// it is complete, verified and on disk.
pub(crate) fn back_up(data: &DataFolder, to: &Path, format: Format) -> Result<(), Failure> {
    refuse_existing(to)?;
    if let Some(objection) = data.objection_to_database()? {
        return Err(Failure::new(objection).and("no backup was made of it"));
    }
    let inspector = data.inspect()?;
    let partial = Partial::create(to)?;
    let manifest = fill(data, &inspector, &partial.folder)?;
    partial.publish(to)?;
    let Manifest { users, messages, time, .. } = &manifest;
    match format {
        Format::Json => Line::json(&json!({
            "backup": to.to_string_lossy(),
            "time": time,
            "users": users,
            "messages": messages,
        })),
        Format::Text => Line::text(format_args!(
            "backed up {users} users and {messages} waiting messages as of {time} to {}",
            to.display()
        )),
    }
}

/// Copies everything, verifies the copy, and writes the manifest last.
fn fill(data: &DataFolder, inspector: &Inspector, to: &Folder) -> Result<Manifest, Failure> {
    let time = utc(now()?);
    let database = to.file(data::DATABASE);
    let mut last = Instant::now();
    inspector.copy(&database, |progress| {
        if last.elapsed() >= PROGRESS_EVERY {
            last = Instant::now();
            tell(progress);
        }
    })?;
    let mut files = BTreeMap::from([(data::DATABASE.to_owned(), manifest::sum(&database)?)]);
    files.extend(copy_files(data, in_order(data.kept_files()?), to)?);
    if !files.contains_key(data::KEY) {
        return Err(Failure::new(format_args!(
            "{} is missing: without it a backup is worth nothing",
            data.file(data::KEY).display()
        )));
    }
    let manifest = describe(&database, time, files)?;
    manifest.write(to)?;
    sync(to.path())?;
    Ok(manifest)
}

/// The order in which files are copied: the successor of the server's key before the key. If the old
/// key is retired meanwhile, the successor is copied under the one name or under both. The other way
/// round, the backup could have only the old key.
fn in_order(mut names: Vec<String>) -> Vec<String> {
    names.sort_by_key(|name| name != SUCCESSOR);
    names
}

fn copy_files(
    data: &DataFolder,
    names: impl IntoIterator<Item = String>,
    to: &Folder,
) -> Result<BTreeMap<String, Sum>, Failure> {
    let mut files = BTreeMap::new();
    for name in names {
        // One that is gone meanwhile was a temporary one, or the successor, which is the key now.
        if let Some(sum) = manifest::copy(&data.file(&name), &to.file(&name))? {
            files.insert(name, sum);
        }
    }
    // The old key was retired between the two copies.
    if files.contains_key(SUCCESSOR) && files.get(SUCCESSOR) == files.get(data::KEY) {
        let successor = to.file(SUCCESSOR);
        fs::remove_file(&successor).map_err(Failure::context(successor.display()))?;
        files.remove(SUCCESSOR);
    }
    Ok(files)
}

/// Opens the copy as an operator would, and checks all of it.
fn describe(
    database: &Path,
    time: String,
    files: BTreeMap<String, Sum>,
) -> Result<Manifest, Failure> {
    let copy = Inspector::open(database)?;
    let (report, stats) = (copy.check()?, copy.stats()?);
    if let Some(finding) = report.findings.first() {
        return Err(Failure::new(format_args!(
            "the database is damaged, and so is every copy of it ({} findings; the first: \
             {finding}): see sealpostd check",
            report.findings.len()
        )));
    }
    Ok(Manifest {
        format: FORMAT,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        time,
        profile: profile_name(copy.profile()).to_owned(),
        schema: copy.schema_version(),
        database: copy.id()?.to_string(),
        users: stats.users,
        last_user_id: stats.last_user_id,
        messages: stats.pending.messages,
        files,
    })
}

/// A backup under way, in a folder that is locked and is removed if the backup fails.
struct Partial {
    folder: Folder,
    _lock: FolderLock,
}

impl Partial {
    fn create(to: &Path) -> Result<Self, Failure> {
        let path = partial_path(to)?;
        if path.exists() {
            remove_leftover(&path)?;
        }
        let created = DirBuilder::new().mode(0o700).create(&path);
        created.map_err(Failure::context(format!("can't create {}", path.display())))?;
        let folder = Folder::existing(&path)?;
        let lock = lock(&folder)?;
        Ok(Self { folder, _lock: lock })
    }

    /// Gives the complete backup its name.
    fn publish(self, to: &Path) -> Result<(), Failure> {
        let (from, lock) = (self.folder.path(), self.folder.file(data::LOCK));
        fs::remove_file(lock).and_then(|()| fs::rename(from, to)).map_err(Failure::context(
            format!("can't rename {} to {}", from.display(), to.display()),
        ))?;
        sync(folder_of(to))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // After `publish` there is nothing under this name. Otherwise the failure is reported that
        // led here, and the next backup tries to remove the folder again.
        let _ = remove_files(self.folder.path());
    }
}

fn lock(folder: &Folder) -> Result<FolderLock, Failure> {
    folder.try_lock()?.ok_or_else(|| {
        let path = folder.path().display();
        Failure::new(format_args!("another backup is being made in {path}"))
    })
}

/// Removes the folder of an interrupted backup, and no other one.
fn remove_leftover(path: &Path) -> Result<(), Failure> {
    let folder = Folder::existing(path)?;
    if !folder.file(data::DATABASE).exists() {
        // Interrupted before anything was copied, or somebody else's.
        return fs::remove_dir(path).map_err(Failure::context(path.display()));
    }
    let _lock = lock(&folder)?;
    remove_files(path).map_err(Failure::context(path.display()))
}

/// Removes a folder with its files. Fails if there are folders in it.
fn remove_files(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        fs::remove_file(entry?.path())?;
    }
    fs::remove_dir(path)
}

fn refuse_existing(to: &Path) -> Result<(), Failure> {
    let mut entries = match fs::read_dir(to) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        read => read.map_err(Failure::context(to.display()))?,
    };
    if entries.next().is_none() {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "{} is not empty: a backup goes into a new folder",
        to.display()
    )))
}

fn partial_path(to: &Path) -> Result<PathBuf, Failure> {
    let name = to.file_name().ok_or_else(|| {
        Failure::usage(format_args!("{} is no name for a new folder", to.display()))
    })?;
    let mut partial = name.to_owned();
    partial.push(".partial");
    Ok(to.with_file_name(partial))
}

/// Makes the entries of a folder durable.
pub(crate) fn sync(folder: &Path) -> Result<(), Failure> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(Failure::context(format!("can't sync {}", folder.display())))
}

fn folder_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn tell(Progress { done_bytes, all_bytes }: Progress) {
    // Progress that can't be shown is no reason to stop.
    let _ = writeln!(io::stderr(), "sealpostd: copied {} of {}", Size(done_bytes), Size(all_bytes));
}

const PROGRESS_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// Copies the files of a folder in which the old key is retired before the file `at` is copied.
    /// Returns the contents of the copies.
    fn copied_while_retiring(at: &str) -> BTreeMap<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::make(&folder.path().join("data")).unwrap();
        fs::write(data.file(data::KEY), "old key").unwrap();
        fs::write(data.file(SUCCESSOR), "new key").unwrap();
        let to = Folder::make(&folder.path().join("copy")).unwrap();
        let names = in_order(data.kept_files().unwrap()).into_iter().inspect(|name| {
            if name == at {
                fs::rename(data.file(SUCCESSOR), data.file(data::KEY)).unwrap();
            }
        });
        let files = copy_files(&data, names, &to).unwrap();
        files.into_keys().map(|name| (name.clone(), to.read(&name).unwrap())).collect()
    }

    #[test]
    fn backup_has_the_new_key_whenever_the_old_one_is_retired() {
        let key = |content: &str| (data::KEY.to_owned(), content.to_owned());
        let new = BTreeMap::from([key("new key")]);
        assert_eq!(copied_while_retiring(SUCCESSOR), new, "before the copy");
        assert_eq!(copied_while_retiring(data::KEY), new, "between the two");
        let both = BTreeMap::from([key("old key"), (SUCCESSOR.to_owned(), "new key".to_owned())]);
        assert_eq!(copied_while_retiring("never"), both, "after it");
    }
}
