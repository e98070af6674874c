//! Migrations between the database and the engine.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config as ProptestConfig, TestCaseError, TestRunner};
use sealpost_core::server::store::{CreateOutcome, Settlement, StoreOp, StoreOutcome, StoreReply};
use sealpost_core::wire::{InvitationHash, ItemKind};

use super::*;
use crate::conformance::{at, message, phone, public_key, receipt, wrapped_key};
use crate::server::conformance::SHARES;
use crate::server::conformance::differential::{Step, agree_from, profile, step};
use crate::server::invitations::NewInvitation;
use crate::server::jetstream::bed::JetStreamBed;
use crate::server::jetstream::test_engine::TestEngine;
use crate::server::jetstream::{JetStreamInspector, Missing};
use crate::server::memory::MemoryStorage;
use crate::server::moving::{Migrated, Progress, migrate, rehearse};
use crate::server::sqlite::SqliteStorage;
use crate::server::sqlite::bed::SqliteBed;
use crate::storage::Storage;

/// Everything that a store has.
fn contents(source: &mut impl Source) -> (Deployment, Vec<Account>) {
    let (mut accounts, mut last) = (Vec::new(), None);
    while let Some(account) = source.next_account(last).unwrap() {
        last = Some(account.id());
        accounts.push(account);
    }
    assert_eq!(source.count_accounts().unwrap(), accounts.len() as u64);
    (source.deployment().unwrap(), accounts)
}

fn open(config: &Config, profile: Profile) -> MovingDeployment {
    MovingDeployment::open(config, Some(profile), NEW).unwrap()
}

fn moved(source: &mut impl Source, target: &mut impl Target) -> Migrated {
    let migrated = migrate(source, target, |_| ()).unwrap();
    target.complete().unwrap();
    migrated
}

/// Id of a database that a migration makes.
const NEW: DatabaseId = DatabaseId([9; 16]);

#[test]
fn values_survive_the_way_through_every_store() {
    let Some(engine) = TestEngine::start() else { return };
    let config =
        ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() };
    let histories = (profile(), vec(step(), 1..40), vec(step(), 1..10));
    let run = TestRunner::new(config)
        .run(&histories, |(profile, before, after)| travel(&engine, profile, before, after));
    run.unwrap();
}

fn travel(
    engine: &TestEngine,
    profile: Profile,
    before: Vec<Step>,
    after: Vec<Step>,
) -> Result<(), TestCaseError> {
    // The same store twice, to begin with: the other one is not looked at.
    let first = MemoryStorage::new(profile, SHARES);
    let (mut memory, _) = agree_from(first.clone(), first, profile, before, Vec::new())?;
    let expected = contents(&mut memory);

    let mut database = SqliteBed::new(profile, SHARES);
    let migrated = moved(&mut memory, database.storage());
    prop_assert_eq!(&contents(database.storage()), &expected);
    prop_assert_eq!(migrated.accounts, expected.1.len() as u64);
    prop_assert!(migrated.left_out.is_empty() && database.is_sound());

    let config = engine.deployment();
    let mut deployment = open(&config, profile);
    prop_assert_eq!(&moved(database.storage(), &mut deployment), &migrated);
    prop_assert_eq!(&contents(&mut deployment), &expected);
    deployment.storage.audit();

    let mut back = SqliteBed::new(profile, SHARES);
    prop_assert_eq!(&moved(&mut deployment, back.storage()), &migrated);
    prop_assert_eq!(&contents(back.storage()), &expected);
    prop_assert!(back.is_sound());
    deployment.complete().unwrap();
    drop(deployment);

    let codes: Vec<u8> = (0..=u8::MAX).collect();
    agree_from(memory.clone(), back, profile, after.clone(), codes.clone())?;
    agree_from(memory, JetStreamBed::over(config, profile, SHARES), profile, after, codes)?;
    Ok(())
}

fn ask(
    storage: &mut impl Storage<Op = StoreOp, Outcome = StoreOutcome>,
    request: StoreOp,
) -> StoreReply {
    let mut outcomes = Vec::new();
    storage.commit(&[request], &mut outcomes);
    outcomes.remove(0).unwrap()
}

