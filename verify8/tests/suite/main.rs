//! What kernels accept and reject, compared with AWS-LC.
//!
//! Every test runs every kernel of the machine. `kernels` says aloud if that is the model only.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod differential;
mod encoded_messages;
mod kernels;
mod keys;
mod lanes;
mod support;
mod wycheproof;
