//! Jobs: all work that needs RSA or AES. A job holds its inputs and depends on no other state.
//!
//! A machine never does cryptography. It emits a [`Job`]; the host runs it with a [`Crypto`] on any
//! thread and hands the [`Outcome`] back. Secrets are drawn inside jobs, and the private key lives
//! in the [`Crypto`] alone.
//!
//! # Order of work
//!
//! A signature is verified before anything is opened, and every failure gives the same
//! [`Rejected`]: neither the error nor the order of work tells a peer which part failed. Two
//! requests are opened without a signature, because nobody can verify one yet: 100, and 106 from a
//! client that does not know its id. They hold only an OAEP part. A signed message that does not
//! open is not an error: it becomes [`OpenedMessage::Undecryptable`], after the same work.
//!
//! # Providers
//!
//! [`Provider`] lists the operations that a cryptographic library must offer. Two implementations
//! come with the crate, each behind a feature; both pass the same suite, and each opens what the
//! other seals.
//!
//! `RustCrypto` (feature `rust-crypto`) is portable: `rsa`, `aes`, `cbc` and `sha2`, without std.
//! `AwsLc` (feature `aws-lc`) is aws-lc-rs: AWS-LC's constant-time RSA and AES. It needs std and a
//! C compiler, and is several times faster. The programs use it by default. It can verify signatures
//! that came together with the kernel of `sealpost-verify8`, and judges itself what that rejects.
//!
//! # What `rsa` protects, and what it does not
//!
//! `RustCrypto` calls `rsa` 0.10. Timing attacks such as Marvin (RUSTSEC-2023-0071) time private
//! operations on inputs that the attacker chose. These are the defences against them:
//!
//! - The arithmetic is that of `crypto-bigint`, which is written to take a time that depends on
//!   the sizes of secret numbers, not on their values.
//! - Private operations are blinded, always. Only `sign_with_rng` and `decrypt_blinded` are called:
//!   they blind the input, both CRT exponents and both CRT moduli with fresh random factors, and
//!   check the result against the public key. The plain calls blind only with the crate's
//!   `getrandom` feature, which is off here because it needs an operating system.
//! - OAEP padding is judged as a whole, without branches on secret bytes, and every failure is the
//!   same [`Rejected`].
//! - PKCS#1 v1.5 *encryption*, the best-known target, is not in the protocol. The crate's
//!   `pkcs1v15`
//!   feature is on for signatures only, so its implicit rejection plays no part here.
//!
//! The authors say that 0.10 resolves the side channels that were found. The advisory lists no
//! patched release, but our copy of it is older than 0.10.0. An audit of the crate predates most of
//! the present code. Use `AwsLc` where others can measure the time of private operations.
//!
//! The two providers differ in one point. In opening OAEP, `rsa` ignores the first octet of the
//! padded message, as section 7 of draft-irtf-cfrg-rsa-guidance asks; AWS-LC requires it to be
//! zero, as RFC 8017 does. Only somebody who knows the whole padded message can make a ciphertext
//! that shows the difference, so it reveals nothing.
//!
//! [`Rejected`]: crate::keys::Rejected

#[cfg(feature = "aws-lc")]
mod aws_lc;
mod envelope;
mod generator;
mod job;
#[cfg(feature = "aws-lc")]
mod parsed_keys;
mod provider;
mod run;
#[cfg(feature = "rust-crypto")]
mod rust_crypto;
mod sealed;
#[cfg(feature = "aws-lc")]
mod together;

#[cfg(feature = "aws-lc")]
pub use aws_lc::AwsLc;
pub use generator::Generator;
pub use job::{
    Draft, EmitError, FreshSession, Grant, Job, Lane, OpenedMessage, OpenedRequest, Outcome,
    OwnKey, Part, RequestKind, SESSION_LABEL, SignatureCheck,
};
pub use provider::{OAEP_MAX_PLAINTEXT, PrivateKey, Provider};
pub use run::Crypto;
#[cfg(feature = "rust-crypto")]
pub use rust_crypto::RustCrypto;