fn create(n: u16) -> StoreOp {
    StoreOp::CreateUser {
        phone: phone(n),
        public_key: public_key(n),
        aes_key: wrapped_key(1),
        at: at(i64::from(n)),
        max_id: u64::MAX,
        invitation: None,
    }
}

fn user(id: u64) -> UserId {
    UserId::new(id).unwrap()
}

fn append(recipient: u64, packets: Vec<Packet>, secs: i64) -> StoreOp {
    StoreOp::Append { recipient: user(recipient), packets, at: at(secs) }
}

/// A database in which every field of every record differs from its default.
fn full_database(messages: u64) -> SqliteBed {
    let profile = Profile::Wide;
    let mut bed = SqliteBed::new(profile, Quota::default());
    let storage = bed.storage();
    for n in 1..=4 {
        ask(storage, create(n));
    }
    let from_first = (0..messages).map(|id| message(profile, user(1), user(2), id, 20));
    ask(storage, append(2, from_first.collect(), 10));
    ask(storage, append(2, vec![receipt(profile, user(3), user(2), 7, &[5])], 11));
    ask(storage, append(4, vec![message(profile, user(1), user(4), 5_000, 30)], 12));
    ask(storage, StoreOp::RecordAnswers { owner: user(2), peers: vec![user(1), user(3)] });
    ask(storage, StoreOp::LookUp { asker: user(1), phone: phone(2), day: 3, budget: 9 });
    let max_step = Duration::from_secs(1);
    ask(storage, StoreOp::RecordClock { clock: at(500), max_step });
    let aes_key = wrapped_key(2);
    ask(storage, StoreOp::RecordReconnect { user: user(1), at: at(5), horizon: at(9), aes_key });
    storage.set_suspension(phone(3), Suspension::Suspended(at(6))).unwrap();
    // Leaves an undeliverable message, and an id that is never given again.
    assert_eq!(storage.delete_user(phone(4)).unwrap(), Some(user(4)));
    for code in 1..=2 {
        let invitation = NewInvitation {
            hash: InvitationHash([code; 32]),
            uses: 3,
            created_at: at(0),
            expires_at: at(50),
            phone: Some(phone(9)),
            note: "for a friend".into(),
        };
        storage.create_invitation(&invitation).unwrap();
    }
    storage.revoke_invitation(2).unwrap();
    bed
}

#[test]
fn ids_of_what_is_gone_are_not_given_again() {
    let Some(engine) = TestEngine::start() else { return };
    let (mut bed, config) = (full_database(3), engine.deployment());
    let mut deployment = open(&config, Profile::Wide);
    let expected = contents(bed.storage());
    let migrated = moved(bed.storage(), &mut deployment);
    assert_eq!(migrated, Migrated { accounts: 3, items: 4, left_out: Vec::new() });
    assert_eq!(contents(&mut deployment), expected);
    drop(deployment);
    let mut bed = JetStreamBed::over(config, Profile::Wide, Quota::default());
    let storage = bed.storage();
    let StoreReply::Created(outcome) = ask(storage, create(8)) else { panic!() };
    assert_eq!(outcome, CreateOutcome::Created(user(5)));
    let hash = InvitationHash([8; 32]);
    let (phone, note) = (None, String::new());
    let new = NewInvitation { hash, uses: 1, created_at: at(0), expires_at: at(1), phone, note };
    assert_eq!(storage.create_invitation(&new).unwrap(), 3);
}

/// A target that fails at a step, as the process that dies there.
struct Dying<'a, T> {
    target: &'a mut T,
    steps_left: u32,
}

impl<T> Dying<'_, T> {
    fn step(&mut self) -> Result<&mut T, MigrationError> {
        // An error of this kind occurs nowhere else in these tests.
        self.steps_left = self.steps_left.checked_sub(1).ok_or(MigrationError::Served)?;
        Ok(self.target)
    }
}

impl<T: Source> Source for Dying<'_, T> {
    fn leave(&mut self) -> Result<DatabaseId, MigrationError> {
        self.step()?.leave()
    }

    fn deployment(&mut self) -> Result<Deployment, MigrationError> {
        self.step()?.deployment()
    }

    fn count_accounts(&mut self) -> Result<u64, MigrationError> {
        self.step()?.count_accounts()
    }

    fn next_account(&mut self, after: Option<UserId>) -> Result<Option<Account>, MigrationError> {
        self.step()?.next_account(after)
    }
}

