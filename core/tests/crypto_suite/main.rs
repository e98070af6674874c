//! One suite for every provider: what holds for one holds for the other, and what one seals the
//! other opens.

#![cfg(any(feature = "rust-crypto", feature = "aws-lc"))]

mod jobs;
mod keys;
mod pem;
mod primitives;
mod support;
mod vectors;
mod wycheproof;
