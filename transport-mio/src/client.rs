//! The host of a machine that dials.

use sealpost_core::frame::Machine;
use sealpost_storage::Storage;

use crate::application::Application;
use crate::config::Config;
use crate::crypto_pool::JobRunner;
use crate::error::Error;
use crate::inbox::Hosted;
use crate::reactor::{Handle, Reactor};

/// A machine with a way to one server. Commands reach it through a [`Handle`]; what it delivers
/// and lets be known goes to its [`Application`].
#[derive(Debug)]
pub struct ClientHost<M: Machine, A> {
    reactor: Reactor<M, A>,
}

impl<M: Hosted, A: Application<M>> ClientHost<M, A> {
    /// Starts the threads. `server` is `HOST:PORT`; the name is looked up at each dialling, which
    /// begins when the machine wishes.
    pub fn new<S, R>(
        config: &Config,
        server: String,
        store: S,
        crypto: R,
        machine: M,
        application: A,
    ) -> Result<Self, Error>
    where
        S: Storage<Op = M::StoreOp, Outcome = M::StoreOutcome> + Send + 'static,
        R: JobRunner,
    {
        let mut reactor = Reactor::new(config, machine, store, crypto, application)?;
        reactor.dial_to(server, config);
        Ok(Self { reactor })
    }

    /// For commands, and for stopping it, from other threads.
    pub fn handle(&self) -> Handle<M> {
        self.reactor.handle()
    }

    /// Runs until a signal or a [`Handle`] stops it and the machine has ended.
    pub fn run(self) -> Result<(), Error> {
        self.reactor.run()
    }
}
