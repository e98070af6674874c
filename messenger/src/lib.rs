//! What people and bots do with a Sealpost client.
//!
//! One process owns the client's home. Everything else works through it, with the methods of [`api`].
#![forbid(unsafe_code)]

pub mod api;
pub mod engine;
pub mod rpc;
