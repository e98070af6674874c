//! What was sent and received before there were conversations.

use rusqlite::Connection;
use sealpost_core::client::store::{Content, InboxId, Token, Trust};
use sealpost_core::event::Target;
use sealpost_core::ids::MessageId;

use super::bed::{person, text};
use crate::client::conversations::{Author, EntryRef, Progress, UnsentCopy};
use crate::client::sqlite::SqliteClientStorage;
use crate::client::sqlite::tables::CLIENT;
use crate::client::storage::ClientStorage;
use crate::conformance::{phone, public_key};
use crate::engine::Schema;
use crate::engine::test_folder::folder;

#[test]
fn what_was_sent_and_received_is_in_the_timeline_in_its_order() {
    let folder = folder();
    let path = folder.path().join("client.db");
    let earlier =
        Schema { application_id: CLIENT.application_id, migrations: &CLIENT.migrations[..6] };
    let old = earlier.create(&path, fill).unwrap();
    drop(old);

    let mut store = SqliteClientStorage::open(&path).unwrap();
    let list = store.conversations(9).unwrap();
    let peers: Vec<_> = list.iter().map(|found| (found.peer, found.unread)).collect();
    assert_eq!(peers, [(person(4), 0), (person(2), 1), (person(3), 0)]);
    let entries = store.entries_before(list[1].id, None, 9).unwrap();
    let texts: Vec<_> = entries.iter().map(text).collect();
    assert_eq!(texts, ["hello", "Bytes([1, 2])", "hello back", "changed key", "Undecryptable"]);
    let [first, bytes, own, changed, _] = &entries[..] else { panic!("five") };
    let key = Author::Peer(*public_key(2).fingerprint());
    assert_eq!(
        (first.author, first.trust, first.place),
        (key, Some(Trust::FirstUse), Some(InboxId(1)))
    );
    assert_eq!(first.name, Some(EntryRef { author: key, target: Target::Message(MessageId(5)) }));
    assert_eq!((changed.trust, changed.author == key), (Some(Trust::Changed), false));
    assert_eq!((bytes.author, bytes.progress()), (Author::Own, Some(Progress::Delivered)));
    assert_eq!(own.progress(), Some(Progress::Stored));
    let name = EntryRef { author: Author::Own, target: Target::Message(MessageId(2)) };
    assert_eq!(own.name, Some(name));
    assert_eq!(store.find_entry(own.conversation, &name), Ok(Some(own.id)));

    let draft = list[0].last.clone().unwrap();
    assert_eq!((text(&draft), draft.progress()), ("a draft".to_owned(), Some(Progress::Queued)));
    assert_eq!(draft.copies[0].token, Token(u64::MAX));
    assert_eq!(store.unsent_copies(9), Ok(Vec::<UnsentCopy>::new()), "the machine has it");
    assert_eq!(store.search("hello", None, None, 9).unwrap().len(), 2);
    assert_eq!(store.applied_up_to(), Ok(InboxId(6)));
    let again = store.retry_copy(draft.copies[0].token, Token(1)).unwrap();
    assert_eq!(again, None);
    let loaded = store.load().unwrap();
    assert_eq!(loaded.drafts[0].content, Content::Text("a draft".into()));
    drop(store);
    // Opening it once more finds nothing to be done.
    drop(SqliteClientStorage::open(&path).unwrap());
}

fn fill(new: &rusqlite::Transaction<'_>) -> rusqlite::Result<()> {
    let zeros = "zeroblob(32)";
    new.execute(
        "INSERT INTO account (only_row, phone_number, server_fingerprint, profile, host_port,
                              last_place, shown_up_to)
         VALUES (1, ?1, zeroblob(32), 'wide', 'localhost:7465', 6, 4)",
        [phone(1).to_string()],
    )?;
    new.execute(
        "INSERT INTO contacts (phone_number, user_id, public_key) VALUES (?1, 2, ?2)",
        (phone(2).to_string(), public_key(2).der()),
    )?;
    Connection::execute_batch(
        new,
        &format!(
            "INSERT INTO inbox VALUES (1, 2, '+1555000002', 5, NULL, 100, 101, 0, 0, 0, x'68656c6c6f', 0, {zeros});
             INSERT INTO outbox VALUES (2, 1, 2, '+1555000002', 102, 2, 1, x'0102', NULL, NULL);
             INSERT INTO outbox VALUES (3, 2, 2, '+1555000002', 103, 1, 0, CAST('hello back' AS BLOB), NULL, NULL);
             INSERT INTO inbox VALUES (4, 2, '+1555000002', 6, NULL, 104, 105, 2, 0, 0, CAST('changed key' AS BLOB), 0, {zeros});
             INSERT INTO outbox VALUES (5, 3, 3, '+1555000003', 106, 4, 0, CAST('failed' AS BLOB), NULL, NULL);
             INSERT INTO inbox VALUES (6, 2, '+1555000002', 7, NULL, 107, 108, 0, 1, 2, x'', 0, {zeros});
             INSERT INTO drafts VALUES (1, '+1555000004', NULL, 0, CAST('a draft' AS BLOB));"
        ),
    )
}
