//! Where the server keeps everything, and what is left there when it is killed.

use sealpost_core::server::store::{StoreOp, StoreOutcome};
use sealpost_core::wire::Profile;
#[cfg(feature = "jetstream")]
use sealpost_storage::server::jetstream::{Config, JetStreamStorage};
use sealpost_storage::{Inspector, Quota, SqliteStorage, Storage, Usage};
use tempfile::TempDir;

#[cfg(feature = "jetstream")]
use crate::test_engine::TestEngine;

/// The store of a running server.
pub(crate) type ServerStore = Box<dyn Storage<Op = StoreOp, Outcome = StoreOutcome> + Send>;

/// What a server's store is kept in.
pub(crate) enum ServerDisk {
    /// A folder with a database.
    Sqlite(TempDir),
    /// A deployment, in an engine that runs for as long as this exists.
    #[cfg(feature = "jetstream")]
    JetStream { config: Box<Config>, _engine: TestEngine },
}

impl ServerDisk {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// An empty engine; `None` where there is no program for it.
    #[cfg(feature = "jetstream")]
    pub(crate) fn jetstream() -> Option<Self> {
        let engine = TestEngine::start()?;
        Some(Self::JetStream { config: Box::new(engine.deployment()), _engine: engine })
    }

    /// Opens the store, which is empty at first.
    pub(crate) fn open(&self, profile: Profile, quota: Quota) -> ServerStore {
        match self {
            Self::Sqlite(folder) => {
                let path = folder.path().join(DATABASE);
                Box::new(SqliteStorage::open(&path, profile, quota).unwrap())
            }
            #[cfg(feature = "jetstream")]
            Self::JetStream { config, .. } => {
                Box::new(JetStreamStorage::open(config, profile, quota).unwrap())
            }
        }
    }

    /// What waits in all mailboxes. A server may be running.
    pub(crate) fn pending(&self, profile: Profile) -> Usage {
        match self {
            Self::Sqlite(folder) => {
                let _ = profile;
                Inspector::open(&folder.path().join(DATABASE)).unwrap().stats().unwrap().pending
            }
            #[cfg(feature = "jetstream")]
            Self::JetStream { config, .. } => {
                let store = JetStreamStorage::open(config, profile, Quota::default()).unwrap();
                store.usage().unwrap()
            }
        }
    }
}

/// Name of the database in its folder.
const DATABASE: &str = "server.db";
