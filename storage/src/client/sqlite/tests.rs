use rusqlite::Connection;
use sealpost_core::address::Transport;
use sealpost_core::client::store::{
    Arrival, ClientReply, Content, Continuity, InboxId, IncomingMessage, Placement,
    ReceivedContent, Trust,
};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::{MessageId, ReceiptId, UserId};
use sealpost_core::keys::Fingerprint;
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{Profile, RequestHash};

use super::bed::SqliteBed;
use super::tables::CLIENT;
use super::*;
use crate::conformance::phone;
use crate::engine::OpenFailure;
use crate::engine::Schema;
use crate::engine::test_folder::{folder, make_private};

pub(super) fn identity() -> Identity {
    Identity {
        phone: phone(1),
        server: Fingerprint([7; 32]),
        profile: Profile::Wide,
        transport: Transport::Tcp,
        endpoints: "localhost:7465".parse().unwrap(),
    }
}

fn open_error(path: &Path) -> OpenFailure {
    SqliteClientStorage::open(path).unwrap_err().reason
}

#[test]
fn store_is_created_once_and_found_again() {
    let folder = folder();
    let path = folder.path().join("client.db");
    assert!(matches!(open_error(&path), OpenFailure::Missing));
    assert!(!path.exists());
    // A crash during the creation of the store.
    std::fs::write(&path, "").unwrap();
    make_private(&path);
    assert!(matches!(open_error(&path), OpenFailure::Missing));
    drop(SqliteClientStorage::create(&path, &identity()).unwrap());
    let again = SqliteClientStorage::create(&path, &identity()).unwrap_err();
    assert!(matches!(again.reason, OpenFailure::Exists));
    assert_eq!(SqliteClientStorage::open(&path).unwrap().identity(), Ok(identity()));
}

/// A loss of power leaves the new database, and the journal that undoes it.
#[test]
fn half_created_store_is_created_again() {
    let (original, crashed) = (folder(), folder());
    let path = original.path().join("client.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("PRAGMA cache_size = 1; BEGIN; CREATE TABLE account (phone_number TEXT)")
        .unwrap();
    connection.execute("INSERT INTO account VALUES (hex(randomblob(10000)))", ()).unwrap();
    for name in ["client.db", "client.db-journal"] {
        std::fs::copy(original.path().join(name), crashed.path().join(name)).unwrap();
    }
    let path = crashed.path().join("client.db");
    make_private(&path);
    assert!(path.metadata().unwrap().len() > 0);
    assert!(matches!(open_error(&path), OpenFailure::Missing));
    drop(SqliteClientStorage::create(&path, &identity()).unwrap());
    assert_eq!(SqliteClientStorage::open(&path).unwrap().identity(), Ok(identity()));
}

#[cfg(unix)]
#[test]
fn inaccessible_file_is_not_reported_as_missing() {
    let folder = folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(open_error(&file.join("client.db")), OpenFailure::File(_)));
}

#[test]
fn numbers_can_start_late_and_never_go_back() {
    let mut sqlite = SqliteBed::new(&identity());
    for (first, next) in [(1 << 40, 1 << 40), (7, 1 << 40)] {
        sqlite.storage_mut().number_from(first).unwrap();
        let snapshot = sqlite.storage().load().unwrap();
        assert_eq!(snapshot.next_receipt, ReceiptId(next));
        assert_eq!(snapshot.last_message, Some(MessageId(next - 1)));
    }
}

