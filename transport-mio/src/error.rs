//! Why a host could not start, or had to give up.

use std::io;

use crate::sockets::LocalAddress;

/// A failure of the operating system that the host can't work around. Peers never cause one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process listens on the address.
    #[error(
        "can't listen on {0}: the address is in use by another program; stop that program, or \
         choose another address"
    )]
    AddressInUse(LocalAddress),
    /// Listening failed for another reason.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// Address that was requested.
        address: LocalAddress,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The operating system refused something that the host needs.
    #[error("can't {task}: {source}")]
    System {
        /// What the host tried to do, as a verb phrase that follows "can't".
        task: &'static str,
        /// Error of the operating system.
        source: io::Error,
    },
}

impl Error {
    /// Returns a closure for `map_err`: the operating system refused `task`.
    pub(crate) fn system(task: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { task, source }
    }
}
