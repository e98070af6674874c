//! Key files: each holds one key, and only its owner may read it.
//!
//! A key file is written under a temporary name, synced, renamed, and its folder is synced, so a
//! key that a program has begun to use is on disk. While a program creates a key, no other program
//! may write to the folder.

use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use sealpost_core::keys::{
    PemError, Plaintext, PublicKey, SymmetricKey, private_key_from_pem,
    private_key_to_encrypted_pem, private_key_to_pem,
};
use zeroize::Zeroizing;

use crate::atomic_file::{self, Existing, Readers};
use crate::private_file::{self, Exposure, NotPrivate};

/// Private key of a server or a client, as PKCS#8 PEM, encrypted under a passphrase or in the clear.
#[derive(Clone, Debug)]
pub struct KeyFile(PathBuf);

impl KeyFile {
    /// Names the key file at this path, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Reads the key, as PKCS#8 DER for
    /// [`Provider::load_key`](sealpost_core::crypto::Provider::load_key).
    ///
    /// # Errors
    /// [`KeyFileError::Missing`] if no key has been created yet; `Pem` with `PassphraseNeeded` or
    /// `WrongPassphrase` if the user must be asked for the passphrase.
    pub fn load(&self, passphrase: Option<&[u8]>) -> Result<Plaintext, KeyFileError> {
        let bytes = read_private(&self.0)?;
        let pem = str::from_utf8(&bytes).map_err(|_| self.pem_error(PemError::Malformed))?;
        private_key_from_pem(pem, passphrase).map_err(|error| self.pem_error(error))
    }

    /// Writes a new key, encrypted if a passphrase is given. The key is on disk when this returns.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`] if the file exists: a key is never overwritten.
    pub fn create(
        &self,
        pkcs8_der: &Plaintext,
        passphrase: Option<&[u8]>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), KeyFileError> {
        match passphrase {
            None => {
                let pem = private_key_to_pem(pkcs8_der).map_err(|error| self.pem_error(error))?;
                create_private(&self.0, pem.expose())
            }
            Some(passphrase) => {
                let pem = private_key_to_encrypted_pem(pkcs8_der, passphrase, rng)
                    .map_err(|error| self.pem_error(error))?;
                create_private(&self.0, pem.as_bytes())
            }
        }
    }

    /// Writes the key again, under another passphrase or in the clear. A crash leaves either the file
    /// before or the file after. Nobody else may write to the folder meanwhile.
    ///
    /// # Errors
    /// As [`load`](Self::load) with the passphrase that the file has had. Then nothing was changed.
    pub fn protect(
        &self,
        before: Option<&[u8]>,
        after: Option<&[u8]>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), KeyFileError> {
        let key = self.load(before)?;
        private_file::check_folder(&self.0).map_err(|error| refused(&self.0, error))?;
        let write = |pem: &[u8]| {
            atomic_file::write(&self.0, pem, Readers::Owner, Existing::Replace)
                .map_err(|error| KeyFileError::Io(self.0.clone(), error))
        };
        let failed = |error| self.pem_error(error);
        match after {
            None => write(private_key_to_pem(&key).map_err(failed)?.expose()),
            Some(passphrase) => write(
                private_key_to_encrypted_pem(&key, passphrase, rng).map_err(failed)?.as_bytes(),
            ),
        }
    }

    fn pem_error(&self, error: PemError) -> KeyFileError {
        KeyFileError::Pem(self.0.clone(), error)
    }
}

/// The key that wraps a server's stored session keys: 64 lower-case hex digits and a newline.
#[derive(Clone, Debug)]
pub struct WrappingKeyFile(PathBuf);

impl WrappingKeyFile {
    /// Names the key file at this path, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Reads the key.
    pub fn load(&self) -> Result<SymmetricKey, KeyFileError> {
        let text = read_private(&self.0)?;
        let digits = text.strip_suffix(b"\n").unwrap_or(&text);
        let mut bytes = Zeroizing::new([0; 32]);
        // In constant time: a table of digits would leave a trace of the key in the cache.
        match base16ct::mixed::decode(digits, &mut *bytes) {
            // Fewer digits decode too, and would leave zeros at the end of the key.
            Ok(decoded) if decoded.len() == 32 => Ok(SymmetricKey::copied(&bytes)),
            Ok(_) | Err(_) => Err(KeyFileError::Malformed(self.0.clone())),
        }
    }

    /// Draws a new key and writes it. The key is on disk when this returns.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`] if the file exists: a key is never overwritten.
    pub fn create(&self, rng: &mut dyn CryptoRng) -> Result<SymmetricKey, KeyFileError> {
        let key = SymmetricKey::random(rng);
        let mut text = Zeroizing::new(vec![b'\n'; 65]);
        let (digits, _end) = text.split_at_mut(64);
        base16ct::lower::encode(key.expose(), digits)
            .map_err(|_| KeyFileError::Malformed(self.0.clone()))?;
        create_private(&self.0, &text)?;
        Ok(key)
    }
}

