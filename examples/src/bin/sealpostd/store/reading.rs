//! What commands and metrics read from a store.

use sealpost_core::ids::{UserId, UserRef};
use sealpost_programs::Failure;
use sealpost_storage::{Inspector, InvitationRecord, Stats, Usage, UserRecord};

use super::engine::{self, EngineReader};
use crate::data::DataFolder;

/// Reads a store, whether or not a server is running.
pub(crate) trait StoreReader {
    /// The next `limit` users after `after` in the order of their ids, or the first ones if `None`.
    fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<UserRecord>, Failure>;

    /// One user; `None` if nobody is registered there.
    fn user(&self, who: UserRef) -> Result<Option<UserRecord>, Failure>;

    /// The next `limit` invitations with ids above `after`, in the order of their ids.
    fn invitations(&self, after: u64, limit: u32) -> Result<Vec<InvitationRecord>, Failure>;

    /// Figures about the whole store, and up to `largest` mailboxes.
    fn contents(&self, largest: u32) -> Result<Contents, Failure>;
}

/// What a store contains.
#[derive(Clone, Debug)]
pub(crate) struct Contents {
    pub(crate) stats: Stats,
    /// Usage of the largest mailboxes, largest first, without empty ones.
    pub(crate) largest: Vec<Usage>,
}

/// The connection to the engine, and what has passed over it since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) is_connected: bool,
    pub(crate) reconnects: u64,
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
}

/// How the threads of a running server read its store.
#[derive(Clone, Debug)]
pub(crate) enum ReadAccess {
    /// The database in this folder.
    Database(DataFolder),
    /// The deployment, over the connection of the server.
    Engine(Box<EngineReader>),
}

impl ReadAccess {
    /// Opens the store for reading.
    pub(crate) fn open(&self) -> Result<Box<dyn StoreReader>, Failure> {
        match self {
            Self::Database(data) => Ok(Box::new(data.inspect()?)),
            Self::Engine(reader) => Ok(reader.clone()),
        }
    }

    /// Watches the connection to the engine, if there is one, on a thread of its own.
    pub(crate) fn watch(&self) -> Result<(), Failure> {
        match self {
            Self::Database(_) => Ok(()),
            Self::Engine(reader) => engine::watch(reader),
        }
    }
}

impl StoreReader for Inspector {
    fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<UserRecord>, Failure> {
        Ok(Self::users(self, after, limit)?)
    }

    fn user(&self, who: UserRef) -> Result<Option<UserRecord>, Failure> {
        Ok(Self::user(self, who)?)
    }

    fn invitations(&self, after: u64, limit: u32) -> Result<Vec<InvitationRecord>, Failure> {
        Ok(Self::invitations(self, after, limit)?)
    }

    fn contents(&self, largest: u32) -> Result<Contents, Failure> {
        let largest = match largest {
            0 => Vec::new(),
            some => self.largest_mailboxes(some)?,
        };
        Ok(Contents { stats: self.stats()?, largest })
    }
}
