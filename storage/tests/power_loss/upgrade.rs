//! Older databases are upgraded on a disk that loses power, at every step and with every sync left
//! out.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use sealpost_core::wire::Profile;
use sealpost_storage::client::SqliteClientStorage;
use sealpost_storage::{Inspector, Quota, SqliteStorage};
use tempfile::TempDir;

use crate::disk::{Disk, Survival};
use crate::file_system::FileSystem;
use crate::random::Random;
use crate::vfs;

/// A database as an earlier release left it, with rows in every table.
struct Released {
    file: &'static str,
    version: u32,
    sql: &'static str,
    /// Opens the database as the program does, and closes it.
    open: fn(&Path) -> Result<(), String>,
}

/// Every schema but the present ones.
const RELEASED: [Released; 13] = [
    server(1, include_str!("../golden/server-1.sql")),
    server(2, include_str!("../golden/server-2.sql")),
    client(1, include_str!("../golden/client-1.sql")),
    client(2, include_str!("../golden/client-2.sql")),
    client(3, include_str!("../golden/client-3.sql")),
    client(4, include_str!("../golden/client-4.sql")),
    client(5, include_str!("../golden/client-5.sql")),
    client(6, include_str!("../golden/client-6.sql")),
    client(7, include_str!("../golden/client-7.sql")),
    client(8, include_str!("../golden/client-8.sql")),
    client(9, include_str!("../golden/client-9.sql")),
    client(10, include_str!("../golden/client-10.sql")),
    client(11, include_str!("../golden/client-11.sql")),
];

const fn server(version: u32, sql: &'static str) -> Released {
    Released { file: "sealpost.db", version, sql, open: open_server }
}

const fn client(version: u32, sql: &'static str) -> Released {
    Released { file: "client.db", version, sql, open: open_client }
}

/// How the earlier release ended.
#[derive(Clone, Copy, Debug)]
enum End {
    /// It closed the database.
    Stopped,
    /// It left what it committed last in the log.
    Killed,
}

/// Everything in a database: each table with its rows.
type Contents = Vec<(String, Vec<Vec<Value>>)>;

/// An old database on a disk of its own.
struct UpgradeBed<'a> {
    released: &'a Released,
    folder: TempDir,
    file_system: FileSystem,
}

impl Released {
    fn name(&self) -> String {
        format!("{} of schema {}", self.file, self.version)
    }
}

impl<'a> UpgradeBed<'a> {
    fn new(released: &'a Released, end: End, seed: u64) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let file_system = FileSystem::new(Disk::new(Random::new(seed)));
        vfs::attach(folder.path(), file_system.clone());
        let bed = Self { released, folder, file_system };
        // The program looks at the real file before it calls SQLite.
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(bed.path()).unwrap();
        let connection = Connection::open(bed.path()).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL").unwrap();
        connection.execute_batch(released.sql).unwrap();
        match end {
            End::Stopped => drop(connection),
            End::Killed => {
                bed.file_system.disk(|disk| disk.cut_power_after(0));
                drop(connection);
            }
        }
        bed.file_system.disk(|disk| disk.restore_power(Survival::All));
        bed
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(self.released.file)
    }

    fn upgrade(&self) -> Result<(), String> {
        (self.released.open)(&self.path())
    }

    /// Reads everything but the id of the database, which is random.
    fn contents(&self) -> rusqlite::Result<Contents> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(self.path(), flags)?;
        let names = |sql: &str| -> rusqlite::Result<Vec<String>> {
            connection.prepare(sql)?.query_map((), |row| row.get(0))?.collect()
        };
        let tables = names("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
        let read = |table: String| {
            let mut columns = names(&format!("SELECT name FROM pragma_table_info('{table}')"))?;
            columns.retain(|column| column != "database_id");
            let list = columns.join(", ");
            let sql = format!("SELECT {list} FROM {table} ORDER BY {list}");
            let row = |row: &rusqlite::Row<'_>| (0..columns.len()).map(|i| row.get(i)).collect();
            let rows = connection.prepare(&sql)?.query_map((), row)?.collect::<Result<_, _>>()?;
            Ok((table, rows))
        };
        tables.into_iter().map(read).collect()
    }

    /// Upgrades the database, cuts the power at the `changes`-th change or after the last one, and
    /// upgrades what is left.
    fn interrupt(&self, changes: u64, survival: Survival) -> Result<(Step, Contents), String> {
        self.file_system.disk(|disk| disk.cut_power_after(changes));
        let upgraded = self.upgrade();
        let step = if self.file_system.disk(|disk| disk.is_off()) {
            Step::Interrupted
        } else {
            upgraded?;
            self.file_system.disk(|disk| disk.cut_power_after(0));
            Step::Complete
        };
        self.file_system.disk(|disk| disk.restore_power(survival));
        self.upgrade()?;
        Ok((step, self.contents().map_err(|error| error.to_string())?))
    }
}

