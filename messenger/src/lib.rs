//! What people and bots do with a Sealpost client.
//!
//! One process owns the client's home. Everything else works through it, with the methods of [`api`]. Whatever
//! they show of other people passes through [`foreign_text`], and what is received is saved by [`files`].
#![forbid(unsafe_code)]

pub mod api;
pub mod engine;
pub mod files;
pub mod foreign_text;
pub mod rpc;
