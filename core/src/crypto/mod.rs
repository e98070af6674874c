//! Jobs: whatever needs RSA or AES, and no state.
//!
//! A machine never does cryptography. It emits a [`Job`]; the host runs it with a [`Crypto`] on any
//! thread and hands the [`Outcome`] back. Secrets are drawn inside jobs, and the private key lives
//! in the [`Crypto`] alone.
//!
//! There are two providers. `RustCrypto` (rsa, aes, cbc, sha2) is portable and uses blinded private
//! operations only. `AwsLc` (aws-lc-rs) is constant time and several times faster. What one seals
//! the other opens.

#[cfg(feature = "aws-lc")]
mod aws_lc;
mod envelope;
mod job;
pub mod keys;
mod provider;
mod run;
#[cfg(feature = "rust-crypto")]
mod rust_crypto;
mod safety_number;
mod secret;

#[cfg(feature = "aws-lc")]
pub use aws_lc::AwsLc;
pub use job::{
    Draft, EmitError, FreshSession, Grant, Job, OpenedMessage, OpenedRequest, Outcome, Part,
    Rejected, RequestKind, SESSION_LABEL,
};
pub use keys::{Fingerprint, InvalidFingerprint, KeyRejected, PublicKey};
pub use provider::{OAEP_MAX_PLAINTEXT, PrivateKey, Provider};
pub use run::Crypto;
#[cfg(feature = "rust-crypto")]
pub use rust_crypto::RustCrypto;
pub use safety_number::safety_number;
pub use secret::{Plaintext, SymmetricKey, WrappedKey};