/// A schema whose inbox had no hashes, and a replay window for each sender.
#[test]
fn history_of_an_earlier_schema_tells_repeats_from_late_messages() {
    let folder = folder();
    let path = folder.path().join("client.db");
    let earlier =
        Schema { application_id: CLIENT.application_id, migrations: &CLIENT.migrations[..2] };
    let record = "INSERT INTO account
                  (only_row, phone_number, server_fingerprint, profile, host_port)
                  VALUES (1, ?1, zeroblob(32), 'wide', 'localhost:7465')";
    let phone_number = phone(1).to_string();
    let old = earlier.create(&path, |new| new.execute(record, [&phone_number]).map(drop)).unwrap();
    old.execute_batch(
        "INSERT INTO inbox VALUES (1, 2, '+1555000002', 5, NULL, 100, 101, 0, 0, 0, x'66697665');
         INSERT INTO inbox VALUES (2, 2, '+1555000002', 9, 7, 100, 101, 0, 1, 0, x'6e696e65');
         INSERT INTO replay_windows VALUES (2, zeroblob(136));
         UPDATE account SET last_place = 2, shown_up_to = 2",
    )
    .unwrap();
    drop(old);

    let mut store = SqliteClientStorage::open(&path).unwrap();
    let arrived = |id, previous, text: &str| IncomingMessage {
        sender: UserId::new(2).unwrap(),
        phone: phone(2),
        signed_by: Fingerprint([2; 32]),
        id: MessageId(id),
        packet_hash: RequestHash([3; 32]),
        previous,
        sent_at: Timestamp::from_unix_secs(100),
        received_at: Timestamp::from_unix_secs(200),
        content: ReceivedContent::Opened(Content::Text(text.into())),
        trust: Trust::FirstUse,
    };
    let messages = vec![
        arrived(5, None, "five"),
        arrived(5, None, "other"),
        arrived(6, Some(MessageId(5)), "six"),
        arrived(7, Some(MessageId(6)), "seven"),
    ];
    let mut outcomes = Vec::new();
    store.commit(&[ClientOp::Receive(messages)], &mut outcomes);
    let new = |place, arrival| Placement::Appended {
        place: InboxId(place),
        continuity: Continuity::Next,
        arrival,
    };
    let expected = vec![
        Placement::Repeat,
        new(3, Arrival::ReusedId),
        new(4, Arrival::Late),
        new(5, Arrival::FillsGap),
    ];
    assert_eq!(outcomes, [Ok(ClientReply::Received(expected))]);
    let history = store.history(phone(2), None, 9).unwrap();
    assert_eq!(history.len(), 5, "what was there is there");
    assert_eq!(store.identity().unwrap().transport, Transport::Tcp);
}

#[test]
fn database_of_a_server_is_rejected() {
    let folder = folder();
    let path = folder.path().join("client.db");
    let server = Schema { application_id: i32::from_be_bytes(*b"SpSv"), migrations: &[""] };
    drop(server.open(&path, |_| Ok(())).unwrap());
    assert!(matches!(open_error(&path), OpenFailure::Foreign));
    let reading = SqliteClientStorage::open_read_only(&path).unwrap_err();
    assert!(matches!(reading.reason, OpenFailure::Foreign));
}

#[test]
fn read_only_store_sees_commits_and_makes_none() {
    let mut sqlite = SqliteBed::new(&identity());
    let mut reader = SqliteClientStorage::open_read_only(&sqlite.path()).unwrap();
    let mut outcomes = Vec::new();
    sqlite.storage_mut().commit(&[ClientOp::SetClockOffset { secs: 5 }], &mut outcomes);
    assert_eq!(outcomes, [Ok(ClientReply::Done)]);
    assert_eq!(reader.load().unwrap().account.clock_offset_secs, 5);
    reader.commit(&[ClientOp::SetClockOffset { secs: 9 }], &mut outcomes);
    assert_eq!(outcomes, [Err(StoreError::Io)]);
    assert!(reader.failure().unwrap().contains("readonly"));
    assert_eq!(reader.failure(), None, "reported once");
    assert_eq!(reader.load().unwrap().account.clock_offset_secs, 5);
}

#[test]
fn damage_is_reported_as_such() {
    for damage in [
        "UPDATE account SET server_key = x'00'",
        "UPDATE account SET phone_number = 'me'",
        "UPDATE account SET last_reconnect = 1 << 60",
        "DELETE FROM account",
    ] {
        let sqlite = SqliteBed::new(&identity());
        Connection::open(sqlite.path()).unwrap().execute_batch(damage).unwrap();
        assert_eq!(sqlite.storage().load().unwrap_err(), StoreError::Corrupt, "{damage}");
    }
}
