//! Keys in files of their own: nobody but their owner may read them.
//!
//! A file is written beside its place, synced, moved there, and its folder synced; so a key that a
//! program has begun to use is on disk. Whoever creates a key must have the folder for itself.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use sealpost_core::keys::{
    PemError, Plaintext, PublicKey, SymmetricKey, private_key_from_pem,
    private_key_to_encrypted_pem, private_key_to_pem,
};
use zeroize::{Zeroize, Zeroizing};

use crate::atomic_file::{self, Existing, Readers};

/// A private key as PKCS#8 PEM, under a passphrase or in the clear: of a server or of a client.
#[derive(Clone, Debug)]
pub struct KeyFile(PathBuf);

impl KeyFile {
    /// The file at this path, which may not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Reads the key, as PKCS#8 DER for
    /// [`Provider::load_key`](sealpost_core::crypto::Provider::load_key).
    ///
    /// # Errors
    /// [`KeyFileError::Missing`] if a key is still to be made; `Pem` with `PassphraseNeeded` or
    /// `WrongPassphrase` if the people must be asked.
    pub fn load(&self, passphrase: Option<&[u8]>) -> Result<Plaintext, KeyFileError> {
        let bytes = read_private(&self.0)?;
        let pem = str::from_utf8(&bytes).map_err(|_| self.pem_error(PemError::Malformed))?;
        private_key_from_pem(pem, passphrase).map_err(|error| self.pem_error(error))
    }

    /// Writes a new key, under a passphrase if one is given. It is on disk when this returns.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`] if there is a file: no key is ever overwritten.
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

    fn pem_error(&self, error: PemError) -> KeyFileError {
        KeyFileError::Pem(self.0.clone(), error)
    }
}

/// The key under which a server keeps session keys: 64 lower-case hex digits and a line's end.
#[derive(Clone, Debug)]
pub struct WrappingKeyFile(PathBuf);

impl WrappingKeyFile {
    /// The file at this path, which may not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Reads the key.
    pub fn load(&self) -> Result<SymmetricKey, KeyFileError> {
        let text = read_private(&self.0)?;
        let digits = text.strip_suffix(b"\n").unwrap_or(&text);
        let mut bytes = [0; 32];
        let key = hex::decode_to_slice(digits, &mut bytes)
            .map(|()| SymmetricKey::from_bytes(bytes))
            .map_err(|_| KeyFileError::Malformed(self.0.clone()));
        bytes.zeroize();
        key
    }

    /// Draws a new key and writes it. It is on disk when this returns.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`] if there is a file: no key is ever overwritten.
    pub fn create(&self, rng: &mut dyn CryptoRng) -> Result<SymmetricKey, KeyFileError> {
        let key = SymmetricKey::random(rng);
        let mut text = Zeroizing::new(vec![b'\n'; 65]);
        let (digits, _end) = text.split_at_mut(64);
        hex::encode_to_slice(key.expose(), digits)
            .map_err(|_| KeyFileError::Malformed(self.0.clone()))?;
        create_private(&self.0, &text)?;
        Ok(key)
    }
}

/// Writes a public key as PEM, for everyone to read, in place of what was there.
pub fn publish_key(path: &Path, key: &PublicKey) -> Result<(), KeyFileError> {
    let pem = key.to_pem();
    atomic_file::write(path, pem.as_bytes(), Readers::Everyone, Existing::Replace)
        .map_err(|error| KeyFileError::Io(path.into(), error))
}

/// Why a file gives or takes no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is no such file.
    #[error("there is no key file {}", .0.display())]
    Missing(PathBuf),
    /// There is such a file.
    #[error("there is a file {} already", .0.display())]
    Exists(PathBuf),
    /// Others than its owner may read or write it. What lay open may be known: the key is not used.
    #[error("others may read {}: its mode is {mode:03o}, and must be 600", path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It holds something else than such a key.
    #[error("{} holds no key", .0.display())]
    Malformed(PathBuf),
    /// It holds no private key, or none that opens.
    #[error("{}: {}", .0.display(), .1)]
    Pem(PathBuf, #[source] PemError),
    /// The system failed.
    #[error("{}: {}", .0.display(), .1)]
    Io(PathBuf, #[source] io::Error),
}

fn create_private(path: &Path, bytes: &[u8]) -> Result<(), KeyFileError> {
    atomic_file::write(path, bytes, Readers::Owner, Existing::Refuse).map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            return KeyFileError::Exists(path.into());
        }
        KeyFileError::Io(path.into(), error)
    })
}

/// Reads a file that only its owner may read. Asks the opened file, not the name, about its mode.
fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let failed = |error: io::Error| {
        if error.kind() == ErrorKind::NotFound {
            return KeyFileError::Missing(path.into());
        }
        KeyFileError::Io(path.into(), error)
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::MetadataExt::mode(&metadata) & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Exposed { path: path.into(), mode });
        }
    }
    if !metadata.is_file() || metadata.len() > MAX_LEN {
        return Err(KeyFileError::Malformed(path.into()));
    }
    // All at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_LEN).unwrap_or(0)));
    file.take(MAX_LEN).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// An encrypted RSA-2048 key takes 1.9 KB.
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
            assert!(matches!(refused, KeyFileError::Exposed { mode: told, .. } if told == mode));
        }
        fs::set_permissions(&file.0, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(file.load(None).is_ok());
    }

    #[test]
    fn what_a_crash_left_beside_is_no_obstacle() {
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
        assert_eq!(text, format!("{}\n", hex::encode(key.expose())));
        let digits = text.trim_end();
        for bad in ["", "\n", &digits[1..], &format!("{digits}\n\n"), &digits.replace('a', "g")] {
            fs::write(&file.0, bad).unwrap();
            assert!(matches!(file.load(), Err(KeyFileError::Malformed(_))), "{bad:?}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::new(folder.path().join("key.pem"));
        let _ = atomic_file::create(&file.0, Readers::Owner).unwrap();
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
    fn what_can_not_be_a_key_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::new(folder.path().join("key.pem"));
        let _ = atomic_file::create(&file.0, Readers::Owner).unwrap();
        let longest = usize::try_from(MAX_LEN).unwrap();
        fs::write(&file.0, b"x".repeat(longest)).unwrap();
        assert!(matches!(file.load(None), Err(KeyFileError::Pem(..))), "read, and no key");
        fs::write(&file.0, b"x".repeat(longest + 1)).unwrap();
        assert!(matches!(file.load(None), Err(KeyFileError::Malformed(_))));
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let of_folder = KeyFile::new(folder.path()).load(None);
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
