//! Host of a machine that accepts connections.

use std::net::SocketAddr;

use sealpost_core::frame::Machine;
use sealpost_storage::Storage;

use crate::application::Application;
use crate::config::HostConfig;
use crate::error::Error;
use crate::reactor::{Handle, Reactor};
use crate::sockets;
use crate::threads::{HostedMachine, JobRunner, StoreHandle};

/// Runs a machine behind a listening socket.
#[derive(Debug)]
pub struct ServerHost<M: Machine, A, S: Storage> {
    reactor: Reactor<M, A>,
    store: StoreHandle<S>,
    local_addr: SocketAddr,
}

impl<M, A, S> ServerHost<M, A, S>
where
    M: HostedMachine,
    A: Application<M>,
    S: Storage<Op = M::StoreOp, Outcome = M::StoreOutcome> + Send + 'static,
{
    /// Listens on `address` and starts the threads. The system queues new connections until
    /// [`ServerHost::run`] accepts them.
    pub fn bind<R>(
        config: &HostConfig,
        address: SocketAddr,
        store: S,
        crypto: R,
        machine: M,
        application: A,
    ) -> Result<Self, Error>
    where
        R: JobRunner,
    {
        let socket = sockets::listen(address)?;
        let local_addr =
            socket.local_addr().map_err(Error::system("read the listening address"))?;
        let (mut reactor, store) = Reactor::new(config, machine, store, crypto, application)?;
        reactor.accept_from(socket, config)?;
        Ok(Self { reactor, store, local_addr })
    }

    /// The address on which the host listens, with the port that the system chose if 0 was
    /// requested.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Returns a handle that stops the host from another thread.
    pub fn handle(&self) -> Handle<M> {
        self.reactor.handle()
    }

    /// Returns a handle that reaches the store from another thread.
    pub fn store(&self) -> StoreHandle<S> {
        self.store.clone()
    }

    /// Serves until a signal or a [`Handle`] stops the host and the machine has finished.
    pub fn run(self) -> Result<(), Error> {
        self.reactor.run()
    }
}
