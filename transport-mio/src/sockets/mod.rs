//! Sockets: accepting and dialling connections, reading from them, and writing to them.

mod arrivals;
mod connection;
mod connections;
mod dialler;
mod listener;
mod race;
mod table;
mod tls_stream;
mod write_queue;

pub(crate) use connections::{Connections, FIRST_CONNECTION, QueueLimits, SocketEvent};
pub(crate) use dialler::Dialler;
pub(crate) use listener::{Listener, listen};
