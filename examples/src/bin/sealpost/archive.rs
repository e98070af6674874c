//! Several files in one: the content of an exported file (docs/EXPORT.md).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sealpost_programs::UnsealError;

use crate::home::{CERTIFICATES, DATABASE, KEY};

/// Adds a file under a name.
pub(crate) fn add(out: &mut impl Write, name: &str, path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let name_len = u8::try_from(name.len()).map_err(io::Error::other)?;
    out.write_all(&[name_len])?;
    out.write_all(name.as_bytes())?;
    out.write_all(&len.to_be_bytes())?;
    if io::copy(&mut Read::take(&file, len), out)? != len {
        return Err(io::Error::other(format!("{} became shorter", path.display())));
    }
    Ok(())
}

/// Ends the archive.
pub(crate) fn end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0])
}

/// Writes the files of an archive into a folder in which there are none.
///
/// # Errors
/// [`UnsealError::Damaged`] if it is not whole, or contains a file that no home has.
pub(crate) fn read(input: &mut impl Read, folder: &Path) -> Result<(), UnsealError> {
    loop {
        let [name_len] = bytes(input)?;
        if name_len == 0 {
            return match input.read(&mut [0])? {
                0 => Ok(()),
                _ => Err(UnsealError::Damaged),
            };
        }
        let mut name = vec![0; usize::from(name_len)];
        input.read_exact(&mut name).map_err(cut_off)?;
        let name = NAMES.iter().find(|known| known.as_bytes() == name);
        let name = name.ok_or(UnsealError::Damaged)?;
        let len = u64::from_be_bytes(bytes(input)?);
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(name))?;
        if io::copy(&mut input.take(len), &mut file)? != len {
            return Err(UnsealError::Damaged);
        }
    }
}

fn bytes<const N: usize>(input: &mut impl Read) -> Result<[u8; N], UnsealError> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes).map_err(cut_off)?;
    Ok(bytes)
}

fn cut_off(error: io::Error) -> UnsealError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return UnsealError::Damaged;
    }
    UnsealError::Io(error)
}

/// Files that an archive may contain.
const NAMES: [&str; 3] = [KEY, CERTIFICATES, DATABASE];

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn archive() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let mut out = Vec::new();
        for (name, text) in [(KEY, "the key"), (DATABASE, "")] {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            add(&mut out, name, &path).unwrap();
        }
        end(&mut out).unwrap();
        out
    }

    fn read_into_a_folder(archive: &[u8]) -> Result<tempfile::TempDir, UnsealError> {
        let folder = tempfile::tempdir().unwrap();
        read(&mut &*archive, folder.path()).map(|()| folder)
    }

    #[test]
    fn files_come_back() {
        let folder = read_into_a_folder(&archive()).unwrap();
        assert_eq!(fs::read(folder.path().join(KEY)).unwrap(), b"the key");
        assert_eq!(fs::read(folder.path().join(DATABASE)).unwrap(), b"");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let whole = archive();
        for len in 0..whole.len() {
            assert!(read_into_a_folder(&whole[..len]).is_err(), "{len}");
        }
        assert!(read_into_a_folder(&[&whole[..], b"x"].concat()).is_err());
    }

    #[test]
    fn file_that_no_home_has_is_refused() {
        for name in ["../key.pem", "lock", "/etc/passwd", "client.db-wal"] {
            let len = u8::try_from(name.len()).unwrap();
            let archive = [&[len], name.as_bytes(), &[0; 8], &[0]].concat();
            assert!(matches!(read_into_a_folder(&archive), Err(UnsealError::Damaged)), "{name}");
        }
        let twice = [&archive()[..archive().len() - 1], &archive()].concat();
        assert!(matches!(read_into_a_folder(&twice), Err(UnsealError::Io(_))));
    }
}
