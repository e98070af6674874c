//! One suite for all providers: each behaves like the others, and opens what the others seal.

#![cfg(any(feature = "rust-crypto", feature = "aws-lc"))]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test names only the cases that it tests")]

mod fresh;
mod jobs;
mod keys;
mod pem;
mod primitives;
mod support;
mod together;
mod vectors;
mod wycheproof;
