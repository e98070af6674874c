//! Signatures, verified by the kernels of `verify8` and by AWS-LC.

use std::sync::LazyLock;

use aws_lc_rs::digest::{Digest, SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
};
use sealpost_core::keys::private_key_from_pem;
use sealpost_verify8::{Claim, Kernel, Key};

use crate::arb::Arb;

/// Builds up to eight claims as the input says: valid signatures, edits of them, signatures over
/// other messages or by other keys, numbers next to the modulus, and any other numbers, with fixed
/// keys or with a modulus from the input.
///
/// Properties: each kernel of this machine, the model among them, accepts what AWS-LC accepts and
/// rejects what AWS-LC rejects, and says nothing about claims that there are not.
///
/// # Panics
/// If one of these properties is violated.
pub fn verify8(data: &[u8]) {
    let mut arb = Arb::new(data);
    let count = 1 + arb.index(Kernel::MOST);
    let claims: Vec<_> = (0..count).map(|_| Fixture::choose(&mut arb)).collect();
    let expected: Vec<_> = claims.iter().map(Fixture::is_valid).collect();
    let claims: Vec<_> = claims.iter().map(Fixture::claim).collect();
    let kernels = [Kernel::wide(), Kernel::narrow(), *DETECTED, Some(Kernel::model())];
    for kernel in kernels.into_iter().flatten() {
        let verdicts = kernel.verify(&claims);
        let found: Vec<_> = (0..count).map(|nth| verdicts.is_valid(nth)).collect();
        assert_eq!(found, expected, "{kernel:?}");
        assert!((count..2 * Kernel::MOST).all(|nth| !verdicts.is_valid(nth)), "{kernel:?}");
    }
}

static DETECTED: LazyLock<Option<Kernel>> = LazyLock::new(Kernel::detect);

/// What a claim refers to, and AWS-LC's form of it.
struct Fixture {
    public: PublicKey,
    digest: Digest,
    bytes: [u8; 32],
    signature: [u8; 256],
}

impl Fixture {
    fn choose(arb: &mut Arb<'_>) -> Self {
        let signers = SIGNERS.as_slice();
        let signer = &signers[arb.index(signers.len())];
        let message = arb.index(MESSAGES.into());
        let signature = signer.signatures[message];
        let modulus = &signer.public.modulus;
        match arb.below(8) {
            0 => Self::new(&signer.public, message, signature),
            1 => Self::new(&signer.public, message, edited(arb, signature)),
            2 => Self::new(&signer.public, arb.index(MESSAGES.into()), signature),
            3 => Self::new(&signers[arb.index(signers.len())].public, message, signature),
            4 => Self::new(&signer.public, message, sum(&signature, modulus)),
            5 => {
                let mut difference = [0; 256];
                difference[255] = arb.byte();
                Self::new(&signer.public, message, sum(modulus, &difference))
            }
            6 => Self::new(&signer.public, message, number(arb)),
            _ => {
                let mut modulus = number(arb);
                modulus[0] |= 0x80;
                modulus[255] |= 1;
                Self::new(&PublicKey::new(modulus), message, number(arb))
            }
        }
    }

    fn new(public: &PublicKey, message: usize, signature: [u8; 256]) -> Self {
        let digest = digest(&SHA256, &message.to_le_bytes());
        let bytes = digest.as_ref().try_into().expect("32 bytes");
        Self { public: public.clone(), digest, bytes, signature }
    }

    /// Verdict of AWS-LC.
    fn is_valid(&self) -> bool {
        let parsed = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.public.der());
        let parsed = parsed.expect("an odd modulus of 2048 bits");
        parsed.verify_digest_sig(&self.digest, &self.signature).is_ok()
    }

    fn claim(&self) -> Claim<'_> {
        Claim { key: &self.public.key, digest: &self.bytes, signature: &self.signature }
    }
}

#[derive(Clone)]
struct PublicKey {
    modulus: [u8; 256],
    key: Key,
}

impl PublicKey {
    fn new(modulus: [u8; 256]) -> Self {
        Self { modulus, key: Key::from_modulus(&modulus).expect("an odd number of 2048 bits") }
    }

    /// DER of `RSAPublicKey` (RFC 8017, appendix A.1.1).
    fn der(&self) -> Vec<u8> {
        [&BEFORE_MODULUS, self.modulus.as_slice(), &[0x02, 0x03, 0x01, 0x00, 0x01]].concat()
    }
}

const BEFORE_MODULUS: [u8; 9] = [0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00];

/// A key, and signatures over the messages 0, 1, 2 and so on.
struct Signer {
    public: PublicKey,
    signatures: Vec<[u8; 256]>,
}

static SIGNERS: LazyLock<[Signer; 3]> = LazyLock::new(|| PRIVATE_PEMS.map(Signer::new));

impl Signer {
    fn new(pem: &str) -> Self {
        let der = private_key_from_pem(pem, None).expect("a key");
        let pair = KeyPair::from_pkcs8(der.expose()).expect("a key");
        let public = pair.public_key().as_ref();
        let modulus = public[BEFORE_MODULUS.len()..][..256].try_into().expect("256 bytes");
        let sign = |message: u8| {
            let (message, mut signature) = (usize::from(message).to_le_bytes(), [0; 256]);
            let random = SystemRandom::new();
            pair.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature).expect("a signature");
            signature
        };
        let signatures = (0..MESSAGES).map(sign).collect();
        Self { public: PublicKey::new(modulus), signatures }
    }
}

const MESSAGES: u8 = 8;

const PRIVATE_PEMS: [&str; 3] = [
    include_str!("../../../docs/vectors/test-only-alice.pem"),
    include_str!("../../../docs/vectors/test-only-bob.pem"),
    include_str!("../../../docs/vectors/test-only-server.pem"),
];

/// A number whose upper bytes are from the input. The others repeat one of its bytes.
fn number(arb: &mut Arb<'_>) -> [u8; 256] {
    let mut number = [arb.byte(); 256];
    let len = arb.index(number.len());
    let bytes = arb.bytes(len);
    number[..bytes.len()].copy_from_slice(bytes);
    number
}

/// A copy with up to four bytes changed.
fn edited(arb: &mut Arb<'_>, mut bytes: [u8; 256]) -> [u8; 256] {
    for _ in 0..=arb.below(4) {
        let at = arb.index(bytes.len());
        bytes[at] ^= arb.byte();
    }
    bytes
}

/// Sum of two numbers modulo 2^2048.
fn sum(a: &[u8; 256], b: &[u8; 256]) -> [u8; 256] {
    let (mut sum, mut carry) = ([0; 256], 0_u8);
    for nth in (0..sum.len()).rev() {
        let digit = u16::from(a[nth]) + u16::from(b[nth]) + u16::from(carry);
        [carry, sum[nth]] = digit.to_be_bytes();
    }
    sum
}
