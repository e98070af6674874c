//! What a task works on: the running server, or the data folder of one that does not run.

use std::sync::mpsc::RecvError;

use sealpost_core::ids::UserId;
use sealpost_core::server::{AccountChange, Command};
use sealpost_programs::Failure;

use crate::data::DataFolder;
use crate::running::Running;
use crate::site::Site;
use crate::store::{AccountStore, StoreReader};

/// What a task works on.
pub(super) enum Place<'a> {
    /// Inside the server.
    Running(&'a Running),
    /// In a process of its own, while no server runs on the folder. The process holds the folder's
    /// lock, unless the task only reads.
    Stopped(&'a Site),
}

impl Place<'_> {
    /// Carries out `work` on the store: between two commits of the running server, or here.
    pub(super) fn with_store<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn AccountStore) -> R + Send + 'static,
    ) -> Result<R, Failure> {
        match self {
            Self::Running(server) => {
                server.store.with_store(|store| work(store.accounts())).recv().map_err(stopped)
            }
            Self::Stopped(site) => Ok(work(&mut *site.open()?)),
        }
    }

    /// Opens the store for reading.
    pub(super) fn inspect(&self) -> Result<Box<dyn StoreReader>, Failure> {
        match self {
            Self::Running(server) => server.reading.open(),
            Self::Stopped(site) => site.inspect(),
        }
    }

    /// Ends the session of a user whose account was changed in the store. Returns once it has ended.
    pub(super) fn end_session(&self, user: UserId, why: AccountChange) -> Result<(), Failure> {
        match self {
            Self::Running(server) => {
                server.handle.command(Command::EndSession { user, why });
                server.handle.with_machine(|_| ()).recv().map_err(stopped)
            }
            Self::Stopped(_) => Ok(()),
        }
    }

    /// The running server, for a task that needs one.
    pub(super) fn running(&self, task: &str) -> Result<&Running, Failure> {
        match self {
            Self::Running(server) => Ok(server),
            Self::Stopped(site) => Err(Failure::new(format_args!(
                "no server runs on {}, and {task} needs one",
                site.data().path().display()
            ))),
        }
    }

    pub(super) const fn data(&self) -> &DataFolder {
        match self {
            Self::Running(server) => &server.data,
            Self::Stopped(site) => site.data(),
        }
    }
}

/// The failure of a task during which the server ended.
pub(super) fn stopped(_: RecvError) -> Failure {
    Failure::new("the server stopped before the command was finished: check what has been done")
}
