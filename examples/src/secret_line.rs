//! Reads secrets that people type or keep in files.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::Failure;

/// A secret text, zeroized when dropped.
pub type SecretText = Zeroizing<String>;

/// Reads the first line of a file, without its newline. Refuses a file that others can read or
/// change. A name without a folder is first looked up among the credentials that systemd passes on,
/// in a folder that nobody else can enter.
pub fn secret_line_of_file(path: &Path) -> Result<SecretText, Failure> {
    let credential = credential(path);
    let failure = || Failure::context(path.display());
    if let Some(credential) = credential {
        // Its mode says nothing: the service may read it by an access list.
        let file = File::open(credential).map_err(failure())?;
        return Ok(read_line(file).map_err(failure())?.unwrap_or_default());
    }
    let file = OpenOptions::new().read(true).open(path).map_err(failure())?;
    // Of the opened file: the name could be given to another one meanwhile.
    let mode = file.metadata().map_err(failure())?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Failure::new(format_args!(
            "others may read or change {}: its mode is {mode:03o}, and must be 600",
            path.display()
        )));
    }
    Ok(read_line(file).map_err(failure())?.unwrap_or_default())
}

fn credential(name: &Path) -> Option<PathBuf> {
    let is_bare = name.parent() == Some(Path::new(""));
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|_| is_bare)?;
    Some(Path::new(&folder).join(name)).filter(|path| path.is_file())
}

/// Reads a line from standard input, without its newline. `None` at its end.
pub fn secret_line_of_stdin() -> Result<Option<SecretText>, Failure> {
    // Not through `Stdin`, which has a buffer that nothing zeroizes.
    let stdin = io::stdin().as_fd().try_clone_to_owned().map(File::from);
    stdin.and_then(read_line).map_err(Failure::context("can't read standard input"))
}

/// Reads a line byte by byte, into a buffer that never grows.
fn read_line(mut source: impl Read) -> io::Result<Option<SecretText>> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_LEN));
    let mut byte = Zeroizing::new([0]);
    loop {
        match source.read(&mut *byte) {
            Ok(0) if line.is_empty() => return Ok(None),
            Ok(0) => break,
            Ok(_) if *byte == *b"\n" => break,
            Ok(_) if line.len() == MAX_LEN => return Err(ErrorKind::FileTooLarge.into()),
            Ok(_) => line.extend_from_slice(&*byte),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    while line.last() == Some(&b'\r') {
        line.pop();
    }
    match String::from_utf8(std::mem::take(&mut *line)) {
        Ok(line) => Ok(Some(Zeroizing::new(line))),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(ErrorKind::InvalidData.into())
        }
    }
}

/// Longest line in bytes.
const MAX_LEN: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn first_line_is_read_without_its_end() {
        for (text, line) in
            [("", None), ("\n", Some("")), ("a b \r\nc\n", Some("a b ")), ("a", Some("a"))]
        {
            let read = read_line(text.as_bytes()).unwrap();
            assert_eq!(read.as_ref().map(|line| line.as_str()), line, "{text:?}");
        }
        let longest = "x".repeat(MAX_LEN);
        assert_eq!(**read_line(longest.as_bytes()).unwrap().as_ref().unwrap(), longest);
        assert!(read_line(format!("{longest}x").as_bytes()).is_err());
        assert!(read_line(&b"\xff\n"[..]).is_err());
    }

    #[test]
    fn file_that_others_can_read_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "secret\n").unwrap();
        for (mode, allowed) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            assert_eq!(secret_line_of_file(file.path()).is_ok(), allowed, "{mode:o}");
        }
    }
}
