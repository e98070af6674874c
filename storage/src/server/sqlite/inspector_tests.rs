//! Tests of what an operator reads from a database, and of its check.

use sealpost_core::frame::StoreError;
use sealpost_core::ids::UserRef;
use sealpost_core::server::store::StoreOp;
use sealpost_core::wire::Profile;

use super::tests::{append, inspection_error, user, with_a_message};
use super::*;
use crate::conformance::{at, message, phone, receipt};
use crate::server::usage::Usage;

#[test]
fn operator_reads_alongside_the_server() {
    let mut sqlite = with_a_message();
    let inspector = Inspector::open(&sqlite.path()).unwrap();
    let packets = vec![receipt(Profile::Compact, user(2), user(1), 1, &[1])];
    let receipt_bytes = packets[0].bytes().len() as u64;
    sqlite.replies(&[append(2), StoreOp::Append { recipient: user(1), packets, at: at(5) }]);

    let bytes = 2 * message(Profile::Compact, user(1), user(2), 1, 20).bytes().len() as u64;
    let pending = Usage { messages: 2, receipts: 1, bytes, receipt_bytes };
    let stats = Stats { users: 2, last_user_id: 2, pending, oldest: Some(at(5)) };
    assert_eq!(inspector.stats().unwrap(), stats);

    let first = inspector.users(None, 1).unwrap();
    let rest = inspector.users(first.last().map(|record| record.user.id), 10).unwrap();
    assert_eq!((first.len(), rest.len()), (1, 1));
    assert_eq!(rest[0].mailbox, Usage { receipts: 0, receipt_bytes: 0, ..pending });
    assert_eq!((rest[0].oldest, rest[0].created_at), (Some(at(10)), at(0)));
    let found = inspector.user(UserRef::Phone(phone(2))).unwrap();
    assert_eq!(found.as_ref(), rest.first());
    assert_eq!(inspector.user(UserRef::Id(user(2))).unwrap(), found);
    assert_eq!(inspector.user(UserRef::Id(user(3))).unwrap(), None);

    let report = inspector.check().unwrap();
    assert_eq!((report.users, report.items, report.is_sound()), (2, 3, true));
}

#[test]
fn operator_reads_while_no_server_runs() {
    let mut sqlite = with_a_message();
    sqlite.close();
    assert_eq!(Inspector::open(&sqlite.path()).unwrap().stats().unwrap().users, 2);
    let missing = sqlite.folder().join("other.db");
    assert!(matches!(inspection_error(&missing), OpenFailure::Missing));
    assert!(!missing.exists());
}

#[test]
fn check_finds_every_kind_of_fault() {
    let recorded = Usage { messages: 1, bytes: 302, ..Usage::default() };
    let share = Finding::Share { owner_id: 2, peer_id: 1 };
    let counters = |recorded, actual| Finding::Counters { user_id: 2, recorded, actual };
    let cases = [
        ("UPDATE pending_messages SET signature = x'00'", vec![Finding::Item { seq: 1 }]),
        (
            "UPDATE pending_messages SET sender_id = 0",
            vec![
                Finding::Item { seq: 1 },
                share.clone(),
                Finding::Share { owner_id: 2, peer_id: 0 },
            ],
        ),
        ("UPDATE pending_messages SET message_id = 2", vec![Finding::Item { seq: 1 }]),
        ("UPDATE pending_messages SET timestamp = 1 << 60", vec![Finding::Item { seq: 1 }]),
        (
            "UPDATE users SET rsa_public_key = x'00' WHERE user_id = 2",
            vec![Finding::User { user_id: 2 }],
        ),
        (
            "UPDATE users SET phone_number = 'Bob' WHERE user_id = 2",
            vec![Finding::User { user_id: 2 }],
        ),
        ("UPDATE users SET aes_key = x'00' WHERE user_id = 2", vec![Finding::User { user_id: 2 }]),
        (
            "UPDATE users SET reconnects = x'00' WHERE user_id = 2",
            vec![Finding::User { user_id: 2 }],
        ),
        ("UPDATE deployment SET last_user_id = 1", vec![Finding::IdNotGiven { user_id: 2 }]),
        ("DELETE FROM mailboxes WHERE user_id = 1", vec![Finding::NoMailbox { user_id: 1 }]),
        (
            "DELETE FROM pending_messages",
            vec![share.clone(), counters(Some(recorded), Usage::default())],
        ),
        ("UPDATE mailboxes SET bytes = -1 WHERE user_id = 2", vec![counters(None, recorded)]),
        ("UPDATE correspondents SET bytes = 1", vec![share.clone()]),
        ("UPDATE correspondents SET messages = -1", vec![share.clone()]),
        ("DELETE FROM correspondents", vec![share]),
        (
            "INSERT INTO correspondents VALUES (1, 2, 1, 300, 0)",
            vec![Finding::Share { owner_id: 1, peer_id: 2 }],
        ),
        ("UPDATE invitations SET phone_number = 'Bob'", vec![Finding::Invitation { id: 1 }]),
        ("UPDATE invitations SET created_at = 1 << 60", vec![Finding::Invitation { id: 1 }]),
        (
            "PRAGMA ignore_check_constraints = ON; UPDATE invitations SET uses_left = 3",
            vec![Finding::Invitation { id: 1 }],
        ),
        (
            "DELETE FROM users WHERE user_id = 2",
            vec![Finding::Orphan { table: "mailboxes".into(), rowid: 2 }],
        ),
    ];
    for (damage, findings) in cases {
        let sqlite = with_a_message();
        sqlite.tamper(damage);
        let report = Inspector::open(&sqlite.path()).unwrap().check().unwrap();
        assert_eq!((report.is_sound(), &report.findings), (false, &findings), "{damage}");
        assert!(findings.iter().all(|finding| !finding.to_string().is_empty()));
    }
}

#[test]
fn check_finds_a_damaged_file() {
    let mut sqlite = with_a_message();
    sqlite.close();
    // Every page but the first three, which hold the schema.
    let mut file = std::fs::read(sqlite.path()).unwrap();
    file[3 * 4_096..].fill(0x5a);
    std::fs::write(sqlite.path(), file).unwrap();
    let report = Inspector::open(&sqlite.path()).unwrap().check().unwrap();
    assert!(report.findings.iter().any(|finding| matches!(finding, Finding::File(_))));
}

#[test]
fn check_finds_an_index_with_a_missing_row() {
    let sqlite = with_a_message();
    // From here on the schema names another column than the index was filled from.
    sqlite.tamper(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, 'stored_at', 'timestamp') WHERE name = 'age'",
    );
    let report = Inspector::open(&sqlite.path()).unwrap().check().unwrap();
    let [Finding::File(message)] = report.findings.as_slice() else { panic!("{report:?}") };
    assert!(message.contains("missing from index age"), "{message}");
}

#[test]
fn failure_to_read_is_an_error_and_not_a_finding() {
    let sqlite = with_a_message();
    let inspector = Inspector::open(&sqlite.path()).unwrap();
    sqlite.tamper("DROP TABLE deployment");
    assert_eq!(inspector.check().unwrap_err().kind(), StoreError::Io);
}
