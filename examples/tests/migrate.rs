#![cfg(test)]
//! `sealpostd migrate`, between the database and NATS. Where there is no `nats-server`, the tests say what
//! they skip.
#![cfg(feature = "jetstream")]

mod support;
#[path = "../../storage/src/server/jetstream/test_engine.rs"]
#[allow(dead_code, reason = "the store's own tests use the rest")]
mod test_engine;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::thread;
use std::time::Duration;

use sealpost_core::ids::Phone;
use sealpost_core::keys::{PublicKey, WrappedKey};
use sealpost_core::server::store::StoreOp;
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Profile;
use sealpost_storage::server::jetstream::{Config, Syncing};
use sealpost_storage::{Quota, SqliteStorage, Storage as _};
use serde_json::{Value, json};
use support::{BOB, ProgramBed, numbers_from_alice, objects, until};
use test_engine::TestEngine;

/// A bed, and the address of an engine with a deployment for it.
struct MovingBed {
    bed: ProgramBed,
    store: String,
    deployment: String,
}

impl MovingBed {
    fn new(engine: &TestEngine) -> Self {
        let Config { servers, deployment, .. } = engine.deployment();
        Self { bed: ProgramBed::new(), store: servers[0].clone(), deployment }
    }

    /// Writes the server's configuration, with NATS as the store or without a store.
    fn configure(&self, is_in_nats: bool) {
        let Self { store, deployment, .. } = self;
        let nats = format!(
            "[nats]\ndeployment = \"{deployment}\"\nreplicas = 1\nshards = 2\ntrust_sync = true\n"
        );
        let text = if is_in_nats { format!("store = \"{store}\"\n{nats}") } else { String::new() };
        fs::write(self.bed.path("data/sealpostd.toml"), text).unwrap();
        fs::write(self.bed.path("nats.toml"), nats).unwrap();
    }

    /// Arguments that move everything to NATS.
    fn to_nats(&self) -> [String; 5] {
        let config = self.bed.path("nats.toml").to_str().unwrap().to_owned();
        ["--config".into(), config, "migrate".into(), "--to".into(), self.store.clone()]
    }

    fn migrate_to_nats(&self, more: &[&str]) -> support::Ended {
        let args = self.to_nats();
        let args: Vec<_> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
        self.bed.sealpostd(&args)
    }

    /// The address that the server listened on before.
    fn place(&self) -> String {
        let address = fs::read_to_string(self.bed.path("data/address")).unwrap();
        let (_, rest) = address.split_once("://").unwrap();
        rest.split('/').next().unwrap().to_owned()
    }

    fn users(&self) -> Vec<Value> {
        objects(&self.bed.sealpostd(&["users", "list", "--json"]).succeeded())
    }

    /// Names of files in the data folder that begin so.
    fn files(&self, start: &str) -> Vec<String> {
        let entries = fs::read_dir(self.bed.path("data")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.starts_with(start)).collect();
        names.sort();
        names
    }
}

fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn accounts_and_messages_move_to_nats_and_back_between_serving() {
    let Some(engine) = TestEngine::start() else { return };
    let moving = MovingBed::new(&engine);
    let bed = &moving.bed;
    let server = bed.serve(&[]);
    moving.configure(false);
    bed.register_both(&server);
    assert_eq!(bed.sealpost("alice", &["send", BOB, "1"]).sent(), "stored");
    let said = moving.migrate_to_nats(&[]).failed(1);
    assert!(said.contains("another sealpostd runs"), "{said}");
    assert!(server.stop().status.success());

    let users = moving.users();
    let counted = object(&moving.migrate_to_nats(&["--dry-run", "--json"]).succeeded());
    assert_eq!((&counted["store"], &counted["items"]), (&json!("unchanged"), &json!(1)));
    assert_eq!(moving.users(), users, "nothing has changed");
    let said = moving.migrate_to_nats(&[]).succeeded();
    assert!(
        said.contains("moved and compared: 2 accounts, with 1 messages and receipts"),
        "{said}"
    );
    assert!(said.contains("sealpost.db.before-migration-"), "{said}");
    let kept = moving.files("sealpost.db");
    assert!(kept.len() == 1 && kept[0].starts_with("sealpost.db.before-migration-"), "{kept:?}");
    // Not by the former configuration.
    let refused = bed.sealpostd(&[]).failed(1);
    assert!(refused.contains("keeps its accounts in NATS"), "{refused}");
    let said = moving.migrate_to_nats(&[]).failed(1);
    assert!(said.contains("already"), "{said}");

    moving.configure(true);
    assert_eq!(moving.users(), users);
    let server = bed.serve_at(&moving.place(), &[]);
    assert_eq!(bed.sealpost("alice", &["send", BOB, "2"]).sent(), "stored");
    bed.sealpost("bob", &["listen", "--seconds", "2"]).succeeded();
    assert_eq!(numbers_from_alice(bed), [1, 2]);
    assert_eq!(bed.sealpost("alice", &["send", BOB, "3"]).sent(), "stored");

    // Another server serves the deployment.
    let other = ProgramBed::new();
    fs::create_dir(other.path("data")).unwrap();
    fs::set_permissions(other.path("data"), fs::Permissions::from_mode(0o700)).unwrap();
    for name in ["server-key.pem", "sealpostd.toml"] {
        fs::copy(bed.path("data").join(name), other.path("data").join(name)).unwrap();
    }
    let second = other.serve(&[]);
    assert!(server.stop().status.success());
    let users = moving.users();
    let said = bed.sealpostd(&["migrate", "--to", "database"]).failed(1);
    assert!(said.contains("stop every server of it"), "{said}");
    assert!(second.stop().status.success());
    assert_eq!(moving.users(), users, "nothing has changed");

    let moved = object(&bed.sealpostd(&["migrate", "--to", "database", "--json"]).succeeded());
    assert_eq!((&moved["store"], &moved["accounts"]), (&json!("database"), &json!(2)), "{moved}");
    assert_eq!(moved["left_out"], json!([]));
    let said = other.sealpostd(&[]).failed(1);
    assert!(said.contains("were moved to a database"), "{said}");
    moving.configure(false);
    assert_eq!(moving.users(), users);
    bed.sealpostd(&["check"]).succeeded();
    let server = bed.serve_at(&moving.place(), &[]);
    bed.sealpost("bob", &["listen", "--seconds", "2"]).succeeded();
    assert_eq!(numbers_from_alice(bed), [1, 2, 3]);
    assert_eq!(bed.sealpost("alice", &["send", BOB, "4"]).sent(), "stored");
    drop(server);
    assert!(moving.files("sealpost.db.migrating").is_empty());
}

/// Registers more users in the database of a stopped server.
fn add_users(bed: &ProgramBed, count: u32) {
    let pem = fs::read_to_string(bed.path("data/server-key.pub.pem")).unwrap();
    let public_key = PublicKey::from_pem(&pem).unwrap();
    let path = bed.path("data/sealpost.db");
    let mut store = SqliteStorage::open(&path, Profile::Compact, Quota::default()).unwrap();
    let create = |n: u32| StoreOp::CreateUser {
        phone: format!("+1555{n:06}").parse::<Phone>().unwrap(),
        public_key: public_key.clone(),
        aes_key: WrappedKey([1; 40]),
        at: Timestamp::from_unix_secs(1_800_000_000),
        max_id: u64::MAX,
        invitation: None,
    };
    let requests: Vec<_> = (0..count).map(create).collect();
    let mut outcomes = Vec::new();
    store.commit(&requests, &mut outcomes);
    assert!(outcomes.iter().all(Result::is_ok));
}

/// Kills a migration after some pauses, each of which is long enough for a part of it.
fn kill_after_pauses(moving: &MovingBed, args: &[&str], mut after_each: impl FnMut()) {
    for pause in [0, 150, 400] {
        let running = moving.bed.start_sealpostd(args);
        until("the migration begins", || running.said().contains("moving accounts"));
        thread::sleep(Duration::from_millis(pause));
        running.kill();
        after_each();
    }
}

