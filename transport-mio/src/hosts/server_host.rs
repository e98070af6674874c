//! Host of a machine that accepts connections.

use sealpost_core::frame::Machine;
use sealpost_storage::Storage;

use crate::application::Application;
use crate::config::HostConfig;
use crate::error::Error;
use crate::reactor::{Handle, Reactor};
use crate::sockets::ListeningSocket;
use crate::threads::{HostedMachine, JobRunner, StoreHandle};

/// Runs a machine behind listening sockets.
#[derive(Debug)]
pub struct ServerHost<M: Machine, A, S: Storage> {
    reactor: Reactor<M, A>,
    store: StoreHandle<S>,
}

impl<M, A, S> ServerHost<M, A, S>
where
    M: HostedMachine,
    A: Application<M>,
    S: Storage<Op = M::StoreOp, Outcome = M::StoreOutcome> + Send + 'static,
{
    /// Takes over the sockets and starts the threads. Connections are served by
    /// [`ServerHost::run`].
    pub fn new<R>(
        config: &HostConfig,
        sockets: Vec<ListeningSocket>,
        store: S,
        crypto: R,
        machine: M,
        application: A,
    ) -> Result<Self, Error>
    where
        R: JobRunner,
    {
        let (mut reactor, store) = Reactor::new(config, machine, store, crypto, application)?;
        reactor.accept_from(sockets, config)?;
        Ok(Self { reactor, store })
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
