//! Host of a machine that dials.

use sealpost_core::frame::Machine;
use sealpost_storage::Storage;

use crate::application::Application;
use crate::config::HostConfig;
use crate::destination::Destination;
use crate::error::Error;
use crate::reactor::{Handle, Reactor};
use crate::threads::{HostedMachine, JobRunner};

/// Runs a machine that connects to one server. The machine takes commands through a [`Handle`];
/// its deliveries and notices go to the [`Application`].
#[derive(Debug)]
pub struct ClientHost<M: Machine, A> {
    reactor: Reactor<M, A>,
}

impl<M: HostedMachine, A: Application<M>> ClientHost<M, A> {
    /// Starts the threads. `server` is `HOST:PORT`, or a [`Destination`] over TLS. Nothing is dialled
    /// until the machine asks for it, and the name is looked up each time.
    pub fn new<S, R>(
        config: &HostConfig,
        server: impl Into<Destination>,
        store: S,
        crypto: R,
        machine: M,
        application: A,
    ) -> Result<Self, Error>
    where
        S: Storage<Op = M::StoreOp, Outcome = M::StoreOutcome> + Send + 'static,
        R: JobRunner,
    {
        let (mut reactor, _) = Reactor::new(config, machine, store, crypto, application)?;
        reactor.dial_to(server.into(), config);
        Ok(Self { reactor })
    }

    /// Returns a handle that gives the machine commands, and stops the host, from other threads.
    pub fn handle(&self) -> Handle<M> {
        self.reactor.handle()
    }

    /// Runs until a signal or a [`Handle`] stops the host and the machine has finished.
    pub fn run(self) -> Result<(), Error> {
        self.reactor.run()
    }
}
