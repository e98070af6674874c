//! The key of a home, and the passphrase that it is encrypted with.

use sealpost_core::keys::{PemError, Plaintext};
use sealpost_programs::{Failure, random_rng};
use sealpost_storage::key_file::{KeyFile, KeyFileError};

use super::{Home, KEY};
use crate::passphrase::Passphrase;

impl Home {
    /// Creates the key, and encrypts it with a passphrase if there is one.
    pub(super) fn make_key(&self, passphrase: Option<Passphrase>) -> Result<Plaintext, Failure> {
        let passphrase = match passphrase {
            Some(passphrase) => Some(passphrase),
            None => self.passphrases.unasked()?,
        };
        let key = self.provider.generate_key(&mut *random_rng()?)?;
        let secret = passphrase.as_ref().map(|passphrase| passphrase.as_bytes());
        KeyFile::new(self.folder.join(KEY)).create(&key, secret, &mut *random_rng()?)?;
        Ok(key)
    }

    /// The key, or `None` if none has been created yet.
    pub(super) fn existing_key(&self) -> Result<Option<Plaintext>, Failure> {
        match KeyFile::new(self.folder.join(KEY)).load(None) {
            Err(KeyFileError::Missing(_)) => Ok(None),
            _ => self.load_key().map(Some),
        }
    }

    /// Whether the user is asked for a passphrase when the key is loaded.
    pub(crate) fn asks_for_passphrase(&self) -> bool {
        let loaded = KeyFile::new(self.folder.join(KEY)).load(None);
        self.passphrases.are_asked_for()
            && matches!(loaded, Err(KeyFileError::Pem(_, PemError::PassphraseNeeded)))
    }

    /// Loads the key, and asks for its passphrase if it has one.
    pub(crate) fn load_key(&self) -> Result<Plaintext, Failure> {
        let file = KeyFile::new(self.folder.join(KEY));
        match file.load(None) {
            Err(KeyFileError::Pem(_, PemError::PassphraseNeeded)) => {
                self.passphrases.unlock(|passphrase| file.load(Some(passphrase.as_bytes())))
            }
            loaded => Ok(loaded?),
        }
    }

    /// Encrypts the key with another passphrase, or leaves it in the clear.
    pub(crate) fn protect_key(&self, passphrase: Option<&Passphrase>) -> Result<(), Failure> {
        let folder = self.registered_folder()?;
        let _lock = self.lock(&folder)?;
        let file = KeyFile::new(folder.file(KEY));
        let before = match file.load(None) {
            Err(KeyFileError::Pem(_, PemError::PassphraseNeeded)) => {
                Some(self.passphrases.present()?)
            }
            loaded => loaded.map(|_| None)?,
        };
        let before = before.as_ref().map(|passphrase| passphrase.as_bytes());
        let after = passphrase.map(|passphrase| passphrase.as_bytes());
        Ok(file.protect(before, after, &mut *random_rng()?)?)
    }
}