impl<T: Target> Target for Dying<'_, T> {
    fn prepare(&mut self, migration: DatabaseId) -> Result<(), MigrationError> {
        self.step()?.prepare(migration)
    }

    fn delete_between(
        &mut self,
        after: Option<UserId>,
        before: Option<UserId>,
    ) -> Result<(), MigrationError> {
        self.step()?.delete_between(after, before)
    }

    fn put(&mut self, account: &Account) -> Result<Vec<ItemId>, MigrationError> {
        self.step()?.put(account)
    }

    fn put_deployment(&mut self, deployment: &Deployment) -> Result<(), MigrationError> {
        self.step()?.put_deployment(deployment)
    }

    fn complete(&mut self) -> Result<(), MigrationError> {
        self.step()?.complete()
    }
}

/// Dies after each number of steps, until none is missing, and checks what the next run makes of it.
fn die_at_each_step<T: Target>(
    source: &mut impl Source,
    mut fresh: impl FnMut() -> T,
    mut refuses_servers: impl FnMut(&mut T, bool),
) {
    let expected = contents(source);
    for steps in 0..100 {
        let mut target = fresh();
        let mut dying = Dying { target: &mut target, steps_left: steps };
        match migrate(source, &mut dying, |_| ()) {
            Ok(_) => {
                assert!(steps > 10, "{steps}");
                return;
            }
            Err(MigrationError::Served) => {}
            Err(other) => panic!("{other}"),
        }
        refuses_servers(&mut target, steps > 0);
        moved(source, &mut target);
        assert_eq!(contents(&mut target), expected, "after {steps} steps");
        refuses_servers(&mut target, false);
    }
    panic!("the migration has no end");
}

#[test]
fn migration_to_the_engine_is_resumed_after_a_crash_at_any_step() {
    let Some(engine) = TestEngine::start() else { return };
    let mut bed = full_database(3);
    let config = RefCell::new(engine.deployment());
    die_at_each_step(
        bed.storage(),
        || {
            *config.borrow_mut() = engine.deployment();
            open(&config.borrow(), Profile::Wide)
        },
        |_, refused| {
            let opened = JetStreamStorage::open(&config.borrow(), None, SHARES);
            let is_refused = matches!(opened, Err(OpenJetStreamError::Arriving(_)));
            assert_eq!(is_refused, refused);
            assert_eq!(JetStreamInspector::open(&config.borrow()).is_err(), refused);
        },
    );
}

#[test]
fn migration_to_the_database_is_resumed_after_a_crash_at_any_step() {
    let Some(engine) = TestEngine::start() else { return };
    let (mut bed, config) = (full_database(3), engine.deployment());
    let mut deployment = open(&config, Profile::Wide);
    moved(bed.storage(), &mut deployment);
    let folder = tempfile::tempdir().unwrap();
    let number = Cell::new(0);
    let path = || folder.path().join(format!("{}.db", number.get()));
    let fresh = || {
        number.set(number.get() + 1);
        database(&path())
    };
    die_at_each_step(&mut deployment, fresh, |target, _| {
        let id = target.id().unwrap();
        *target = database(&path());
        assert_eq!(target.id().unwrap(), id);
    });
    // Another process finds the record of the first one.
    let mut again = open(&config, Profile::Wide);
    again.database = DatabaseId([1; 16]);
    assert_eq!(again.leave().unwrap(), NEW);
    assert_eq!(again.state().unwrap(), MovingState::Leaving(NEW));
}

fn database(path: &Path) -> SqliteStorage {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = path.parent().unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    SqliteStorage::open(path, Profile::Wide, Quota::default()).unwrap()
}

#[test]
fn mailbox_that_was_stored_in_part_is_completed() {
    let Some(engine) = TestEngine::start() else { return };
    // More than one transaction takes.
    let mut bed = full_database(1_300);
    let expected = contents(bed.storage());
    let second = expected.1[1].clone();
    for kept in [0, 1, 500, 1_301] {
        let mut deployment = open(&engine.deployment(), Profile::Wide);
        deployment.prepare(bed.storage().leave().unwrap()).unwrap();
        let part = Account { items: second.items[..kept].to_vec(), ..second.clone() };
        deployment.run(async |desk| put_items(desk, &part).await).unwrap();
        moved(bed.storage(), &mut deployment);
        assert_eq!(contents(&mut deployment), expected, "{kept}");
        deployment.storage.audit();
    }
}

