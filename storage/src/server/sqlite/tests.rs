use rusqlite::Connection;
use sealpost_core::frame::StoreError;
use sealpost_core::ids::UserId;
use sealpost_core::server::store::{
    Appended, CreateOutcome, Page, PageLimit, ReconnectOutcome, Seq, StoreReply,
};
use sealpost_core::wire::InvitationHash;

use super::bed::SqliteBed;
use super::*;
use crate::conformance::{at, message, phone, public_key, receipt, wrapped_key};
use crate::engine::test_folder::{folder, make_private};
use crate::server::conformance::counted;
use crate::server::quota::Shares;

/// Creates a database with two users, one message from the first to the second, and an invitation.
pub(super) fn with_a_message() -> SqliteBed {
    let mut sqlite = SqliteBed::new(Profile::Compact, Quota::default());
    sqlite.replies(&[create(1), create(2), append(1)]);
    let invitation = NewInvitation {
        hash: InvitationHash([1; 32]),
        uses: 2,
        created_at: at(0),
        expires_at: at(100),
        phone: None,
        note: String::new(),
    };
    sqlite.storage().create_invitation(&invitation).unwrap();
    sqlite
}

/// Registers the `n`-th user.
pub(super) fn create(n: u16) -> StoreOp {
    StoreOp::CreateUser {
        phone: phone(n),
        public_key: public_key(n),
        aes_key: wrapped_key(1),
        at: at(0),
        max_id: 100,
        invitation: None,
    }
}

pub(super) fn user(id: u64) -> UserId {
    UserId::new(id).unwrap()
}

/// Appends message `id` from the first user to the second.
pub(super) fn append(id: u64) -> StoreOp {
    let packets = vec![message(Profile::Compact, user(1), user(2), id, 20)];
    StoreOp::Append { recipient: user(2), packets, at: at(10) }
}

pub(super) fn read(recipient: u64) -> StoreOp {
    let limit = PageLimit { items: 100, bytes: u32::MAX };
    StoreOp::Page { recipient: user(recipient), after: Seq::START, limit }
}

fn open_error(path: &Path) -> OpenFailure {
    SqliteStorage::open(path, Profile::Compact, Quota::default()).unwrap_err().reason
}

pub(super) fn inspection_error(path: &Path) -> OpenFailure {
    Inspector::open(path).unwrap_err().reason
}