#[test]
fn killed_migration_goes_on() {
    let Some(engine) = TestEngine::start() else { return };
    let moving = MovingBed::new(&engine);
    let bed = &moving.bed;
    bed.sealpostd(&["init"]).succeeded();
    moving.configure(false);
    add_users(bed, 1_500);
    let users = moving.users();
    assert_eq!(users.len(), 1_500);
    let args = moving.to_nats();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    kill_after_pauses(&moving, &args, || {
        assert_eq!(moving.users(), users, "the database is unchanged");
        // A server of NATS does not serve a part.
        let other = ProgramBed::new();
        let environment = [("SEALPOST_NATS_TRUST_SYNC", "true"), ("SEALPOST_NATS_REPLICAS", "1")];
        let args = ["--store", &moving.store, "--deployment", &moving.deployment, "init"];
        let said = other.sealpostd_with(&environment, &args).failed(1);
        assert!(said.contains("is not finished"), "{said}");
    });
    moving.migrate_to_nats(&[]).succeeded();
    moving.configure(true);
    assert_eq!(moving.users(), users);

    let back = ["migrate", "--to", "database"];
    kill_after_pauses(&moving, &back, || {
        let said = bed.sealpostd(&[]).failed(1);
        assert!(said.contains("or the migration is not finished"), "{said}");
    });
    bed.sealpostd(&back).succeeded();
    moving.configure(false);
    assert_eq!(moving.users(), users);
    bed.sealpostd(&["check"]).succeeded();
}

#[test]
fn last_steps_are_repeated_after_a_crash_between_them() {
    let Some(engine) = TestEngine::start() else { return };
    let moving = MovingBed::new(&engine);
    let bed = &moving.bed;
    bed.sealpostd(&["init"]).succeeded();
    moving.configure(false);
    add_users(bed, 2);
    let users = moving.users();
    moving.migrate_to_nats(&[]).succeeded();
    moving.configure(true);
    bed.sealpostd(&["migrate", "--to", "database"]).succeeded();
    // As if it had ended before the folder forgot the deployment.
    let store = format!("nats {}\n", moving.deployment);
    fs::write(bed.path("data/store"), store).unwrap();
    let said = bed.sealpostd(&["migrate", "--to", "database"]).succeeded();
    assert!(!said.contains("moved and compared") && said.contains("the accounts are in"), "{said}");
    moving.configure(false);
    assert_eq!(moving.users(), users);
    let said = bed.sealpostd(&["migrate", "--to", "database"]).failed(2);
    assert!(said.contains("the configuration names no NATS"), "{said}");
}

#[test]
fn target_in_use_is_refused() {
    let Some(engine) = TestEngine::start() else { return };
    let moving = MovingBed::new(&engine);
    let first = &moving.bed;
    first.sealpostd(&["init"]).succeeded();
    moving.configure(false);
    add_users(first, 2);
    moving.migrate_to_nats(&[]).succeeded();

    let second = MovingBed {
        bed: ProgramBed::new(),
        store: moving.store.clone(),
        deployment: moving.deployment.clone(),
    };
    second.bed.sealpostd(&["init"]).succeeded();
    second.configure(false);
    add_users(&second.bed, 1);
    let users = second.users();
    let said = second.migrate_to_nats(&[]).failed(1);
    assert!(said.contains("has accounts or invitations of its own"), "{said}");
    assert!(said.contains("use another nats.deployment"), "{said}");
    assert_eq!(second.users(), users);
    // A database that is not the one of the migration.
    fs::copy(second.bed.path("data/sealpost.db"), first.path("data/sealpost.db")).unwrap();
    moving.configure(true);
    let said = first.sealpostd(&["migrate", "--to", "database"]).failed(1);
    assert!(said.contains("exists, and is not used: move it away"), "{said}");
    for to in ["elsewhere", "http://a"] {
        let said = first.sealpostd(&["migrate", "--to", to]).failed(2);
        assert!(said.contains("--to: write nats://HOST:PORT"), "{said}");
    }
}
