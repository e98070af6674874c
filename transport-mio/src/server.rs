//! The host of a machine that accepts connections.

use std::net::SocketAddr;

use sealpost_core::frame::Machine;
use sealpost_storage::Storage;

use crate::application::Application;
use crate::config::Config;
use crate::crypto_pool::JobRunner;
use crate::error::Error;
use crate::inbox::Hosted;
use crate::listener::Listener;
use crate::reactor::{Handle, Reactor};

/// A machine behind a listening socket.
#[derive(Debug)]
pub struct Server<M: Machine, A> {
    reactor: Reactor<M, A>,
    local_addr: SocketAddr,
}

impl<M: Hosted, A: Application<M>> Server<M, A> {
    /// Listens on `listen` and starts the threads. Connections wait until [`Server::run`].
    pub fn bind<S, R>(
        config: &Config,
        listen: SocketAddr,
        store: S,
        crypto: R,
        machine: M,
        application: A,
    ) -> Result<Self, Error>
    where
        S: Storage<Op = M::StoreOp, Outcome = M::StoreOutcome> + Send + 'static,
        R: JobRunner,
    {
        let listener = Listener::bind(listen, config.connection_cap(), config.accept_pause)?;
        let local_addr = listener.local_addr()?;
        let mut reactor = Reactor::new(config, machine, store, crypto, application)?;
        reactor.accept_from(listener)?;
        Ok(Self { reactor, local_addr })
    }

    /// Where it listens: the port that the system chose, if 0 was asked for.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// For stopping it from another thread.
    pub fn handle(&self) -> Handle<M> {
        self.reactor.handle()
    }

    /// Serves until a signal or a [`Handle`] stops it and the machine has ended.
    pub fn run(self) -> Result<(), Error> {
        self.reactor.run()
    }
}
