//! The portable provider: `rsa`, `aes`, `cbc`, `sha2`.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use aes::Aes256;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use rand_core::CryptoRng;
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use rsa::{Oaep, Pkcs1v15Sign};
use sha2::{Digest, Sha256};

use super::{EmitError, PrivateKey, Provider};
use crate::keys::{KeyRejected, Plaintext, PublicKey, Rejected, SymmetricKey};

/// Provider in pure Rust, for every target.
#[derive(Clone, Copy, Debug, Default)]
pub struct RustCrypto;

impl Provider for RustCrypto {
    fn name(&self) -> &'static str {
        "rust"
    }

    fn generate_key(&self, rng: &mut dyn CryptoRng) -> Result<Plaintext, KeyRejected> {
        let key = rsa::PrivateKey::new(rng, KEY_BITS).map_err(|_| KeyRejected)?;
        let der = key.to_pkcs8_der().map_err(|_| KeyRejected)?;
        Ok(Plaintext::new(der.as_bytes().to_vec()))
    }

    fn load_key(&self, pkcs8_der: &[u8]) -> Result<Arc<dyn PrivateKey>, KeyRejected> {
        let key = rsa::PrivateKey::from_pkcs8_der(pkcs8_der).map_err(|_| KeyRejected)?;
        let der = key.to_public_key().to_public_key_der().map_err(|_| KeyRejected)?;
        let public = PublicKey::from_der(der.as_bytes())?;
        Ok(Arc::new(Key { rsa: key, public }))
    }

    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), Rejected> {
        let key = parse(key).ok_or(Rejected)?;
        let digest = Sha256::digest(message);
        key.verify(Pkcs1v15Sign::new::<Sha256>(), &digest, signature).map_err(|_| Rejected)
    }

    fn oaep_seal(
        &self,
        rng: &mut dyn CryptoRng,
        key: &PublicKey,
        label: &[u8],
        plaintext: &[u8],
    ) -> Result<[u8; 256], EmitError> {
        let key = parse(key).ok_or(EmitError)?;
        let ciphertext = key.encrypt(rng, oaep(label), plaintext).map_err(|_| EmitError)?;
        ciphertext.try_into().map_err(|_| EmitError)
    }

    fn cbc_seal(
        &self,
        key: &SymmetricKey,
        iv: &[u8; 16],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, EmitError> {
        let cipher = cbc::Encryptor::<Aes256>::new(key.expose().into(), iv.into());
        Ok(cipher.encrypt_padded_vec::<Pkcs7>(plaintext))
    }

    fn cbc_open(
        &self,
        key: &SymmetricKey,
        iv: &[u8; 16],
        ciphertext: &[u8],
    ) -> Result<Plaintext, Rejected> {
        let cipher = cbc::Decryptor::<Aes256>::new(key.expose().into(), iv.into());
        Plaintext::opened(ciphertext, |buffer| {
            cipher.decrypt_padded::<Pkcs7>(buffer).ok().map(<[u8]>::len)
        })
    }
}

struct Key {
    rsa: rsa::PrivateKey,
    public: PublicKey,
}

impl PrivateKey for Key {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, rng: &mut dyn CryptoRng, message: &[u8]) -> Result<[u8; 256], EmitError> {
        let digest = Sha256::digest(message);
        // Not `sign`: without the `getrandom` feature of `rsa`, it does not blind.
        let signature = self.rsa.sign_with_rng(rng, Pkcs1v15Sign::new::<Sha256>(), &digest);
        signature.map_err(|_| EmitError)?.try_into().map_err(|_| EmitError)
    }

    fn oaep_open(
        &self,
        rng: &mut dyn CryptoRng,
        label: &[u8],
        ciphertext: &[u8],
    ) -> Result<Plaintext, Rejected> {
        // Not `decrypt`, for the same reason as in `sign`.
        let plaintext = self.rsa.decrypt_blinded(rng, oaep(label), ciphertext);
        plaintext.map(Plaintext::new).map_err(|_| Rejected)
    }
}

fn oaep(label: &[u8]) -> Oaep<Sha256> {
    Oaep::new_with_label::<Box<[u8]>>(label.into())
}

fn parse(key: &PublicKey) -> Option<rsa::PublicKey> {
    rsa::PublicKey::from_public_key_der(key.der()).ok()
}

const KEY_BITS: usize = 2048;