#[test]
fn changes_of_the_source_since_an_interruption_are_moved() {
    let Some(engine) = TestEngine::start() else { return };
    let (mut bed, config) = (full_database(3), engine.deployment());
    let mut deployment = open(&config, Profile::Wide);
    migrate(bed.storage(), &mut deployment, |_| ()).unwrap();
    // The server is started again, because the migration took too long.
    let storage = bed.storage();
    let acknowledged = receipt(Profile::Wide, user(2), user(1), 9, &[0]);
    let message = |id| ItemId { kind: ItemKind::Message, origin: user(1), id };
    ask(
        storage,
        StoreOp::Settle(Settlement {
            recipient: user(2),
            delivered: vec![message(0), message(1)],
            receipt: acknowledged,
            at: at(20),
        }),
    );
    storage.delete_user(phone(3)).unwrap();
    ask(storage, create(3));
    storage.revoke_invitation(1).unwrap();
    let expected = contents(storage);
    moved(storage, &mut deployment);
    assert_eq!(contents(&mut deployment), expected);
    deployment.storage.audit();
}

#[test]
fn item_with_an_id_of_another_mailbox_is_left_out_and_reported() {
    let Some(engine) = TestEngine::start() else { return };
    let (config, profile) = (engine.deployment(), Profile::Wide);
    let mut bed = JetStreamBed::over(config.clone(), profile, Quota::default());
    for n in 1..=3 {
        ask(bed.storage(), create(n));
    }
    for recipient in [2, 3] {
        let packets =
            [5, 6 + recipient].map(|id| message(profile, user(1), user(recipient), id, 20));
        ask(bed.storage(), append(recipient, packets.to_vec(), 10));
    }
    bed.abandon();
    let mut deployment = open(&config, profile);
    let expected = Migrated { accounts: 3, items: 3, left_out: vec![(user(3), 1)] };
    assert_eq!(rehearse(&mut deployment, |_| ()).unwrap(), expected);
    assert_eq!(deployment.state().unwrap(), MovingState::Settled, "a rehearsal changes nothing");
    let mut target = SqliteBed::new(profile, Quota::default());
    // The second time, everything is there.
    for _ in 0..2 {
        assert_eq!(migrate(&mut deployment, target.storage(), |_| ()).unwrap(), expected);
    }
    assert!(target.is_sound());
}

#[test]
fn target_in_use_is_refused() {
    let Some(engine) = TestEngine::start() else { return };
    let (mut bed, config) = (full_database(1), engine.deployment());
    let mut used = JetStreamBed::over(config.clone(), Profile::Wide, Quota::default());
    ask(used.storage(), create(1));
    used.abandon();
    let mut deployment = open(&config, Profile::Wide);
    let refused = migrate(bed.storage(), &mut deployment, |_| ()).unwrap_err();
    assert!(matches!(refused, MigrationError::TargetInUse), "{refused}");
    // The other way round, too.
    let refused = migrate(&mut deployment, bed.storage(), |_| ()).unwrap_err();
    assert!(matches!(refused, MigrationError::TargetInUse), "{refused}");
    deployment.complete().unwrap();

    // Part of another database.
    let mut other = full_database(1);
    let mut deployment = open(&engine.deployment(), Profile::Wide);
    deployment.prepare(other.storage().leave().unwrap()).unwrap();
    let refused = migrate(bed.storage(), &mut deployment, |_| ()).unwrap_err();
    assert!(matches!(refused, MigrationError::OtherMigration), "{refused}");
    // It is not complete, and can't be moved on.
    let refused = deployment.leave().unwrap_err();
    assert!(matches!(refused, MigrationError::SourceIncomplete), "{refused}");
}

