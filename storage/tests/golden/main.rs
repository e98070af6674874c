#![cfg(test)]
//! Databases of every released schema are upgraded to the present one. They keep their rows, and what
//! they were is kept beside them.
//!
//! The files in this folder whose names end with `.sql` are never edited. Whoever adds a schema runs
//! `SEALPOST_WRITE_GOLDEN=1 cargo test --workspace --test golden`, which writes the file of the present
//! one, with rows in every table, and checks that file in.

mod client;
mod conversations;
mod database;
mod server;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use database::{assert_kept, dump, folder, loaded, schema, tables};
use rusqlite::Connection;
use sealpost_core::wire::Profile;
use sealpost_storage::{Quota, SqliteStorage};

/// One of the two programs' databases.
struct Kind {
    /// Beginning of the names of its files in `golden/`.
    name: &'static str,
    /// Creates a database of the present schema, with rows in every table.
    fill: fn(&Path),
    /// Opens a database as the program does, and closes it. Panics if anything is wrong with it.
    open: fn(&Path),
}

const KINDS: [Kind; 2] = [
    Kind { name: "server", fill: server::fill, open: server::open },
    Kind { name: "client", fill: client::fill, open: client::open },
];

#[test]
fn every_released_schema_is_upgraded_and_keeps_its_rows() {
    for kind in &KINDS {
        let current = kind.current();
        let goldens = kind.goldens();
        let versions: Vec<_> = goldens.iter().map(|(version, _)| *version).collect();
        assert_eq!(
            versions,
            (1..=current.version).collect::<Vec<_>>(),
            "{}: a file each",
            kind.name
        );
        for (version, sql) in goldens {
            let name = format!("{} {version}", kind.name);
            let folder = folder();
            let path = loaded(&folder, &sql);
            let before = tables(&path);
            assert!(before.iter().all(|(_, _, rows)| !rows.is_empty()), "{name}: rows everywhere");
            (kind.open)(&path);
            assert_eq!(schema(&path), current.schema, "{name}");
            assert_kept(&before, &tables(&path), &name);
            let kept = folder.path().join(format!("sealpost.db.schema-{version}.bak"));
            if version == current.version {
                assert!(!kept.exists(), "{name}: nothing to go back to");
            } else {
                assert_eq!(tables(&kept), before, "{name}: the copy");
                let beside = kept.with_extension("bak-wal");
                assert!(!beside.exists(), "{name}: the copy is one file");
            }
        }
    }
}

/// Replicators such as Litestream keep tables of their own in the database.
#[test]
fn foreign_tables_are_tolerated_and_kept() {
    for kind in &KINDS {
        for (version, sql) in kind.goldens() {
            let folder = folder();
            let foreign = "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER);
                           CREATE TABLE _litestream_lock (id INTEGER);
                           INSERT INTO _litestream_seq VALUES (1, 7);";
            let path = loaded(&folder, &format!("{sql}{foreign}"));
            (kind.open)(&path);
            let seq = |path| -> i64 {
                let connection = Connection::open(path).unwrap();
                connection
                    .query_row("SELECT seq FROM _litestream_seq", (), |row| row.get(0))
                    .unwrap()
            };
            assert_eq!(seq(&path), 7, "{} {version}", kind.name);
        }
        // One that came before the first start.
        let folder = folder();
        let path = loaded(&folder, "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY)");
        (kind.fill)(&path);
        (kind.open)(&path);
    }
}

#[test]
fn upgrade_without_room_for_the_copy_changes_nothing() {
    let folder = folder();
    let path = loaded(&folder, &KINDS[0].goldens()[0].1);
    let before = tables(&path);
    let kept = folder.path().join("sealpost.db.schema-1.bak");
    // In place of a disk without room.
    fs::create_dir(&kept).unwrap();
    let refused = SqliteStorage::open_existing(&path, Profile::Compact, Quota::default());
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("can't be copied") && said.contains("schema-1.bak"), "{said}");
    assert_eq!(tables(&path), before);
}

/// What a new database has.
struct Current {
    version: u32,
    schema: BTreeSet<String>,
}

impl Kind {
    /// Creates a database of the present schema. Writes it to `golden/` if that is asked for.
    fn current(&self) -> Current {
        let folder = folder();
        let path = folder.path().join("sealpost.db");
        (self.fill)(&path);
        let version = Connection::open(&path)
            .unwrap()
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        if std::env::var_os("SEALPOST_WRITE_GOLDEN").is_some() {
            let golden = golden_folder().join(format!("{}-{version}.sql", self.name));
            if !golden.exists() {
                fs::write(golden, dump(&path)).unwrap();
            }
        }
        Current { version, schema: schema(&path) }
    }

    /// SQL of the database of each version, in order.
    fn goldens(&self) -> Vec<(u32, String)> {
        let mut goldens: Vec<_> = fs::read_dir(golden_folder())
            .unwrap()
            .filter_map(|entry| {
                let path = entry.unwrap().path();
                let version =
                    path.file_stem()?.to_str()?.strip_prefix(self.name)?.strip_prefix('-')?;
                Some((version.parse().unwrap(), fs::read_to_string(&path).unwrap()))
            })
            .collect();
        goldens.sort();
        goldens
    }
}

fn golden_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}