/// Writes a public key as PEM that everyone may read, replacing any file at this path.
pub fn publish_key(path: &Path, key: &PublicKey) -> Result<(), KeyFileError> {
    let pem = key.to_pem();
    atomic_file::write(path, pem.as_bytes(), Readers::Everyone, Existing::Replace)
        .map_err(|error| KeyFileError::Io(path.into(), error))
}

/// Why a key could not be read from a file or written to one.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file does not exist.
    #[error("key file {} does not exist", .0.display())]
    Missing(PathBuf),
    /// The file exists already.
    #[error("{} exists already; a key file is never overwritten", .0.display())]
    Exists(PathBuf),
    /// Other users may know the key already, or may replace it, so it is not used.
    #[error("{}: {}", .0.display(), .1)]
    Exposed(PathBuf, #[source] Exposure),
    /// The content is not a key of this kind.
    #[error("{} does not hold a key of the expected kind", .0.display())]
    Malformed(PathBuf),
    /// The content is not a private key, or the passphrase is missing or wrong.
    #[error("{}: {}", .0.display(), .1)]
    Pem(PathBuf, #[source] PemError),
    /// The operating system reported an error.
    #[error("{}: {}", .0.display(), .1)]
    Io(PathBuf, #[source] io::Error),
}

fn create_private(path: &Path, bytes: &[u8]) -> Result<(), KeyFileError> {
    private_file::check_folder(path).map_err(|error| refused(path, error))?;
    atomic_file::write(path, bytes, Readers::Owner, Existing::Refuse).map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            return KeyFileError::Exists(path.into());
        }
        KeyFileError::Io(path.into(), error)
    })
}

/// Reads a file that only its owner may read.
pub(crate) fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let file = private_file::open(path).map_err(|error| refused(path, error))?;
    let failed = |error| KeyFileError::Io(path.into(), error);
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > MAX_LEN {
        return Err(KeyFileError::Malformed(path.into()));
    }
    // Allocated at full size: a buffer that grows leaves copies of the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_LEN).unwrap_or(0)));
    file.take(MAX_LEN).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn refused(path: &Path, error: NotPrivate) -> KeyFileError {
    match error {
        NotPrivate::Exposed(exposure) => KeyFileError::Exposed(path.into(), exposure),
        NotPrivate::Io(error) if error.kind() == ErrorKind::NotFound => {
            KeyFileError::Missing(path.into())
        }
        NotPrivate::Io(error) => KeyFileError::Io(path.into(), error),
    }
}

