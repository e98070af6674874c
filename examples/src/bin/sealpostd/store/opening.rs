//! Which store a server opens, and with which keys.

use sealpost_core::crypto::Provider;
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Profile;
use sealpost_programs::Failure;
use sealpost_storage::SharedQuota;

use super::engine::{self, Engine, EngineReader};
use super::{ReadAccess, ServerStore};
use crate::args::ProfileName;
use crate::ballast::Ballasted;
use crate::config::Config;
use crate::data::{DataFolder, Keys};
use crate::key::PlausibleClock;

/// The store and the keys of a server.
pub(crate) struct Opened {
    pub(crate) store: ServerStore,
    pub(crate) reading: ReadAccess,
    pub(crate) quota: SharedQuota,
    pub(crate) profile: Profile,
    pub(crate) keys: Keys,
}

/// Opens the store that the configuration names, and loads the keys. A folder that is new gets them,
/// and one that belongs to another store is refused. The caller must hold the lock.
pub(crate) fn open(
    data: &DataFolder,
    config: &Config,
    provider: &dyn Provider,
) -> Result<Opened, Failure> {
    match Engine::of(config)? {
        None => open_database(data, config, provider),
        Some(engine) => open_deployment(data, config, provider, engine),
    }
}

fn open_database(
    data: &DataFolder,
    config: &Config,
    provider: &dyn Provider,
) -> Result<Opened, Failure> {
    if let Some(deployment) = data.deployment()? {
        return Err(Failure::new(format_args!(
            "the server of {} keeps its accounts in NATS, in the deployment \"{deployment}\", and no \
             store is configured: set store to nats://… (--store), or use another data folder",
            data.path().display()
        )));
    }
    let wanted = config.quota();
    let (store, profile) = data.open(config.profile.map(ProfileName::profile), wanted)?;
    let newest = store.newest_time()?;
    retire_key_when_due(data, config, newest)?;
    let keys = data.keys(provider, || data.refuse_new_key())?;
    let quota = store.quota();
    let store = Ballasted::new(data.marked(store)?, data.ballast(), wanted.disk_reserve_bytes);
    let (store, reading) =
        (ServerStore::Database(Box::new(store)), ReadAccess::Database(data.clone()));
    Ok(Opened { store, reading, quota, profile, keys })
}

fn open_deployment(
    data: &DataFolder,
    config: &Config,
    provider: &dyn Provider,
    engine: Engine,
) -> Result<Opened, Failure> {
    let deployment = engine.deployment().to_owned();
    let engine = match data.deployment()? {
        None if data.has_database()? => {
            return Err(Failure::new(format_args!(
                "the server of {} keeps its accounts in a database there: move them with sealpostd \
                 migrate --to nats, start it without --store, or use a new data folder",
                data.path().display()
            )));
        }
        None => engine,
        Some(own) if own == deployment => engine.existing(),
        Some(other) => {
            return Err(Failure::new(format_args!(
                "the server of {} belongs to the deployment \"{other}\", and not to \"{deployment}\": \
                 set nats.deployment (--deployment), or use another data folder",
                data.path().display()
            )));
        }
    };
    let store = engine.open(config.profile.map(ProfileName::profile), config.quota())?;
    retire_key_when_due(data, config, store.newest_time()?)?;
    let keys = data.keys(provider, || engine::refuse_new_key(&store))?;
    engine::admit(&store, &keys.public())?;
    // Last: a folder that was refused can be used for something else.
    data.remember_deployment(&deployment)?;
    let (quota, profile) = (store.quota(), store.profile());
    let reading = ReadAccess::Engine(Box::new(EngineReader::new(&store)));
    Ok(Opened { store: ServerStore::Engine(Box::new(store)), reading, quota, profile, keys })
}

fn retire_key_when_due(
    data: &DataFolder,
    config: &Config,
    newest: Option<Timestamp>,
) -> Result<(), Failure> {
    let clock = PlausibleClock { newest, step: config.storage.clock_step.0 };
    data.retire_key_when_due(config.key.retire_after.0, &clock)
}
