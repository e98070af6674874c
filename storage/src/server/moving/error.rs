//! Why a deployment is not moved.

use sealpost_core::ids::{Phone, UserId};

use crate::engine::EngineError;
use crate::server::jetstream::JetStreamError;

/// A migration failed. Nothing is lost: the source is unchanged, and no server opens the target.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] EngineError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] JetStreamError),
    /// The target has accounts or invitations of its own, or has had some.
    #[error("the target has accounts or invitations of its own, or has had some")]
    TargetInUse,
    /// The target is that of another migration, which was not finished.
    #[error("the target has part of the accounts of another database")]
    OtherMigration,
    /// The target's accounts were moved to a database earlier, and its streams are still there.
    #[error("the accounts of the target were moved to a database, and its streams are still there")]
    TargetLeft,
    /// The source is the target of another migration.
    #[error("accounts are being moved into this deployment: finish that migration first")]
    SourceIncomplete,
    /// A server has the deployment in NATS JetStream open.
    #[error("a server uses the deployment: stop every server of it")]
    Served,
    /// An account is deleted in part.
    #[error("the account {0} is deleted in part: repeat the command that deletes it")]
    HalfDeleted(Phone),
    /// An account was stored, and reads back differently.
    #[error("the account {id} differs after it was copied: {field}")]
    AccountDiffers {
        /// Id of the user.
        id: UserId,
        /// What differs.
        field: &'static str,
    },
    /// What belongs to no account reads back differently.
    #[error("the invitations or counters differ after they were copied")]
    DeploymentDiffers,
    /// Accounts were added or removed meanwhile, or a count on record is wrong.
    #[error("{moved} accounts were copied, but a store counts {found}")]
    CountDiffers {
        /// Accounts that were copied.
        moved: u64,
        /// Number of accounts that a store has on record.
        found: u64,
    },
}