#[test]
fn foreign_file_is_rejected_and_left_unchanged() {
    let folder = folder();
    let path = folder.path().join("sealpost.db");
    let text = "Dear diary, this is not a database, however long it may be.".repeat(100);
    let tables = "CREATE TABLE diary (day TEXT)";
    let application = "PRAGMA application_id = 7";
    for make in [text.as_str(), tables, application] {
        if make == text {
            std::fs::write(&path, make).unwrap();
        } else {
            Connection::open(&path).unwrap().execute_batch(make).unwrap();
        }
        make_private(&path);
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(open_error(&path), OpenFailure::Foreign), "{make}");
        assert!(matches!(inspection_error(&path), OpenFailure::Foreign), "{make}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn empty_file_becomes_a_database() {
    let folder = folder();
    let path = folder.path().join("sealpost.db");
    std::fs::write(&path, "").unwrap();
    make_private(&path);
    assert!(matches!(inspection_error(&path), OpenFailure::Foreign));
    drop(SqliteStorage::open(&path, Profile::Wide, Quota::default()).unwrap());
    assert_eq!(Inspector::open(&path).unwrap().profile(), Profile::Wide);
}

#[test]
fn newer_schema_is_rejected() {
    let mut sqlite = with_a_message();
    sqlite.close();
    sqlite.tamper("PRAGMA user_version = 99");
    let newer = OpenFailure::Newer { found: 99, known: 3 }.to_string();
    assert_eq!(open_error(&sqlite.path()).to_string(), newer);
    assert_eq!(inspection_error(&sqlite.path()).to_string(), newer);
}

#[test]
fn older_schema_is_not_read_before_it_is_migrated() {
    let mut sqlite = with_a_message();
    sqlite.close();
    sqlite.tamper("PRAGMA user_version = 1");
    let older = OpenFailure::Older { found: 1, known: 3 }.to_string();
    assert_eq!(inspection_error(&sqlite.path()).to_string(), older);
}

#[test]
fn ids_end_at_the_largest_of_the_profile() {
    let mut sqlite = with_a_message();
    sqlite.tamper("UPDATE deployment SET last_user_id = 65534");
    let create = |n| StoreOp::CreateUser {
        phone: phone(n),
        public_key: public_key(n),
        aes_key: wrapped_key(1),
        at: at(0),
        max_id: u64::MAX,
        invitation: None,
    };
    let created = StoreReply::Created(CreateOutcome::Created(user(65_535)));
    let full = StoreReply::Created(CreateOutcome::NoIdLeft);
    assert_eq!(sqlite.replies(&[create(3), create(4)]), [created, full]);
}

#[test]
fn database_of_the_other_profile_is_rejected() {
    let mut sqlite = with_a_message();
    sqlite.close();
    let opened = SqliteStorage::open(&sqlite.path(), Profile::Wide, Quota::default());
    let reason = opened.unwrap_err().reason;
    assert!(matches!(reason, OpenFailure::OtherProfile(Profile::Compact)));
}

#[cfg(unix)]
#[test]
fn database_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let sqlite = with_a_message();
    for file in std::fs::read_dir(sqlite.folder()).unwrap() {
        assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn commits_survive_a_killed_process() {
    let mut sqlite = with_a_message();
    sqlite.replies(&[append(2)]);
    // The files as a killed process leaves them: the database is still open.
    let copy = folder();
    for name in ["sealpost.db", "sealpost.db-wal"] {
        std::fs::copy(sqlite.folder().join(name), copy.path().join(name)).unwrap();
    }
    let mut sqlite = sqlite.moved_to(copy);
    let StoreReply::Page(Page { items, .. }) = sqlite.replies(&[read(2)]).remove(0) else {
        panic!()
    };
    assert_eq!(items.len(), 2);
    assert!(sqlite.is_sound());
}

#[test]
fn whole_commit_is_busy_while_another_process_writes() {
    let mut sqlite = with_a_message();
    sqlite.storage().set_busy_timeout(Duration::ZERO).unwrap();
    let other = Connection::open(sqlite.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let requests = [append(2), read(2)];
    assert_eq!(sqlite.outcomes(&requests), [Err(StoreError::Busy), Err(StoreError::Busy)]);
    assert!(sqlite.storage().failure().unwrap().contains("locked"));
    assert_eq!(sqlite.storage().failure(), None);
    other.execute_batch("ROLLBACK").unwrap();
    let stored = StoreReply::Appended(vec![Appended::Stored]);
    assert_eq!(sqlite.replies(&[append(2)]), [stored]);
}

#[test]
fn host_sets_how_long_a_commit_waits_for_another_process() {
    let mut sqlite = with_a_message();
    let storage = sqlite.storage();
    let assert_waits_ms = |ms: i64| {
        let connection = &storage.writer.connection;
        let found = connection.pragma_query_value(None, "busy_timeout", |row| row.get::<_, i64>(0));
        assert_eq!(found.unwrap(), ms);
    };
    assert_waits_ms(2_000);
    storage.set_busy_timeout(Duration::from_millis(70)).unwrap();
    assert_waits_ms(70);
}

#[test]
fn transaction_left_open_by_a_fault_does_not_block_the_next_commit() {
    let mut sqlite = with_a_message();
    let connection = &sqlite.storage().writer.connection;
    connection.execute_batch("BEGIN; DELETE FROM pending_messages").unwrap();
    let stored = StoreReply::Appended(vec![Appended::Stored]);
    let replies =
        sqlite.replies(&[append(2), StoreOp::BeginSession { user: user(2), place: Seq::START }]);
    assert_eq!(replies, [stored, counted(2)]);
    assert!(sqlite.is_sound());
}

#[test]
fn full_disk_fails_the_whole_commit_until_there_is_room() {
    let mut sqlite = with_a_message();
    let limit = |sqlite: &mut SqliteBed, pages: u32| {
        let connection = &sqlite.storage().writer.connection;
        connection.pragma_update(None, "max_page_count", pages).unwrap();
    };
    limit(&mut sqlite, 1);
    let packets = vec![message(Profile::Compact, user(1), user(2), 3, 60_000)];
    let large = StoreOp::Append { recipient: user(2), packets, at: at(10) };
    let outcomes = sqlite.outcomes(&[
        append(2),
        large.clone(),
        StoreOp::BeginSession { user: user(2), place: Seq::START },
    ]);
    assert_eq!(outcomes, [const { Err(StoreError::DiskFull) }; 3]);
    limit(&mut sqlite, 1_000_000);
    let stored = StoreReply::Appended(vec![Appended::Stored]);
    let replies = sqlite.replies(&[
        append(2),
        large,
        StoreOp::BeginSession { user: user(2), place: Seq::START },
    ]);
    assert_eq!(replies, [stored.clone(), stored, counted(3)]);
    assert!(sqlite.is_sound());
}

#[test]
fn damaged_row_fails_its_own_request_only() {
    let mut sqlite = with_a_message();
    sqlite.tamper("UPDATE pending_messages SET signature = x'00'");
    let outcomes = sqlite.outcomes(&[
        append(2),
        read(2),
        append(3),
        StoreOp::BeginSession { user: user(2), place: Seq::START },
    ]);
    let stored = Ok(StoreReply::Appended(vec![Appended::Stored]));
    let counted = Ok(counted(3));
    assert_eq!(outcomes, [stored.clone(), Err(StoreError::Corrupt), stored, counted]);
}

#[test]
fn request_that_fails_halfway_is_undone() {
    let mut sqlite = with_a_message();
    sqlite.tamper(
        "CREATE TRIGGER damage BEFORE INSERT ON pending_messages WHEN new.message_id = 13
         BEGIN SELECT RAISE(ABORT, 'damaged'); END",
    );
    let numbered = |id| message(Profile::Compact, user(1), user(2), id, 20);
    let packets = vec![numbered(12), numbered(13), numbered(14)];
    let bad = StoreOp::Append { recipient: user(2), packets, at: at(10) };
    let outcomes = sqlite.outcomes(&[
        append(2),
        bad,
        append(12),
        StoreOp::BeginSession { user: user(2), place: Seq::START },
    ]);
    let stored = Ok(StoreReply::Appended(vec![Appended::Stored]));
    let counted = Ok(counted(3));
    assert_eq!(outcomes, [stored.clone(), Err(StoreError::Corrupt), stored, counted]);
    assert!(sqlite.storage().failure().unwrap().contains("damaged"));
    assert!(sqlite.is_sound());
}

#[test]
fn no_request_scans_a_table() {
    let mut sqlite = with_a_message();
    let connection = &sqlite.storage().writer.connection;
    for sql in [
        "SELECT 1 FROM pending_messages WHERE recipient_id = 2 AND seq > 0 ORDER BY seq LIMIT 9",
        "SELECT 1 FROM pending_messages WHERE stored_at < 9 ORDER BY stored_at, seq LIMIT 9",
        "SELECT 1 FROM pending_messages WHERE kind = 0 AND sender_id = 1 AND message_id = 1",
        "SELECT 1 FROM users WHERE phone_number = '+1555000001'",
        "SELECT 1 FROM users WHERE user_id = 1",
        "DELETE FROM users WHERE user_id = 1",
        "SELECT 1 FROM invitations WHERE hash = x'00'",
        "SELECT 1 FROM invitations WHERE expires_at < 9 ORDER BY expires_at, id LIMIT 9",
    ] {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = plan.query_map((), |row| row.get::<_, String>(3)).unwrap();
        for step in steps.map(Result::unwrap) {
            assert!(step.starts_with("SEARCH"), "{sql}: {step}");
        }
    }
}

#[test]
fn sender_of_a_mailbox_is_found_without_reading_the_mailbox() {
    let mut sqlite = with_a_message();
    let connection = &sqlite.storage().writer.connection;
    let sql = "EXPLAIN QUERY PLAN
        SELECT 1 FROM pending_messages WHERE recipient_id = 2 AND sender_id = 1";
    let step: String = connection.query_row(sql, (), |row| row.get(3)).unwrap();
    assert!(step.contains("INDEX mailbox_senders (recipient_id=? AND sender_id=?)"), "{step}");
}

#[test]
fn counters_that_would_fall_below_zero_are_reported_as_damage() {
    let mut sqlite = with_a_message();
    sqlite.tamper("UPDATE mailboxes SET bytes = 1 WHERE user_id = 2");
    let expire = StoreOp::Expire { before: at(100), limit: 10 };
    assert_eq!(sqlite.outcomes(&[expire]), [Err(StoreError::Corrupt)]);
    assert!(sqlite.storage().failure().unwrap().contains("mailbox counter"));
    assert_eq!(
        sqlite.replies(&[StoreOp::BeginSession { user: user(2), place: Seq::START }]),
        [counted(1)]
    );
}

#[test]
fn database_of_version_1_counts_receipts_and_shares_after_its_migration() {
    for profile in [Profile::Compact, Profile::Wide] {
        let mut sqlite = SqliteBed::new(profile, Quota::default());
        let packets = vec![
            message(profile, user(1), user(2), 1, 20),
            message(profile, user(1), user(2), 2, 30),
            receipt(profile, user(1), user(2), 1, &[7]),
        ];
        let append = StoreOp::Append { recipient: user(2), packets, at: at(1) };
        sqlite.replies(&[create(1), create(2), append]);
        let before = Inspector::open(&sqlite.path()).unwrap().stats().unwrap();
        sqlite.close();
        sqlite.tamper(
            "DROP TABLE invitations;
             ALTER TABLE users DROP COLUMN suspended_at;
             ALTER TABLE mailboxes DROP COLUMN receipt_bytes;
             DROP TABLE correspondents; DROP TABLE undeliverable;
             ALTER TABLE users ADD COLUMN last_reconnect INTEGER;
             ALTER TABLE users DROP COLUMN reconnects;
             DROP TABLE daily_use; DROP INDEX mailbox_senders;
             ALTER TABLE deployment DROP COLUMN database_id;
             ALTER TABLE deployment DROP COLUMN newest_time; PRAGMA user_version = 1",
        );
        let mut sqlite = sqlite.reopened();
        assert!(sqlite.is_sound());
        assert_eq!(Inspector::open(&sqlite.path()).unwrap().stats().unwrap(), before);
        sqlite.storage().delete_user(phone(1)).unwrap();
        assert!(sqlite.is_sound());
    }
}

#[test]
fn quota_that_shrinks_refuses_the_next_message_and_keeps_what_is_stored() {
    let append = |id| StoreOp::Append {
        recipient: user(2),
        packets: vec![message(Profile::Compact, user(1), user(2), id, 20)],
        at: at(1),
    };
    let mut sqlite = SqliteBed::new(Profile::Compact, Quota::default());
    let fate = |sqlite: &mut SqliteBed, id| sqlite.replies(&[append(id)]).pop();
    let appended = |fate| Some(StoreReply::Appended(vec![fate]));
    sqlite.replies(&[create(1), create(2)]);
    assert_eq!(fate(&mut sqlite, 1), appended(Appended::Stored));
    let quota = sqlite.storage().quota();
    quota.set(Quota { messages: 1, shares: Shares::Unlimited, ..Quota::default() });
    assert_eq!(fate(&mut sqlite, 2), appended(Appended::MailboxFull));
    assert!(sqlite.is_sound());
    assert_eq!(Inspector::open(&sqlite.path()).unwrap().stats().unwrap().pending.messages, 1);
    quota.set(Quota::default());
    assert_eq!(fate(&mut sqlite, 2), appended(Appended::Stored));
}

#[test]
fn full_disk_refuses_messages_and_takes_receipts_before_it_is_full() {
    let packets = vec![
        message(Profile::Compact, user(1), user(2), 2, 20),
        receipt(Profile::Compact, user(1), user(2), 1, &[7]),
    ];
    let append = StoreOp::Append { recipient: user(2), packets, at: at(1) };
    let mut sqlite = with_a_message().under(NEARLY_FULL);
    let expected = StoreReply::Appended(vec![Appended::StoreFull, Appended::Stored]);
    assert_eq!(sqlite.replies(&[append]), [expected]);
}

#[test]
fn deletion_in_pieces_is_the_same_as_at_once() {
    let profile = Profile::Compact;
    let fill = |sqlite: &mut SqliteBed| {
        let to_bob = (1..=5).map(|id| message(profile, user(1), user(2), id, 20));
        let to_bob = to_bob.chain((1..=2).map(|id| message(profile, user(3), user(2), id, 20)));
        let to_bob = to_bob.chain([receipt(profile, user(1), user(2), 1, &[7])]).collect();
        let from_bob = (1..=4).map(|id| message(profile, user(2), user(1), id, 20)).collect();
        let append = |recipient, packets| StoreOp::Append { recipient, packets, at: at(1) };
        let appends = [append(user(2), to_bob), append(user(1), from_bob)];
        sqlite.replies(&[create(1), create(2), create(3)]);
        sqlite.replies(&appends);
    };
    let (mut whole, mut pieces) =
        (SqliteBed::new(profile, Quota::default()), SqliteBed::new(profile, Quota::default()));
    fill(&mut whole);
    fill(&mut pieces);
    for expected in [5, 5, 2, 0] {
        assert_eq!(pieces.storage().delete_items_of(user(2), 5).unwrap(), expected);
        assert!(pieces.is_sound());
    }
    for sqlite in [&mut whole, &mut pieces] {
        assert_eq!(sqlite.storage().delete_user(phone(2)).unwrap(), Some(user(2)));
        assert!(sqlite.is_sound());
    }
    let left = |sqlite: &mut SqliteBed| {
        let told = |sender| StoreOp::Undeliverable { sender, limit: 100 };
        let asked = [
            told(user(1)),
            told(user(3)),
            StoreOp::BeginSession { user: user(1), place: Seq::START },
            StoreOp::BeginSession { user: user(2), place: Seq::START },
        ];
        sqlite.replies(&asked)
    };
    assert_eq!(left(&mut pieces), left(&mut whole));
}

#[test]
fn full_disk_refuses_accounts_and_lets_users_in_before_it_is_full() {
    let mut sqlite = with_a_message().under(NEARLY_FULL);
    let reconnect = StoreOp::RecordReconnect {
        user: user(2),
        at: at(20),
        horizon: at(320),
        aes_key: wrapped_key(2),
    };
    let full = StoreReply::Created(CreateOutcome::StoreFull);
    let taken = StoreReply::Created(CreateOutcome::PhoneTaken);
    let recorded = StoreReply::ReconnectRecorded(ReconnectOutcome::Recorded(Seq::START));
    assert_eq!(sqlite.replies(&[create(3), create(1), reconnect]), [full, taken, recorded]);
    assert_eq!(sqlite.storage().delete_user(phone(1)).unwrap(), Some(user(1)));
    assert_eq!(sqlite.storage().last_user_id().unwrap(), 2, "no id is used up");
}

const NEARLY_FULL: Quota = Quota {
    messages: 10_000,
    bytes: 64 << 20,
    shares: Shares::Limited,
    store_bytes: 16 << 30,
    disk_reserve_bytes: u64::MAX,
};