/// Ample: an encrypted RSA-2048 key takes 1.9 KB.
const MAX_LEN: u64 = 16 << 10;

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use chacha20::ChaCha20Rng;
    use rand_core::SeedableRng;
    use sealpost_core::crypto::{Provider, RustCrypto};

    use super::*;

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::from_seed([7; 32])
    }

    fn key() -> Plaintext {
        RustCrypto.generate_key(&mut rng()).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn private_key_comes_back_from_the_clear_and_from_under_a_passphrase() {
        let (folder, key) = (tempfile::tempdir().unwrap(), key());
        for passphrase in [None, Some(&b"correct horse"[..])] {
            let path = folder.path().join(format!("{}.pem", passphrase.is_some()));
            let file = KeyFile::new(&path);
            assert!(matches!(file.load(passphrase), Err(KeyFileError::Missing(_))));
            file.create(&key, passphrase, &mut rng()).unwrap();
            assert!(file.load(passphrase).unwrap() == key);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn locked_key_asks_for_its_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::new(folder.path().join("key.pem"));
        file.create(&key(), Some(b"correct horse"), &mut rng()).unwrap();
        let needed = file.load(None).unwrap_err();
        assert!(matches!(needed, KeyFileError::Pem(_, PemError::PassphraseNeeded)));
        let wrong = file.load(Some(b"battery staple")).unwrap_err();
        assert!(matches!(wrong, KeyFileError::Pem(_, PemError::WrongPassphrase)));
    }

    #[test]
    fn passphrase_is_changed_and_taken_away() {
        let (folder, key) = (tempfile::tempdir().unwrap(), key());
        let file = KeyFile::new(folder.path().join("key.pem"));
        file.create(&key, None, &mut rng()).unwrap();
        let steps =
            [(None, Some(&b"one"[..])), (Some(&b"one"[..]), Some(b"two")), (Some(b"two"), None)];
        for (before, after) in steps {
            if before.is_some() {
                let wrong = file.protect(Some(b"three"), after, &mut rng()).unwrap_err();
                assert!(matches!(wrong, KeyFileError::Pem(_, PemError::WrongPassphrase)));
            }
            file.protect(before, after, &mut rng()).unwrap();
            assert!(file.load(after).unwrap() == key);
        }
        let mode = fs::metadata(&file.0).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode, names(folder.path())), (0o600, vec!["key.pem".to_owned()]));
    }

    #[test]
    fn no_key_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (folder.path().join("key"), key());
        fs::write(&path, "precious").unwrap();
        let refused = KeyFile::new(&path).create(&key, None, &mut rng());
        assert!(matches!(refused, Err(KeyFileError::Exists(_))));
        let refused = WrappingKeyFile::new(&path).create(&mut rng());
        assert!(matches!(refused, Err(KeyFileError::Exists(_))));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::new(folder.path().join("key.pem"));
        file.create(&key(), None, &mut rng()).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&file.0, fs::Permissions::from_mode(mode)).unwrap();
            let refused = file.load(None).unwrap_err();
            let exposure = Exposure::Mode { mode };
            assert!(matches!(refused, KeyFileError::Exposed(_, told) if told == exposure));
        }
        fs::set_permissions(&file.0, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(file.load(None).is_ok());
    }

    #[test]
    fn no_key_is_created_where_others_could_replace_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let file = WrappingKeyFile::new(folder.path().join("wrapping-key"));
        let refused = file.create(&mut rng()).unwrap_err();
        assert!(matches!(refused, KeyFileError::Exposed(_, Exposure::FolderMode { mode: 0o777 })));
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_temporary_file_left_by_a_crash_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("wrapping-key.new"), "half a k").unwrap();
        let file = WrappingKeyFile::new(folder.path().join("wrapping-key"));
        let key = file.create(&mut rng()).unwrap();
        assert!(file.load().unwrap() == key);
        assert_eq!(names(folder.path()), ["wrapping-key"]);
    }

    #[test]
    fn wrapping_key_is_64_hex_digits() {
        let folder = tempfile::tempdir().unwrap();
        let file = WrappingKeyFile::new(folder.path().join("wrapping-key"));
        let key = file.create(&mut rng()).unwrap();
        let text = fs::read_to_string(&file.0).unwrap();
        let digits = hex::encode(key.expose());
        assert_eq!(text, format!("{digits}\n"));
        for bad in [
            "",
            "\n",
            &digits[1..],
            &digits[2..],
            &format!("{digits}00"),
            &format!("{digits}\n\n"),
            &digits.replace('a', "g"),
        ] {
            fs::write(&file.0, bad).unwrap();
            assert!(matches!(file.load(), Err(KeyFileError::Malformed(_))), "{bad:?}");
        }
        for good in [&digits, &digits.to_uppercase()] {
            fs::write(&file.0, good).unwrap();
            assert!(file.load().unwrap() == key, "read in either case, with or without a newline");
        }
    }

    #[test]
    fn malformed_key_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::new(folder.path().join("key.pem"));
        atomic_file::create_if_missing(&file.0).unwrap();
        for bad in [&b""[..], b"\xff\xfe", b"-----BEGIN PRIVATE KEY-----\n", &b"x".repeat(20_000)] {
            fs::write(&file.0, bad).unwrap();
            let refused = file.load(None).unwrap_err();
            let told = matches!(
                refused,
                KeyFileError::Pem(_, PemError::Malformed) | KeyFileError::Malformed(_)
            );
            assert!(told, "{refused}");
        }
    }

    #[test]
    fn folders_and_oversized_files_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::new(folder.path().join("key.pem"));
        atomic_file::create_if_missing(&file.0).unwrap();
        let longest = usize::try_from(MAX_LEN).unwrap();
        fs::write(&file.0, b"x".repeat(longest)).unwrap();
        assert!(matches!(file.load(None), Err(KeyFileError::Pem(..))), "read, and no key");
        fs::write(&file.0, b"x".repeat(longest + 1)).unwrap();
        assert!(matches!(file.load(None), Err(KeyFileError::Malformed(_))));
        let inner = folder.path().join("folder.pem");
        fs::create_dir(&inner).unwrap();
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o700)).unwrap();
        let of_folder = KeyFile::new(&inner).load(None);
        assert!(matches!(of_folder, Err(KeyFileError::Malformed(_))));
    }

    #[test]
    fn published_key_reads_back_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server-key.pub.pem");
        for n in [1, 2] {
            let key = crate::conformance::public_key(n);
            publish_key(&path, &key).unwrap();
            assert_eq!(PublicKey::from_pem(&fs::read_to_string(&path).unwrap()), Ok(key));
        }
        assert_ne!(fs::metadata(&path).unwrap().permissions().mode() & 0o044, 0);
    }
}
