//! `sealpostd migrate`: moves accounts and messages between the database in the data folder and a
//! deployment in NATS.
//!
//! The order of the last steps decides what a crash leaves. To NATS: the folder names the deployment, the
//! database gets another name, and then servers may open the deployment. To the database: the database
//! gets its name, the mark names it, the folder forgets the deployment, and the deployment is marked as
//! left. Wherever it ends, a server finds one store that is complete or is refused, and the same command
//! goes on.
//!
//! `telling` shows progress and the outcome.

mod telling;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sealpost_programs::{Failure, now, random_rng};
use sealpost_storage::server::jetstream::{MovingDeployment, MovingState};
use sealpost_storage::server::moving::{MigrationError, Source, Target as _, migrate, rehearse};
use sealpost_storage::{DatabaseId, Inspector, Quota, Remembered, SqliteStorage};

use crate::args::MigrateArgs;
use crate::backup::sync;
use crate::config::{Config, Layers};
use crate::data::{DATABASE, DataFolder, MIGRATING, STORE};
use crate::store::Engine;
use telling::{Outcome, Teller};

/// Whether anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rehearsal {
    /// Everything is read and counted only.
    Yes,
    No,
}

/// Moves everything to where the arguments say. The server must be stopped.
pub(crate) fn run(data: &DataFolder, layers: &Layers, args: &MigrateArgs) -> Result<(), Failure> {
    let rehearsal = if args.dry_run { Rehearsal::Yes } else { Rehearsal::No };
    let _lock = data.lock()?;
    let teller = Teller::start(args.format.format())?;
    let outcome = match args.to.as_str() {
        TO_DATABASE => to_database(data, configured(layers, None)?, rehearsal, &teller),
        TO_NATS => to_engine(data, configured(layers, None)?, rehearsal, &teller),
        address => to_engine(data, configured(layers, Some(address))?, rehearsal, &teller),
    }?;
    teller.tell(&outcome)
}

/// The deployment of the configuration, or the one at another address.
fn configured(layers: &Layers, address: Option<&str>) -> Result<Engine, Failure> {
    let settings = match address {
        None => layers.settings()?,
        Some(address) => layers.settings_with_store(address)?,
    };
    Engine::of(&Config::new(&settings)?)?.ok_or_else(|| {
        Failure::usage(
            "the configuration names no NATS: set store and the section [nats] in the configuration \
             file, or give the address, --to nats://HOST:PORT",
        )
    })
}

fn to_engine(
    data: &DataFolder,
    engine: Engine,
    rehearsal: Rehearsal,
    teller: &Teller,
) -> Result<Outcome, Failure> {
    let deployment = engine.deployment().to_owned();
    match data.deployment()? {
        None => {}
        Some(current) if current == deployment => {
            return resume_switch(data, engine, &deployment, rehearsal);
        }
        Some(current) => return Err(of_other(data, &current)),
    }
    let mut source = data.open_existing()?;
    if rehearsal == Rehearsal::Yes {
        return count(&mut source, teller);
    }
    let mut target = engine.open_to_move(Some(source.profile()), UNUSED)?;
    refuse_other_key(data, &target)?;
    let migrated = migrate(&mut source, &mut target, |progress| teller.progress(progress))
        .map_err(|error| explained(error, &deployment))?;
    // Empties the write-ahead log, which would not be renamed with the database.
    source.complete()?;
    drop(source);
    data.remember_deployment(&deployment)?;
    let old_database = set_database_aside(data)?;
    target.complete()?;
    Ok(Outcome::InEngine { migrated: Some(migrated), deployment, old_database })
}

/// Goes on where a migration was interrupted after everything had been copied and compared.
fn resume_switch(
    data: &DataFolder,
    engine: Engine,
    deployment: &str,
    rehearsal: Rehearsal,
) -> Result<Outcome, Failure> {
    let mut target = engine.open_existing_to_move(UNUSED)?;
    let already = |more: &str| {
        Failure::new(format_args!(
            "the server of {} keeps its accounts in the deployment \"{deployment}\" already{more}",
            data.path().display()
        ))
    };
    match target.state()? {
        MovingState::Arriving(_) if rehearsal == Rehearsal::No => {
            let old_database = set_database_aside(data)?;
            target.complete()?;
            let deployment = deployment.to_owned();
            Ok(Outcome::InEngine { migrated: None, deployment, old_database })
        }
        MovingState::Settled | MovingState::Arriving(_) => Err(already("")),
        MovingState::Leaving(_) => {
            Err(already(", and a migration to the database has begun: use --to database"))
        }
    }
}

