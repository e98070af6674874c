//! Where a server keeps accounts and messages: a database in its data folder, or a deployment in
//! NATS JetStream, the *engine*, which it shares with other servers.
//!
//! | file | what |
//! |---|---|
//! | `opening` | which store a server opens, and with which keys |
//! | `reading` | what commands and metrics read, from any thread |
//! | `changing` | what commands change |
//! | `engine` | the deployment: how it is reached, and why it is refused; `no_engine` takes its place in a build without the feature `jetstream` |

mod changing;
#[cfg_attr(not(feature = "jetstream"), path = "no_engine.rs")]
mod engine;
mod opening;
mod reading;

use std::time::Duration;

use sealpost_core::ids::Ticket;
use sealpost_core::server::store::{StoreOp, StoreOutcome};
use sealpost_core::server::{Elsewhere, Servers};
use sealpost_programs::Failure;
use sealpost_storage::{Marked, Report, SqliteStorage, Storage};

pub(crate) use changing::AccountStore;
pub(crate) use engine::{Engine, EngineStore};
pub(crate) use opening::{Opened, open};
pub(crate) use reading::{Contents, Link, ReadAccess, StoreReader};

use crate::ballast::Ballasted;

/// The store of a running server.
#[derive(Debug)]
pub(crate) enum ServerStore {
    /// The database in the data folder.
    Database(Box<Ballasted<Marked<SqliteStorage>>>),
    /// A deployment in NATS.
    Engine(Box<EngineStore>),
}

impl ServerStore {
    /// What a command changes between two commits.
    pub(crate) fn accounts(&mut self) -> &mut dyn AccountStore {
        match self {
            Self::Database(store) => store.inner().inner(),
            Self::Engine(store) => &mut **store,
        }
    }

    /// The servers that use the store.
    pub(crate) const fn servers(&self) -> Servers {
        match self {
            Self::Database(_) => Servers::One,
            Self::Engine(_) => Servers::Several { look_again: LOOK_AGAIN },
        }
    }

    /// Tells `listener` what other servers do that concerns this one, if there can be others.
    pub(crate) fn listen(
        &self,
        listener: impl Fn(Elsewhere) + Send + Sync + 'static,
    ) -> Result<(), Failure> {
        match self {
            Self::Database(_) => Ok(()),
            Self::Engine(store) => Ok(store.listen(listener)?),
        }
    }
}

impl Storage for ServerStore {
    type Op = StoreOp;
    type Outcome = StoreOutcome;

    fn commit(&mut self, requests: &[StoreOp], outcomes: &mut Vec<StoreOutcome>) {
        match self {
            Self::Database(store) => store.commit(requests, outcomes),
            Self::Engine(store) => store.commit(requests, outcomes),
        }
    }

    fn begin(
        &mut self,
        ticket: Ticket,
        request: StoreOp,
        report: &Report<StoreOutcome>,
    ) -> Option<StoreOp> {
        match self {
            Self::Database(store) => store.begin(ticket, request, report),
            Self::Engine(store) => store.begin(ticket, request, report),
        }
    }

    fn failure(&mut self) -> Option<String> {
        match self {
            Self::Database(store) => store.failure(),
            Self::Engine(store) => store.failure(),
        }
    }
}

/// How often the mailbox of each session is read, in case another server's hint was lost.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