impl Drop for UpgradeBed<'_> {
    fn drop(&mut self) {
        vfs::detach(self.folder.path());
    }
}

/// How far an upgrade came before the power was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Interrupted,
    Complete,
}

#[test]
fn upgrade_interrupted_at_any_step_loses_nothing() {
    for (released, end) in cases() {
        let steps = interrupt_everywhere(released, end, tried(released), None);
        let steps = steps.unwrap_or_else(|violation| {
            panic!("{}, {end:?}: {violation}", released.name());
        });
        println!("{}, {end:?}: {steps} steps", released.name());
        assert!(steps > 5, "too few to be an upgrade");
    }
}

/// Leaves out one sync of the upgrade after the other, as a program that forgot it would. Some are
/// made good by the next one; those that are not must be noticed. A log that was left makes the
/// upgrade sync most often.
#[test]
fn upgrade_without_a_necessary_sync_is_detected() {
    let end = End::Killed;
    // The earliest one of the server and the latest one of the client.
    for released in [&RELEASED[0], &RELEASED[RELEASED.len() - 1]] {
        let bed = UpgradeBed::new(released, end, 1);
        let before = bed.file_system.disk(|disk| disk.syncs());
        bed.upgrade().unwrap();
        let syncs = bed.file_system.disk(|disk| disk.syncs()) - before;
        let is_detected =
            |sync: &u64| interrupt_everywhere(released, end, Tried::All, Some(*sync)).is_err();
        // One is enough. Those at the end make the upgrade durable.
        let detected = (1..=syncs).rev().find(is_detected);
        println!("{}: {detected:?} of {syncs} syncs", released.name());
        assert!(detected.is_some());
    }
}

/// Interrupts upgrades at each of their changes. Returns the number of changes, or the first violation.
fn interrupt_everywhere(
    released: &Released,
    end: End,
    tried: Tried,
    ignored_sync: Option<u64>,
) -> Result<u64, String> {
    let expected = upgraded(released, end);
    for changes in 1.. {
        let mut complete = false;
        for (seed, survival) in tried.survivals(changes) {
            let bed = UpgradeBed::new(released, end, seed);
            if let Some(sync) = ignored_sync {
                bed.file_system.disk(|disk| disk.ignore_sync_after(sync));
            }
            let violation = |what: String| format!("change {changes}, {survival:?}: {what}");
            let (step, contents) = bed.interrupt(changes, survival).map_err(violation)?;
            if contents != expected {
                return Err(violation("the rows differ".into()));
            }
            complete |= step == Step::Complete;
        }
        if complete {
            return Ok(changes - 1);
        }
    }
    unreachable!("an upgrade ends")
}

/// Which kinds of survival are tried at each change.
#[derive(Clone, Copy, Debug)]
enum Tried {
    All,
    /// One after the other, in turn.
    InTurn,
}

impl Tried {
    fn survivals(self, changes: u64) -> impl Iterator<Item = (u64, Survival)> {
        let turn = usize::try_from(changes).unwrap() % SURVIVALS.len();
        let is_tried = move |place: usize| matches!(self, Self::All) || place == turn;
        SURVIVALS
            .into_iter()
            .enumerate()
            .filter_map(move |(place, survival)| is_tried(place).then_some(survival))
    }
}

/// Upgrades from the earliest schema take all the steps of the others, and the latest one has the steps
/// that are new.
fn tried(released: &Released) -> Tried {
    let latest = RELEASED.last().map(|last| last.version);
    let is_latest = released.file == "client.db" && Some(released.version) == latest;
    if released.version == 1 || is_latest { Tried::All } else { Tried::InTurn }
}

const SURVIVALS: [(u64, Survival); 5] = [
    (1, Survival::All),
    (1, Survival::Nothing),
    (1, Survival::Percent(50)),
    (2, Survival::Percent(50)),
    (3, Survival::Percent(90)),
];

/// Contents of a database after an upgrade that nothing interrupts.
fn upgraded(released: &Released, end: End) -> Contents {
    let bed = UpgradeBed::new(released, end, 1);
    bed.upgrade().unwrap();
    bed.contents().unwrap()
}

/// A log that was left takes the most steps, so it is there before every upgrade but one.
fn cases() -> impl Iterator<Item = (&'static Released, End)> {
    let killed = RELEASED.iter().map(|released| (released, End::Killed));
    killed.chain(RELEASED.first().map(|released| (released, End::Stopped)))
}

fn open_server(path: &Path) -> Result<(), String> {
    let store = SqliteStorage::open_existing(path, Profile::Compact, Quota::default());
    drop(store.map_err(|error| error.to_string())?);
    let report = Inspector::open(path).map_err(|error| error.to_string())?.check();
    let findings = report.map_err(|error| error.to_string())?.findings;
    if findings.is_empty() { Ok(()) } else { Err(format!("{findings:?}")) }
}

fn open_client(path: &Path) -> Result<(), String> {
    SqliteClientStorage::open(path).map(drop).map_err(|error| error.to_string())
}