fn to_database(
    data: &DataFolder,
    engine: Engine,
    rehearsal: Rehearsal,
    teller: &Teller,
) -> Result<Outcome, Failure> {
    let deployment = engine.deployment().to_owned();
    match data.deployment()? {
        Some(current) if current == deployment => {}
        Some(current) => return Err(of_other(data, &current)),
        None => {
            return Err(Failure::new(format_args!(
                "the server of {} keeps its accounts in a database already, or has never run",
                data.path().display()
            )));
        }
    }
    let mut source = engine.open_existing_to_move(DatabaseId::random(&mut *random_rng()?))?;
    if rehearsal == Rehearsal::Yes {
        return count(&mut source, teller);
    }
    let database = data.file(DATABASE);
    let mut migrated = None;
    if !is_moved(&database, source.state()?)? {
        let partial = data.file(MIGRATING);
        let mut target = SqliteStorage::open(&partial, source.profile(), Quota::default())?;
        let moved = migrate(&mut source, &mut target, |progress| teller.progress(progress))
            .map_err(|error| {
                if !matches!(error, MigrationError::TargetInUse) {
                    return explained(error, &deployment);
                }
                Failure::new(format_args!(
                    "{} is what an earlier migration left: remove it, and repeat the command",
                    partial.display()
                ))
            })?;
        target.complete()?;
        drop(target);
        rename(&partial, &database)?;
        migrated = Some(moved);
    }
    let (id, last) = {
        let inspector = Inspector::open(&database)?;
        (inspector.id()?, inspector.stats()?.last_user_id)
    };
    data.mark().write(Remembered { id, handed_out: last, reserved: last })?;
    data.forget_deployment()?;
    sync(data.path())?;
    source.note_left()?;
    Ok(Outcome::InDatabase { migrated, deployment, database })
}

/// Reads everything that would be moved.
fn count(source: &mut impl Source, teller: &Teller) -> Result<Outcome, Failure> {
    Ok(Outcome::Rehearsed(rehearse(source, |progress| teller.progress(progress))?))
}

/// Whether the database in the folder is the complete one of this migration. Another one is refused.
fn is_moved(database: &Path, state: MovingState) -> Result<bool, Failure> {
    if !database.try_exists().map_err(Failure::context(database.display()))? {
        return Ok(false);
    }
    match state {
        MovingState::Leaving(id) if Inspector::open(database)?.id()? == id => Ok(true),
        MovingState::Settled | MovingState::Arriving(_) | MovingState::Leaving(_) => {
            Err(Failure::new(format_args!(
                "{} exists, and is not used: move it away, and repeat the command",
                database.display()
            )))
        }
    }
}

/// Gives the database of the folder a name under which no server looks for it. Returns the name; `None`
/// if an interrupted migration has done so.
fn set_database_aside(data: &DataFolder) -> Result<Option<PathBuf>, Failure> {
    // The name of the deployment must be on the disk before the database is gone.
    let store = data.file(STORE);
    let synced = File::open(&store).and_then(|file| file.sync_all());
    synced.map_err(Failure::context(store.display()))?;
    sync(data.path())?;
    let database = data.file(DATABASE);
    if !database.try_exists().map_err(Failure::context(database.display()))? {
        return Ok(None);
    }
    let time: String = now()?.to_string().chars().filter(char::is_ascii_digit).collect();
    let aside = data.file(&format!("{DATABASE}.before-migration-{time}"));
    rename(&database, &aside)?;
    Ok(Some(aside))
}

fn rename(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::rename(from, to).map_err(Failure::context(format!(
        "can't rename {} to {}",
        from.display(),
        to.display()
    )))?;
    sync(to.parent().unwrap_or(to))
}

/// Fails if the deployment belongs to servers with another key: they would refuse this one.
fn refuse_other_key(data: &DataFolder, target: &MovingDeployment) -> Result<(), Failure> {
    let own = *data.public_key()?.fingerprint();
    match target.server_keys()? {
        Some(keys) if keys.first != own => Err(Failure::new(format_args!(
            "the servers of the deployment have the key sha256:{}, and this one has sha256:{own}: use \
             another nats.deployment",
            keys.first
        ))),
        Some(_) | None => Ok(()),
    }
}

fn of_other(data: &DataFolder, current: &str) -> Failure {
    Failure::new(format_args!(
        "the server of {} keeps its accounts in the deployment \"{current}\": set nats.deployment \
         (--deployment before the command)",
        data.path().display()
    ))
}

/// The failure of a migration, with what to do.
fn explained(error: MigrationError, deployment: &str) -> Failure {
    let consequence = match &error {
        MigrationError::TargetInUse => format!(
            "nothing was copied: use another nats.deployment than \"{deployment}\" (--deployment before \
             the command)"
        ),
        MigrationError::OtherMigration => format!(
            "nothing was copied: finish the migration of that database, or delete the streams whose \
             names begin with {deployment}-, or use another nats.deployment"
        ),
        MigrationError::TargetLeft => format!(
            "nothing was copied: delete the streams whose names begin with {deployment}-, or use another \
             nats.deployment"
        ),
        MigrationError::Served => "nothing was copied".to_owned(),
        MigrationError::HalfDeleted(_) => "then repeat this one".to_owned(),
        MigrationError::Database(_)
        | MigrationError::Engine(_)
        | MigrationError::SourceIncomplete
        | MigrationError::AccountDiffers { .. }
        | MigrationError::DeploymentDiffers
        | MigrationError::CountDiffers { .. } => {
            "nothing is lost, and accounts and messages are where they were: repeat the command, which \
             goes on where it ended"
                .to_owned()
        }
    };
    Failure::from(error).and(consequence)
}

/// For a deployment that accounts are not moved out of.
const UNUSED: DatabaseId = DatabaseId::UNKNOWN;
/// What `--to` says besides an address.
const TO_DATABASE: &str = "database";
const TO_NATS: &str = "nats";
