//! The production host: it carries out what the machines of `sealpost-core` decide.
#![forbid(unsafe_code)]

mod application;
mod client;
mod clock;
mod config;
mod conn;
mod crypto_pool;
mod dialler;
mod error;
mod host;
mod inbox;
mod listener;
mod operator;
mod otp;
mod reactor;
mod server;
mod signals;
mod slots;
mod sockets;
mod storage_thread;
mod worker;

pub use application::{Application, Control};
pub use client::ClientHost;
pub use config::{Config, Signals, TransactionLimit};
pub use crypto_pool::JobRunner;
pub use error::Error;
pub use inbox::Hosted;
pub use operator::Operator;
pub use otp::{InvalidRoute, InvalidUrl, OtpCourier, OtpRoute, WebhookUrl};
pub use reactor::Handle;
pub use server::Server;
pub use storage_thread::Store;
