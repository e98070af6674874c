//! Jobs: whatever needs RSA or AES, and no state.
//!
//! A machine never does cryptography. It emits a [`Job`]; the host runs it with a [`Crypto`] on any
//! thread and hands the [`Outcome`] back. Secrets are drawn inside jobs, and the private key lives
//! in the [`Crypto`] alone.
//!
//! # Order of work
//!
//! A signature is checked before anything is opened, and whatever fails gives the same
//! [`Rejected`]: neither error nor order tells a peer which part it was. Two requests are opened
//! without a signature because nobody could check one yet (100, and 106 from a client that does not
//! know its id); they hold nothing but an OAEP part. A message that its sender signed and that does
//! not open is not an error: it is [`OpenedMessage::Undecryptable`], after the same work.
//!
//! # Providers
//!
//! [`Provider`] is what a library must be able to do. Two come with the crate, as features; both
//! pass one suite, and what one seals the other opens.
//!
//! `RustCrypto` (feature `rust-crypto`) is portable: `rsa`, `aes`, `cbc` and `sha2`, without std.
//! `AwsLc` (feature `aws-lc`) is aws-lc-rs: AWS-LC's constant-time RSA and AES behind a C compiler
//! and std, and several times faster. The programs use it unless told otherwise.
//!
//! # Why a release candidate of `rsa`
//!
//! `rsa` is pinned to 0.10.0-rc.20 rather than 0.9.10, the newest release, for three reasons:
//!
//! - It computes with `crypto-bigint`, whose modular exponentiation and reduction take time that
//!   depends on sizes only, where 0.9 computes with `num-bigint-dig`, which was never built for
//!   that.
//! - It verifies about 2.7 times as fast, and verification is most of what this system computes.
//! - It belongs to one generation of traits with `aes` 0.9, `cbc` 0.2, `sha2` 0.11 and `rand_core`
//!   0.10. With 0.9, two of each would be built, and generators would need adapters.
//!
//! The advisory on timing, RUSTSEC-2023-0071 (Marvin), names no patched release, of either line.
//! The attack times private operations on inputs that the attacker chose, so private operations
//! here are blinded without exception: `sign_with_rng` and `decrypt_blinded`, which multiply the
//! input by a random power before the exponentiation and check the result against the public key
//! after it. The plain calls of this build would not blind, for want of the crate's `getrandom`
//! feature. PKCS#1 v1.5 *encryption*, the attack's best known target, is not in the protocol. Who
//! wants constant time by construction takes `AwsLc`.

#[cfg(feature = "aws-lc")]
mod aws_lc;
mod envelope;
mod job;
#[cfg(feature = "aws-lc")]
mod parsed_keys;
mod provider;
mod run;
#[cfg(feature = "rust-crypto")]
mod rust_crypto;

#[cfg(feature = "aws-lc")]
pub use aws_lc::AwsLc;
pub use job::{
    Draft, EmitError, FreshSession, Grant, Job, OpenedMessage, OpenedRequest, Outcome, Part,
    RequestKind, SESSION_LABEL,
};
pub use provider::{OAEP_MAX_PLAINTEXT, PrivateKey, Provider};
pub use run::Crypto;
#[cfg(feature = "rust-crypto")]
pub use rust_crypto::RustCrypto;
