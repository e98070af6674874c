//! Keys as text (PEM, RFC 7468): private keys as PKCS#8, in the clear or encrypted, and public keys
//! as `SubjectPublicKeyInfo`.
//!
//! Before and after a key there may be other text and blank lines, as RFC 7468 allows: tools explain
//! there what the key is.
//!
//! Private keys are encrypted under a passphrase by PBES2 (RFC 8018) with scrypt and AES-256-CBC.

use alloc::format;
use alloc::string::String;
use core::mem;

use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{Decode, SecretDocument};
use pkcs8::pkcs5::pbes2::{EncryptionScheme as Cipher, Kdf, Parameters, ScryptParams};
use pkcs8::pkcs5::{EncryptionScheme, scrypt};
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{KeyRejected, PublicKey};
use crate::keys::Plaintext;

/// Reason why a PEM text does not yield a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// The text is not PEM, or contains another kind of key.
    #[error("not a PEM text, or one with another kind of key")]
    Malformed,
    /// The text contains an RSA private key as PKCS#1, which is not read.
    #[error(
        "key is in the older form PKCS#1 (BEGIN RSA PRIVATE KEY), and PKCS#8 is needed: convert it \
         with openssl pkcs8 -topk8 -nocrypt -in OLD.pem -out NEW.pem"
    )]
    Pkcs1PrivateKey,
    /// The text contains an RSA public key as PKCS#1, which is not read.
    #[error(
        "key is in the older form PKCS#1 (BEGIN RSA PUBLIC KEY), and SubjectPublicKeyInfo is \
         needed: convert it with openssl rsa -RSAPublicKey_in -in OLD.pem -pubout -out NEW.pem"
    )]
    Pkcs1PublicKey,
    /// The key is encrypted, and no passphrase was given.
    #[error("key is encrypted: give its passphrase")]
    PassphraseNeeded,
    /// The key does not decrypt with this passphrase.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// The key is encrypted by another scheme than PBES2 with scrypt and AES-256-CBC, or at a cost
    /// that would exhaust the memory.
    #[error("key is not encrypted by PBES2 with scrypt and AES-256-CBC, or at too high a cost")]
    Unsupported,
    /// The text contains a key that is refused.
    #[error(transparent)]
    Rejected(#[from] KeyRejected),
}

/// Writes a private key in the clear. The text is as secret as the key.
///
/// # Errors
/// [`PemError::Malformed`] if `pkcs8_der` is not PKCS#8.
pub fn private_key_to_pem(pkcs8_der: &Plaintext) -> Result<Plaintext, PemError> {
    let key = SecretDocument::try_from(parse(pkcs8_der)?).map_err(|_| PemError::Malformed)?;
    let mut pem = key.to_pem(PRIVATE_KEY, LineEnding::LF).map_err(|_| PemError::Malformed)?;
    Ok(Plaintext::new(mem::take(&mut *pem).into_bytes()))
}

/// Writes a private key, encrypted under a passphrase. This takes 128 MiB of memory and about half
/// a second.
///
/// # Errors
/// [`PemError::Malformed`] if `pkcs8_der` is not PKCS#8.
pub fn private_key_to_encrypted_pem(
    pkcs8_der: &Plaintext,
    passphrase: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<String, PemError> {
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    rng.fill_bytes(&mut salt);
    rng.fill_bytes(&mut iv);
    let cost = scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P);
    let cost = cost.map_err(|_| PemError::Unsupported)?;
    let parameters = Parameters::generate_scrypt_aes256cbc(cost, &salt, iv);
    let parameters = parameters.map_err(|_| PemError::Unsupported)?;
    let sealed = parse(pkcs8_der)?.encrypt_with_params(parameters, passphrase);
    let sealed = sealed.map_err(|_| PemError::Unsupported)?;
    let mut pem =
        sealed.to_pem(ENCRYPTED_PRIVATE_KEY, LineEnding::LF).map_err(|_| PemError::Malformed)?;
    Ok(mem::take(&mut *pem))
}

/// Reads a private key and returns it as PKCS#8 DER, for [`Provider::load_key`]. A passphrase is
/// ignored if the key is in the clear.
///
/// # Errors
/// Every [`PemError`] about a private key except [`PemError::Rejected`]: the key itself is tested
/// when it is loaded.
///
/// [`Provider::load_key`]: crate::crypto::Provider::load_key
pub fn private_key_from_pem(pem: &str, passphrase: Option<&[u8]>) -> Result<Plaintext, PemError> {
    let block = block(pem, PRIVATE_KEY)
        .or_else(|| block(pem, ENCRYPTED_PRIVATE_KEY))
        .ok_or_else(|| no_block(pem, PKCS1_PRIVATE_KEY, PemError::Pkcs1PrivateKey))?;
    let (label, document) = SecretDocument::from_pem(&block).map_err(|_| PemError::Malformed)?;
    let der = match label {
        PRIVATE_KEY => Plaintext::new(document.as_bytes().to_vec()),
        ENCRYPTED_PRIVATE_KEY => {
            decrypt(document.as_bytes(), passphrase.ok_or(PemError::PassphraseNeeded)?)?
        }
        _ => return Err(PemError::Malformed),
    };
    parse(&der)?;
    Ok(der)
}

