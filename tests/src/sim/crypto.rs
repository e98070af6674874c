//! Cryptography of simulations: real, or with a fast and insecure stand-in for RSA.

use std::sync::{Arc, OnceLock};

use chacha20::ChaCha20Rng;
use rand_core::{CryptoRng, Rng, SeedableRng};
use sealpost_core::crypto::{
    Crypto, EmitError, OAEP_MAX_PLAINTEXT, PrivateKey, Provider, RustCrypto,
};
use sealpost_core::keys::{KeyRejected, Plaintext, PublicKey, Rejected, SymmetricKey};
use sha2::{Digest, Sha256};

/// Kind of cryptography in a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CryptoKind {
    /// [`InsecureRsa`] and real AES: thousands of times faster than RSA.
    Insecure,
    /// `RustCrypto`, whose randomness can be seeded.
    Real,
}

impl CryptoKind {
    /// Number of keys. Key 0 is the server's.
    pub const fn keys(self) -> usize {
        match self {
            Self::Insecure => 72,
            Self::Real => 10,
        }
    }

    /// Number of keys that can take the place of the server's.
    pub const fn successors(self) -> usize {
        match self {
            Self::Insecure => 3,
            Self::Real => 1,
        }
    }

    /// Index of the `nth` successor of the server's key. It is behind all other keys.
    pub const fn successor(self, nth: usize) -> usize {
        self.keys() + nth
    }

    /// The `index`-th key.
    pub fn private_key(self, index: usize) -> Arc<dyn PrivateKey> {
        Arc::clone(&self.pool()[index])
    }

    /// A job runner with the `index`-th key, whose randomness comes from `seed`.
    pub fn runner(self, index: usize, seed: u64) -> Crypto {
        let mut wide = [0; 32];
        wide[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = Box::new(ChaCha20Rng::from_seed(wide));
        Crypto::new(self.provider(), self.private_key(index), wrapping_key(), rng)
    }

    /// Public half of the `index`-th key.
    pub fn public_key(self, index: usize) -> &'static PublicKey {
        self.pool()[index].public_key()
    }

    fn provider(self) -> Arc<dyn Provider> {
        match self {
            Self::Insecure => Arc::new(InsecureRsa),
            Self::Real => Arc::new(RustCrypto),
        }
    }

    /// Keys are generated once per process, because a real one takes a while.
    fn pool(self) -> &'static [Arc<dyn PrivateKey>] {
        static INSECURE: OnceLock<Vec<Arc<dyn PrivateKey>>> = OnceLock::new();
        static REAL: OnceLock<Vec<Arc<dyn PrivateKey>>> = OnceLock::new();
        let pool = match self {
            Self::Insecure => &INSECURE,
            Self::Real => &REAL,
        };
        pool.get_or_init(|| {
            let provider = self.provider();
            let mut rng = ChaCha20Rng::from_seed([1; 32]);
            let mut key = || {
                let der = provider.generate_key(&mut rng).unwrap();
                provider.load_key(der.expose()).unwrap()
            };
            (0..self.keys() + self.successors()).map(|_| key()).collect()
        })
    }
}

fn wrapping_key() -> SymmetricKey {
    SymmetricKey::from_bytes([9; 32])
}

/// **Insecure.** Behaves like RSA with keys of the right shape, and protects nothing: anyone who
/// knows a public key can sign and open in its name. A signature is a digest over key and message,
/// and OAEP is a keystream and a digest. It fails wherever RSA would fail: with another key, another
/// label, or an edited byte. AES and its padding are real.
#[derive(Clone, Copy, Debug, Default)]
pub struct InsecureRsa;

impl InsecureRsa {
    /// Signs in the name of a key, for which its public half is enough.
    pub fn sign_with(self, key: &PublicKey, message: &[u8]) -> [u8; 256] {
        let digest = signature_of(key, message);
        let mut signature = [0; 256];
        for chunk in signature.chunks_exact_mut(32) {
            chunk.copy_from_slice(&digest);
        }
        signature
    }
}

impl Provider for InsecureRsa {
    fn name(&self) -> &'static str {
        "insecure stand-in"
    }

    /// Generates a public key, which is the private key as well.
    fn generate_key(&self, rng: &mut dyn CryptoRng) -> Result<Plaintext, KeyRejected> {
        loop {
            let mut modulus = [0; 256];
            rng.fill_bytes(&mut modulus);
            modulus[0] |= 0x80;
            modulus[255] |= 1;
            let der = [DER_HEAD, &modulus, DER_TAIL].concat();
            if PublicKey::from_der(&der).is_ok() {
                return Ok(Plaintext::new(der));
            }
        }
    }

    fn load_key(&self, der: &[u8]) -> Result<Arc<dyn PrivateKey>, KeyRejected> {
        Ok(Arc::new(Key(PublicKey::from_der(der)?)))
    }

    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), Rejected> {
        let digest = signature_of(key, message);
        let chunks = signature.chunks_exact(32);
        let whole = signature.len() == 256 && chunks.into_iter().all(|chunk| chunk == digest);
        if whole { Ok(()) } else { Err(Rejected) }
    }

    fn oaep_seal(
        &self,
        rng: &mut dyn CryptoRng,
        key: &PublicKey,
        label: &[u8],
        plaintext: &[u8],
    ) -> Result<[u8; 256], EmitError> {
        if plaintext.len() > OAEP_MAX_PLAINTEXT {
            return Err(EmitError);
        }
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        let mut body = [0; BODY];
        body[0] = u8::try_from(plaintext.len()).map_err(|_| EmitError)?;
        body[1..=plaintext.len()].copy_from_slice(plaintext);
        mask(&mut body, key, &nonce);
        let tag = digest(&[b"insecure tag", key.fingerprint().0.as_slice(), label, &nonce, &body]);
        let mut sealed = [0; 256];
        sealed[..32].copy_from_slice(&nonce);
        sealed[32..224].copy_from_slice(&body);
        sealed[224..].copy_from_slice(&tag);
        Ok(sealed)
    }

    fn cbc_seal(
        &self,
        key: &SymmetricKey,
        iv: &[u8; 16],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, EmitError> {
        RustCrypto.cbc_seal(key, iv, plaintext)
    }

    fn cbc_open(
        &self,
        key: &SymmetricKey,
        iv: &[u8; 16],
        ciphertext: &[u8],
    ) -> Result<Plaintext, Rejected> {
        RustCrypto.cbc_open(key, iv, ciphertext)
    }
}

