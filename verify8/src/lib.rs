//! RSA-2048 signatures, verified up to eight at once.
//!
//! Verifying a signature needs no secret, so many verifications can share one instruction stream:
//! each lane of a vector register works on another signature. With the 52-bit multipliers of
//! AVX-512 IFMA this takes a fraction of the time that a good scalar implementation needs.
//!
//! The crate verifies RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, section 8.2.2) for moduli of 2048
//! bits and the exponent 65537, and nothing else. It computes the power, builds the one encoded
//! message that the digest allows, and compares all 256 bytes. Nothing is parsed.
//!
//! ```
//! use sealpost_verify8::{Claim, Kernel, Key};
//! # let modulus = [0xff; 256];
//! # let (digest, signature) = ([0; 32], [0; 256]);
//! let key = Key::from_modulus(&modulus).expect("an odd modulus of 2048 bits");
//! let claim = Claim { key: &key, digest: &digest, signature: &signature };
//! let kernel = Kernel::detect().unwrap_or(Kernel::model());
//! let verdicts = kernel.verify(&[claim]);
//! assert!(!verdicts.is_valid(0), "zero is nobody's signature");
//! ```
//!
//! **Time.** Nothing here takes constant time, and nothing has to: keys, digests and signatures are
//! public. Don't use any of it with secrets.
//!
//! **Trust.** This is young code for one purpose. Whoever relies on it should ask an established
//! library again before acting on a rejection, and now and then after an acceptance.

#![deny(unsafe_code)]
#![expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "indices depend on constants only, so that the first call would find a wrong one; \
              truncation to digits and limbs is the arithmetic"
)]

#[macro_use]
mod montgomery;
mod claim;
mod encoded;
mod kernel;
mod key;
mod self_test;
mod vectors;

pub use claim::{Claim, Verdicts};
pub use kernel::Kernel;
pub use key::Key;

/// The model, in plain integers.
mod plain {
    montgomery!(plain);
}

/// Eight lanes in 512-bit registers.
#[cfg(target_arch = "x86_64")]
mod wide {
    montgomery!(
        #[target_feature(enable = "avx512f,avx512ifma")]
        wide
    );
}

/// Four lanes in 256-bit registers.
#[cfg(target_arch = "x86_64")]
mod narrow {
    montgomery!(
        #[target_feature(enable = "avx2,avx512f,avx512ifma,avx512vl")]
        narrow
    );
}