impl PublicKey {
    /// Writes the key as PEM.
    pub fn to_pem(&self) -> String {
        let encoded = pkcs8::der::pem::encode_string(PUBLIC_KEY, LineEnding::LF, self.der());
        // Fails only on an invalid label or an overflow of the length.
        encoded.unwrap_or_default()
    }

    /// Reads a key from PEM. It accepts the keys that [`from_der`](PublicKey::from_der) accepts.
    ///
    /// # Errors
    /// [`PemError::Malformed`], [`PemError::Rejected`], [`PemError::Pkcs1PublicKey`].
    pub fn from_pem(pem: &str) -> Result<Self, PemError> {
        let block = block(pem, PUBLIC_KEY)
            .ok_or_else(|| no_block(pem, PKCS1_PUBLIC_KEY, PemError::Pkcs1PublicKey))?;
        match pkcs8::der::pem::decode_vec(block.as_bytes()) {
            Ok((PUBLIC_KEY, der)) => Ok(Self::from_der(&der)?),
            _ => Err(PemError::Malformed),
        }
    }
}

/// The first block with this label, without the text around it, blank lines and blanks at the ends
/// of lines. RFC 7468 allows them, and the decoder refuses most of them.
fn block(pem: &str, label: &str) -> Option<Zeroizing<String>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    // Never grows, because that would leave a copy of the key behind: each line is followed by one
    // newline, as it was in the text, except that the last one may have had none.
    let mut block = Zeroizing::new(String::with_capacity(pem.len() + 1));
    for line in lines(pem).skip_while(|line| *line != begin) {
        block.push_str(line);
        block.push('\n');
        if line == end {
            return Some(block);
        }
    }
    None
}

/// Why there is no block with the expected label: `pkcs1` if there is one with `pkcs1_label`.
fn no_block(pem: &str, pkcs1_label: &str, pkcs1: PemError) -> PemError {
    let begin = format!("-----BEGIN {pkcs1_label}-----");
    if lines(pem).any(|line| line == begin) { pkcs1 } else { PemError::Malformed }
}

fn lines(pem: &str) -> impl Iterator<Item = &str> {
    pem.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty())
}

fn parse(pkcs8_der: &Plaintext) -> Result<PrivateKeyInfoRef<'_>, PemError> {
    PrivateKeyInfoRef::from_der(pkcs8_der.expose()).map_err(|_| PemError::Malformed)
}

fn decrypt(der: &[u8], passphrase: &[u8]) -> Result<Plaintext, PemError> {
    let sealed = EncryptedPrivateKeyInfoRef::from_der(der).map_err(|_| PemError::Malformed)?;
    let EncryptionScheme::Pbes2(parameters) = &sealed.encryption_algorithm else {
        return Err(PemError::Unsupported);
    };
    if !is_supported(parameters) {
        return Err(PemError::Unsupported);
    }
    let ciphertext: &OctetStringRef = sealed.encrypted_data;
    let opened = Plaintext::opened(ciphertext.as_bytes(), |buffer| {
        parameters.decrypt_in_place(passphrase, buffer).ok().map(<[u8]>::len)
    });
    // One wrong passphrase in 256 yields well-formed padding. Its plaintext is not PKCS#8.
    opened.ok().filter(|der| parse(der).is_ok()).ok_or(PemError::WrongPassphrase)
}

/// Whether the key is encrypted by the one supported scheme, at a bearable cost. The cost comes
/// from the file and is not trusted: scrypt would allocate whatever it asks for and abort the
/// process.
fn is_supported(parameters: &Parameters) -> bool {
    let Kdf::Scrypt(cost) = &parameters.kdf else { return false };
    let ScryptParams { cost_parameter, block_size, parallelization, .. } = cost;
    let affordable = cost_parameter.is_power_of_two()
        && (2..=SCRYPT_MAX_N).contains(cost_parameter)
        && u32::from(*block_size) <= SCRYPT_R
        && *parallelization <= SCRYPT_MAX_P;
    affordable && matches!(parameters.encryption, Cipher::Aes256Cbc { .. })
}

const PRIVATE_KEY: &str = "PRIVATE KEY";
const ENCRYPTED_PRIVATE_KEY: &str = "ENCRYPTED PRIVATE KEY";
const PUBLIC_KEY: &str = "PUBLIC KEY";
const PKCS1_PRIVATE_KEY: &str = "RSA PRIVATE KEY";
const PKCS1_PUBLIC_KEY: &str = "RSA PUBLIC KEY";

/// N = 2^17, r = 8, p = 1: the minimum of OWASP's password storage cheat sheet.
const SCRYPT_LOG_N: u8 = 17;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 1;

/// A file may ask for eight times that memory at most, which is 1 GiB.
const SCRYPT_MAX_N: u64 = 1 << 20;
const SCRYPT_MAX_P: u16 = 16;
