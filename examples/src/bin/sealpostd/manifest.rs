//! What a backup contains, in a file of its own beside the rest.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sealpost_core::wire::Profile;
use sealpost_programs::{Failure, Folder};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The manifest of a backup: `backup.json` in its folder.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Version of this format; [`FORMAT`] for what this program writes.
    pub(crate) format: u32,
    /// Version of the program that made the backup.
    pub(crate) program: String,
    /// When the backup began, in UTC, RFC 3339. Everything older is in it.
    pub(crate) time: String,
    /// Width of user ids: `compact` or `wide`.
    pub(crate) profile: String,
    /// Schema version of the database.
    pub(crate) schema: u32,
    /// Id of the database.
    pub(crate) database: String,
    /// Number of registered users.
    pub(crate) users: u64,
    /// The last user id that was handed out.
    pub(crate) last_user_id: u64,
    /// Messages that wait for their recipients.
    pub(crate) messages: u64,
    /// Every other file of the backup, by name.
    pub(crate) files: BTreeMap<String, Sum>,
}

/// Size and hash of a file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sum {
    bytes: u64,
    sha256: String,
}

impl Manifest {
    /// Reads the manifest of the backup in a folder.
    pub(crate) fn read(backup: &Folder) -> Result<Self, Failure> {
        let path = backup.file(NAME);
        if !path.exists() {
            return Err(Failure::new(format_args!(
                "{} is not a complete backup: it has no {NAME}",
                backup.path().display()
            )));
        }
        let manifest: Self =
            serde_json::from_str(&backup.read(NAME)?).map_err(Failure::context(path.display()))?;
        if manifest.format != FORMAT {
            return Err(Failure::new(format_args!(
                "{}: this is format {}, and this program knows {FORMAT} only: restore with \
                 sealpostd {}",
                path.display(),
                manifest.format,
                manifest.program
            )));
        }
        Ok(manifest)
    }

    /// Writes the manifest, and syncs it.
    pub(crate) fn write(&self, backup: &Folder) -> Result<(), Failure> {
        let path = backup.file(NAME);
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        create(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .map_err(Failure::context(path.display()))
    }

    /// The profile of the database.
    pub(crate) fn profile(&self) -> Result<Profile, Failure> {
        match self.profile.as_str() {
            "compact" => Ok(Profile::Compact),
            "wide" => Ok(Profile::Wide),
            other => Err(Failure::new(format_args!("{NAME}: there is no profile {other}"))),
        }
    }
}

/// The name of a profile in a manifest.
pub(crate) const fn profile_name(profile: Profile) -> &'static str {
    match profile {
        Profile::Compact => "compact",
        Profile::Wide => "wide",
    }
}

/// Copies a file to one that does not exist, which only its owner may read. Returns the sum of what
/// was copied, which is on disk then; `None` if there is no such file.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<Option<Sum>, Failure> {
    let source = match File::open(from) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(Failure::context(from.display()))?,
    };
    let failed = || Failure::context(to.display());
    let mut target = create(to).map_err(failed())?;
    let sum = read_all(source, from, |bytes| target.write_all(bytes).map_err(failed()))?;
    target.sync_all().map_err(failed())?;
    Ok(Some(sum))
}

/// The sum of a file.
pub(crate) fn sum(path: &Path) -> Result<Sum, Failure> {
    let file = File::open(path).map_err(Failure::context(path.display()))?;
    read_all(file, path, |_| Ok(()))
}

fn read_all(
    mut file: File,
    path: &Path,
    mut each: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<Sum, Failure> {
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut buffer = zeroize::Zeroizing::new(vec![0; BUFFER]);
    loop {
        let len = file.read(&mut buffer).map_err(Failure::context(path.display()))?;
        let read = buffer.get(..len).unwrap_or_default();
        if read.is_empty() {
            return Ok(Sum { bytes, sha256: hex::encode(hash.finalize()) });
        }
        hash.update(read);
        each(read)?;
        bytes += read.len() as u64;
    }
}

fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

pub(crate) const NAME: &str = "backup.json";
/// Version of the format.
pub(crate) const FORMAT: u32 = 1;
const BUFFER: usize = 1 << 20;
