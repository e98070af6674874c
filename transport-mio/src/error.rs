//! Why a host could not start, or had to give up.

use std::io;
use std::net::SocketAddr;

/// The environment's refusal. Peers never cause one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process listens on the address.
    #[error("{0} is in use by another program")]
    PortInUse(SocketAddr),
    /// The address can't be listened on for another reason.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The operating system refused something that the host can't do without.
    #[error("can't {task}: {source}")]
    System {
        /// What the host wanted to do, to stand after "can't".
        task: &'static str,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: the operating system refused `task`.
    pub(crate) fn system(task: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { task, source }
    }
}
