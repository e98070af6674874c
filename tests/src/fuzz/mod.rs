//! Bodies of the fuzz targets. Each takes any bytes, and panics if a property is violated. The
//! corpora under `fuzz/corpus` also run through them in `cargo test`.
//!
//! `deframer`, `payloads`, `proxy_header`, `event`, `groups`, `keys` and `envelope` read their input
//! as data from outside. The others read it as a program ([`Arb`](crate::arb::Arb)): each step takes
//! the next bytes, so that a fuzzer's small change of the input is a small change of the run.

mod bed;
mod client;
mod deframer;
mod envelope;
mod event;
mod groups;
mod jobs;
mod keys;
mod null_crypto;
mod payloads;
mod proxy_header;
mod server;
mod storage;
mod verify8;
mod world;

pub use client::client;
pub use deframer::{deframer, selector};
pub use envelope::envelope;
pub use event::event;
pub use groups::groups;
pub use keys::keys;
pub use payloads::payloads;
pub use proxy_header::proxy_header;
pub use server::server;
pub use storage::storage;
pub use verify8::verify8;
pub use world::world;

/// A body: takes any bytes, and panics if a property is violated.
pub type Body = fn(&[u8]);

/// Every body, with the name of its target and its corpus.
pub const BODIES: [(&str, Body); 12] = [
    ("client", client),
    ("deframer", deframer),
    ("envelope", envelope),
    ("event", event),
    ("groups", groups),
    ("keys", keys),
    ("payloads", payloads),
    ("proxy_header", proxy_header),
    ("server", server),
    ("storage", storage),
    ("verify8", verify8),
    ("world", world),
];
