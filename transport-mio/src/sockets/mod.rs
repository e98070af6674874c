//! Sockets: accepting and dialling connections, reading from them, and writing to them.

mod arrivals;
mod connection;
mod connections;
mod dialler;
mod listener;
mod listening_socket;
mod proxies;
mod proxy_header;
mod race;
mod socket;
mod table;
mod tls_stream;
mod write_queue;

pub(crate) use connections::{Connections, FIRST_CONNECTION, QueueLimits, SocketEvent};
pub(crate) use dialler::Dialler;
pub(crate) use listener::Listener;
pub use listening_socket::{ListeningSocket, LocalAddress};
pub use proxy_header::{InvalidProxyHeader, ProxyHeader};
