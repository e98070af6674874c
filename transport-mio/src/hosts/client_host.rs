//! Host of a machine that dials.

use sealpost_core::frame::Machine;
use sealpost_storage::Storage;

use crate::application::Application;
use crate::config::HostConfig;
use crate::destination::Destination;
use crate::error::Error;
use crate::reactor::{Handle, Reactor};
use crate::threads::{HostedMachine, JobRunner, StoreHandle};

/// Runs a machine that connects to a server, or to one of several that serve the same users. The machine takes commands through a [`Handle`];
/// its deliveries and notices go to the [`Application`].
#[derive(Debug)]
pub struct ClientHost<M: Machine, A, S: Storage> {
    reactor: Reactor<M, A>,
    store: StoreHandle<S>,
}

impl<M, A, S> ClientHost<M, A, S>
where
    M: HostedMachine,
    A: Application<M>,
    S: Storage<Op = M::StoreOp, Outcome = M::StoreOutcome> + Send + 'static,
{
    /// Starts the threads. `servers` are in the order of the endpoints that the machine asks for.
    /// Nothing is dialled until it does, and the name is looked up each time.
    pub fn new<R>(
        config: &HostConfig,
        servers: Vec<Destination>,
        store: S,
        crypto: R,
        machine: M,
        application: A,
    ) -> Result<Self, Error>
    where
        R: JobRunner,
    {
        let (mut reactor, store) = Reactor::new(config, machine, store, crypto, application)?;
        reactor.dial_to(servers, config);
        Ok(Self { reactor, store })
    }

    /// Returns a handle that gives the machine commands, and stops the host, from other threads.
    pub fn handle(&self) -> Handle<M> {
        self.reactor.handle()
    }

    /// Returns a handle that reaches the store from another thread.
    pub fn store(&self) -> StoreHandle<S> {
        self.store.clone()
    }

    /// Runs until a signal or a [`Handle`] stops the host and the machine has finished.
    pub fn run(self) -> Result<(), Error> {
        self.reactor.run()
    }
}
