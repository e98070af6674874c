//! The hosts that an embedder starts: one for machines that accept connections, one for machines
//! that dial.

mod client_host;
mod server_host;

pub use client_host::ClientHost;
pub use server_host::ServerHost;