struct Key(PublicKey);

impl PrivateKey for Key {
    fn public_key(&self) -> &PublicKey {
        &self.0
    }

    fn sign(&self, _: &mut dyn CryptoRng, message: &[u8]) -> Result<[u8; 256], EmitError> {
        Ok(InsecureRsa.sign_with(&self.0, message))
    }

    fn oaep_open(
        &self,
        _: &mut dyn CryptoRng,
        label: &[u8],
        ciphertext: &[u8],
    ) -> Result<Plaintext, Rejected> {
        let ciphertext: &[u8; 256] = ciphertext.try_into().map_err(|_| Rejected)?;
        let (nonce, rest) = ciphertext.split_at(32);
        let (body, tag) = rest.split_at(BODY);
        let expected =
            digest(&[b"insecure tag", self.0.fingerprint().0.as_slice(), label, nonce, body]);
        if tag != expected {
            return Err(Rejected);
        }
        let mut body: [u8; BODY] = body.try_into().map_err(|_| Rejected)?;
        mask(&mut body, &self.0, nonce);
        let plaintext = body[1..].get(..usize::from(body[0])).ok_or(Rejected)?;
        Ok(Plaintext::new(plaintext.to_vec()))
    }
}

fn signature_of(key: &PublicKey, message: &[u8]) -> [u8; 32] {
    digest(&[b"insecure signature", &key.fingerprint().0, message])
}

/// XORs the body with a keystream: masks it, and unmasks it again.
fn mask(body: &mut [u8; BODY], key: &PublicKey, nonce: &[u8]) {
    let mut seed = ChaCha20Rng::from_seed(digest(&[b"insecure mask", &key.fingerprint().0, nonce]));
    for chunk in body.chunks_exact_mut(8) {
        for (byte, mask) in chunk.iter_mut().zip(seed.next_u64().to_le_bytes()) {
            *byte ^= mask;
        }
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// Length byte and plaintext: what nonce and tag leave of 256 bytes.
const BODY: usize = 192;

/// Bytes before the modulus in the one encoding that is accepted.
const DER_HEAD: &[u8] = &[
    0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
    0x01, 0x05, 0x00, 0x03, 0x82, 0x01, 0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01,
    0x00,
];
/// Bytes after the modulus.
const DER_TAIL: &[u8] = &[0x02, 0x03, 0x01, 0x00, 0x01];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stand_in_fails_where_rsa_would() {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let [alice, bob] = [1, 2].map(|index| Arc::clone(&CryptoKind::Insecure.pool()[index]));
        let signature = alice.sign(&mut rng, b"text").unwrap();
        let verify = |key: &PublicKey, text: &[u8], signature: &[u8]| {
            InsecureRsa.verify(key, text, signature).is_ok()
        };
        assert!(verify(alice.public_key(), b"text", &signature));
        assert!(!verify(bob.public_key(), b"text", &signature));
        assert!(!verify(alice.public_key(), b"test", &signature));
        assert!(!verify(alice.public_key(), b"text", &signature[..255]));

        let sealed =
            InsecureRsa.oaep_seal(&mut rng, alice.public_key(), b"label", &[7; 190]).unwrap();
        let open = |key: &Arc<dyn PrivateKey>, label: &[u8], sealed: &[u8]| {
            key.oaep_open(&mut ChaCha20Rng::from_seed([4; 32]), label, sealed).ok()
        };
        assert_eq!(open(&alice, b"label", &sealed).unwrap().expose(), [7; 190]);
        assert!(open(&bob, b"label", &sealed).is_none());
        assert!(open(&alice, b"other", &sealed).is_none());
        for place in 0..256 {
            let (mut edited, mut forged) = (sealed, signature);
            edited[place] ^= 1;
            forged[place] ^= 1;
            assert!(open(&alice, b"label", &edited).is_none());
            assert!(!verify(alice.public_key(), b"text", &forged));
        }
        assert!(InsecureRsa.oaep_seal(&mut rng, alice.public_key(), b"label", &[7; 191]).is_err());
    }
}