#[test]
fn deployment_that_is_served_is_refused_and_one_that_was_left_is_not_served() {
    let Some(engine) = TestEngine::start() else { return };
    let (mut bed, config) = (full_database(1), engine.deployment());
    let mut deployment = open(&config, Profile::Wide);
    moved(bed.storage(), &mut deployment);
    let server = JetStreamStorage::open(&config, None, SHARES).unwrap();
    server.listen(|_| ()).unwrap();
    let mut target = SqliteBed::new(Profile::Wide, SHARES);
    let refused = migrate(&mut deployment, target.storage(), |_| ()).unwrap_err();
    assert!(matches!(refused, MigrationError::Served), "{refused}");
    // The server can be restarted.
    drop(server);
    drop(JetStreamStorage::open(&config, None, SHARES).unwrap());

    moved(&mut deployment, target.storage());
    let left = |config: &Config| {
        let opened = JetStreamStorage::open(config, None, SHARES);
        matches!(opened, Err(OpenJetStreamError::Left(_)))
    };
    assert!(left(&config));
    let refused = migrate(bed.storage(), &mut deployment, |_| ()).unwrap_err();
    assert!(matches!(refused, MigrationError::TargetLeft), "{refused}");
    deployment.note_left().unwrap();
    assert!(left(&config) && left(&Config { missing: Missing::Refuse, ..config.clone() }));
}

#[test]
fn account_that_is_deleted_in_part_is_not_moved() {
    let Some(engine) = TestEngine::start() else { return };
    let (mut bed, config) = (full_database(1), engine.deployment());
    let mut deployment = open(&config, Profile::Wide);
    moved(bed.storage(), &mut deployment);
    let storage = &deployment.storage;
    let mark = async {
        let accounts = storage.desk.accounts();
        let (revision, mut account) = accounts.account_or_closing(user(2)).await?.unwrap();
        account.closing = true;
        accounts.replace(user(2), revision, &account).await
    };
    storage.driver.block_on(mark).unwrap();
    let mut target = SqliteBed::new(Profile::Wide, SHARES);
    let refused = migrate(&mut deployment, target.storage(), |_| ()).unwrap_err();
    assert!(matches!(refused, MigrationError::HalfDeleted(number) if number == phone(2)));
}

#[test]
fn difference_after_the_copy_is_found() {
    /// Loses the look-ups of an account, or an invitation.
    struct Forgetful(SqliteStorage, bool);

    impl Source for Forgetful {
        fn leave(&mut self) -> Result<DatabaseId, MigrationError> {
            self.0.leave()
        }
        fn deployment(&mut self) -> Result<Deployment, MigrationError> {
            let mut deployment = self.0.deployment()?;
            if self.1 {
                deployment.invitations.clear();
            }
            Ok(deployment)
        }
        fn count_accounts(&mut self) -> Result<u64, MigrationError> {
            self.0.count_accounts()
        }
        fn next_account(
            &mut self,
            after: Option<UserId>,
        ) -> Result<Option<Account>, MigrationError> {
            let account = self.0.next_account(after)?;
            Ok(account.map(|mut account| {
                if !self.1 {
                    account.items.reverse();
                }
                account
            }))
        }
    }

    impl Target for Forgetful {
        fn prepare(&mut self, migration: DatabaseId) -> Result<(), MigrationError> {
            self.0.prepare(migration)
        }
        fn delete_between(
            &mut self,
            _: Option<UserId>,
            _: Option<UserId>,
        ) -> Result<(), MigrationError> {
            Ok(())
        }
        fn put(&mut self, account: &Account) -> Result<Vec<ItemId>, MigrationError> {
            self.0.put(account)
        }
        fn put_deployment(&mut self, deployment: &Deployment) -> Result<(), MigrationError> {
            self.0.put_deployment(deployment)
        }
        fn complete(&mut self) -> Result<(), MigrationError> {
            self.0.complete()
        }
    }

    let mut bed = full_database(2);
    let folder = tempfile::tempdir().unwrap();
    let mut forgetful = Forgetful(database(&folder.path().join("a.db")), false);
    let mut seen = Vec::new();
    let refused = migrate(bed.storage(), &mut forgetful, |now| seen.push(now)).unwrap_err();
    assert_eq!(refused.to_string(), "the account 2 differs after it was copied: mailbox");
    let begun = Progress { accounts: 0, all_accounts: 3, items: 0 };
    assert_eq!(seen, [begun, Progress { accounts: 1, ..begun }]);
    let mut forgetful = Forgetful(database(&folder.path().join("b.db")), true);
    let refused = migrate(bed.storage(), &mut forgetful, |_| ()).unwrap_err();
    assert!(matches!(refused, MigrationError::DeploymentDiffers), "{refused}");
}
