//! A data folder, as commands find it: with the store that its server uses.

use std::path::Path;

use sealpost_programs::Failure;

use crate::config::{Config, Layers};
use crate::data::DataFolder;
use crate::store::{AccountStore, Engine, StoreReader};

/// A data folder, and the settings that lead to its server's store.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    data: DataFolder,
    layers: Layers,
}

impl Site {
    /// Opens an existing data folder.
    pub(crate) fn existing(path: &Path, layers: &Layers) -> Result<Self, Failure> {
        Ok(Self { data: DataFolder::existing(path)?, layers: layers.clone() })
    }

    /// The folder.
    pub(crate) const fn data(&self) -> &DataFolder {
        &self.data
    }

    /// Opens the store for reading. A server may be using it.
    pub(crate) fn inspect(&self) -> Result<Box<dyn StoreReader>, Failure> {
        match self.engine()? {
            None => Ok(Box::new(self.data.inspect()?)),
            Some(engine) => Ok(Box::new(engine.inspect()?)),
        }
    }

    /// Opens the store for a command. The caller must hold the lock.
    pub(crate) fn open(&self) -> Result<Box<dyn AccountStore>, Failure> {
        match self.engine()? {
            None => Ok(Box::new(self.data.open_existing()?)),
            Some(engine) => Ok(Box::new(engine.open_existing()?)),
        }
    }

    /// The deployment that the folder belongs to, if it belongs to one. Only then must the rest of the
    /// configuration be right.
    fn engine(&self) -> Result<Option<Engine>, Failure> {
        let Some(deployment) = self.data.deployment()? else { return Ok(None) };
        match Engine::of(&Config::new(&self.layers.settings()?)?)? {
            Some(engine) if engine.deployment() == deployment => Ok(Some(engine)),
            Some(_) | None => Err(Failure::new(format_args!(
                "the server of {} keeps its accounts in NATS, in the deployment \"{deployment}\": \
                 run this command with the server's configuration (--config, or --store and \
                 --deployment before the command)",
                self.data.path().display()
            ))),
        }
    }
}
