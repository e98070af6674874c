//! The bodies of the fuzz targets. Each takes any bytes and panics if something is wrong; the
//! corpora under `fuzz/corpus` also run through them in `cargo test`.
//!
//! `deframer`, `payloads`, `keys` and `envelope` read their input as what arrives from outside.
//! `server`, `client`, `storage` and `world` read it as a program ([`Arb`](crate::arb::Arb)): each takes the
//! next byte for its next step, so that a fuzzer's small change is a small change of the story.

mod bed;
mod client;
mod deframer;
mod envelope;
mod jobs;
mod keys;
mod null_crypto;
mod payloads;
mod server;
mod storage;
mod world;

pub use client::client;
pub use deframer::{deframer, selector};
pub use envelope::envelope;
pub use keys::keys;
pub use payloads::payloads;
pub use server::server;
pub use storage::storage;
pub use world::world;

/// A body: it takes any bytes, and panics if something is wrong.
pub type Body = fn(&[u8]);

/// Every body under the name of its target and of its corpus.
pub const BODIES: [(&str, Body); 8] = [
    ("client", client),
    ("deframer", deframer),
    ("envelope", envelope),
    ("keys", keys),
    ("payloads", payloads),
    ("server", server),
    ("storage", storage),
    ("world", world),
];
