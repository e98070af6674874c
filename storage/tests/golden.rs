#![cfg(test)]
//! Databases of every released schema are upgraded to the present one. They keep their rows, and what
//! they were is kept beside them.
//!
//! The files in `golden/` are never edited. Whoever adds a schema runs
//! `SEALPOST_WRITE_GOLDEN=1 cargo test -p sealpost-storage --test golden`, which writes the file of
//! the present one, with rows in every table, and checks that file in.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use sealpost_core::address::Transport;
use sealpost_core::client::store::{
    Binding, ClientOp, ClientReply, Content, Draft, DraftId, Failure, InboxId, InboxItem,
    IncomingMessage, OutgoingMessage, ReceivedContent, Token, Trust,
};
use sealpost_core::event::{
    Caption, EncodedEvent, EventId, FileId, FileName, FileOffer, FileSize, GroupId, MediaType,
    PieceLen, Target,
};
use sealpost_core::files::{Direction, Received, Record, State, TransferId};
use sealpost_core::ids::{MessageId, UserId, UserRef};
use sealpost_core::keys::Fingerprint;
use sealpost_core::server::store::StoreOp;
use sealpost_core::wire::{InvitationHash, Profile, RequestHash};
use sealpost_storage::client::conversations::{
    Applied, Author, Body as ConversationBody, Change, EntryRef, GroupPost, GroupRecord, GroupStep,
    GroupTurn, Idempotency, NewCopy, NewEntry, Originals, OwnChange, Peer, Written,
};
use sealpost_storage::client::transfers::{NewSend, TransferStep};
use sealpost_storage::client::{ClientStorage, Identity, SqliteClientStorage};
use sealpost_storage::conformance::{at, message, phone, public_key, receipt, wrapped_key};
use sealpost_storage::{Inspector, NewInvitation, Quota, SqliteStorage, Storage, Suspension};
use tempfile::TempDir;

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
    Kind { name: "server", fill: fill_server, open: open_server },
    Kind { name: "client", fill: fill_client, open: open_client },
];

/// The rows of a table, by the names of their columns.
type Table = (String, Vec<String>, Vec<Vec<Value>>);

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

fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Creates a database from SQL, as an earlier program would have left it.
fn loaded(folder: &TempDir, sql: &str) -> PathBuf {
    let path = folder.path().join("sealpost.db");
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    connection.execute_batch(sql).unwrap();
    path
}

fn read_only(path: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    Connection::open_with_flags(path, flags).unwrap()
}

fn strings(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn schema(path: &Path) -> BTreeSet<String> {
    let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL";
    strings(&read_only(path), sql).into_iter().collect()
}

fn tables(path: &Path) -> Vec<Table> {
    let connection = read_only(path);
    // An index of words has no rows of its own.
    let sql = "SELECT name FROM sqlite_schema
               WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite%'
                   AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow')";
    let read = |table: String| {
        let columns =
            strings(&connection, &format!("SELECT name FROM pragma_table_info('{table}')"));
        let mut statement =
            connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1")).unwrap();
        let row = |row: &rusqlite::Row<'_>| (0..columns.len()).map(|i| row.get(i)).collect();
        let rows = statement.query_map((), row).unwrap().map(Result::unwrap).collect();
        (table, columns, rows)
    };
    strings(&connection, sql).into_iter().map(read).collect()
}

/// Every column that there still is has the values that it had.
fn assert_kept(before: &[Table], after: &[Table], name: &str) {
    for (table, columns, rows) in before {
        let Some((_, columns_after, rows_after)) = after.iter().find(|(name, ..)| name == table)
        else {
            continue;
        };
        assert_eq!(rows.len(), rows_after.len(), "{name}: {table}");
        for (i, column) in columns.iter().enumerate() {
            let Some(j) = columns_after.iter().position(|after| after == column) else { continue };
            for (row, row_after) in rows.iter().zip(rows_after) {
                assert_eq!(row[i], row_after[j], "{name}: {table}.{column}");
            }
        }
    }
}

/// SQL that creates the same database.
fn dump(path: &Path) -> String {
    let connection = read_only(path);
    let number =
        |pragma| -> i64 { connection.pragma_query_value(None, pragma, |row| row.get(0)).unwrap() };
    let version = number("user_version");
    let mut sql = format!("-- A database of schema {version}, as it was released. Never edited.\n");
    let objects = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%'
                       AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow')
                   ORDER BY type = 'trigger', type = 'index', rootpage";
    for object in strings(&connection, objects) {
        writeln!(sql, "{object};").unwrap();
    }
    for (table, columns, _) in tables(path) {
        let quoted: Vec<_> = columns.iter().map(|column| format!("quote({column})")).collect();
        let quoted = quoted.join(" || ', ' || ");
        for row in strings(&connection, &format!("SELECT {quoted} FROM {table} ORDER BY 1")) {
            writeln!(sql, "INSERT INTO {table} VALUES ({row});").unwrap();
        }
    }
    writeln!(sql, "PRAGMA application_id = {};", number("application_id")).unwrap();
    writeln!(sql, "PRAGMA user_version = {version};").unwrap();
    sql
}

fn user(id: u16) -> UserId {
    UserId::new(id.into()).unwrap()
}

fn open_server(path: &Path) {
    drop(SqliteStorage::open_existing(path, Profile::Compact, Quota::default()).unwrap());
    let report = Inspector::open(path).unwrap().check().unwrap();
    assert!(report.is_sound() && report.users > 0 && report.items > 0, "{report:?}");
}

fn open_client(path: &Path) {
    let store = SqliteClientStorage::open(path).unwrap();
    let snapshot = store.load().unwrap();
    assert!(!snapshot.contacts.is_empty() && !snapshot.outbox.is_empty());
    assert!(store.history(phone(2), None, u32::MAX).unwrap().len() > 1);
}

fn fill_server(path: &Path) {
    let profile = Profile::Compact;
    let mut store = SqliteStorage::open(path, profile, Quota::default()).unwrap();
    let create = |n| StoreOp::CreateUser {
        phone: phone(n),
        public_key: public_key(n),
        aes_key: wrapped_key(1),
        at: at(0),
        max_id: 100,
        invitation: None,
    };
    let append = |recipient, packet| StoreOp::Append {
        recipient: user(recipient),
        packets: vec![packet],
        at: at(10),
    };
    let between = |from, to, id| message(profile, user(from), user(to), id, 40);
    let requests = [
        create(1),
        create(2),
        create(3),
        append(2, between(1, 2, 1)),
        append(3, between(1, 3, 2)),
        append(1, receipt(profile, user(2), user(1), 1, &[7])),
        StoreOp::RecordReconnect {
            user: user(2),
            at: at(20),
            horizon: at(320),
            aes_key: wrapped_key(2),
        },
        StoreOp::LookUp { asker: user(2), phone: phone(1), day: 5, budget: 9 },
        StoreOp::RecordAnswers { owner: user(1), peers: vec![user(2)] },
        StoreOp::RecordClock { clock: at(30), max_step: std::time::Duration::from_secs(1) },
    ];
    let mut outcomes = Vec::new();
    store.commit(&requests, &mut outcomes);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    // The message that waited for the third user is undeliverable now.
    assert_eq!(store.delete_user(phone(3)).unwrap(), Some(user(3)));
    store.set_suspension(phone(1), Suspension::Suspended(at(40))).unwrap();
    let invitation = NewInvitation {
        hash: InvitationHash([4; 32]),
        uses: 2,
        created_at: at(40),
        expires_at: at(50),
        phone: Some(phone(4)),
        note: "for a friend".into(),
    };
    store.create_invitation(&invitation).unwrap();
}

fn fill_client(path: &Path) {
    let identity = Identity {
        phone: phone(1),
        server: Fingerprint([7; 32]),
        transport: Transport::Tls,
        profile: Profile::Compact,
        host_port: "localhost:7465".into(),
    };
    let mut store = SqliteClientStorage::create(path, &identity).unwrap();
    let binding = |id, key| Binding { user: user(id), public_key: public_key(key) };
    let text = |text: &str| Content::Text(text.into());
    let outgoing = |id, to| OutgoingMessage {
        id: MessageId(id),
        recipient: user(to),
        phone: phone(to),
        token: Token(100 + id),
        draft: None,
        content: text("sent"),
        packet: message(Profile::Compact, user(1), user(to), id, 40),
    };
    let incoming = IncomingMessage {
        sender: user(2),
        phone: phone(2),
        signed_by: *public_key(2).fingerprint(),
        id: MessageId(1),
        packet_hash: RequestHash([3; 32]),
        previous: None,
        sent_at: at(1),
        received_at: at(2),
        content: ReceivedContent::Opened(text("received")),
        trust: Trust::FirstUse,
    };
    let to = UserRef::Phone(phone(4));
    let requests = [
        ClientOp::SetUser(user(1)),
        ClientOp::ChangeServerKey {
            key: public_key(5),
            successor: Some(*public_key(6).fingerprint()),
        },
        ClientOp::UseReconnectTime(at(5)),
        ClientOp::PinContact { phone: phone(2), binding: binding(2, 2) },
        ClientOp::PinContact { phone: phone(3), binding: binding(3, 3) },
        ClientOp::OfferKey { phone: phone(2), offered: binding(2, 3) },
        ClientOp::AcceptKey { phone: phone(3), accepted: binding(5, 2) },
        ClientOp::Enqueue(vec![outgoing(1, 2), outgoing(2, 2), outgoing(3, 2)]),
        ClientOp::MarkStored(vec![(user(2), MessageId(1))]),
        ClientOp::MarkFailed { messages: vec![MessageId(2)], failure: Failure::UnknownUser },
        ClientOp::KeepDrafts(vec![Draft {
            id: DraftId(1),
            token: Token(104),
            to,
            key: None,
            content: text("draft"),
        }]),
        ClientOp::Receive(vec![incoming]),
    ];
    let mut outcomes = Vec::new();
    store.commit(&requests, &mut outcomes);
    let arrived = |outcome: &_| match outcome {
        Ok(ClientReply::Received(placements)) => !placements.is_empty(),
        other => other.is_ok(),
    };
    assert!(outcomes.iter().all(arrived), "{outcomes:?}");
    fill_conversations(&mut store);
}

fn fill_conversations(store: &mut SqliteClientStorage) {
    let peer = Peer::Person(phone(2));
    let item = store.inbox_after(InboxId::START, 1).unwrap().remove(0);
    let new = |text: &str| NewEntry {
        body: ConversationBody::Text(text.into()),
        event_id: Some(EventId([6; 16])),
        event: None,
        reply_to: None,
        expiry_secs: Some(60),
    };
    let Applied::Added(conversation, received) =
        store.apply(&item, &peer, &Change::Append(new("received"))).unwrap()
    else {
        panic!("an entry")
    };
    let later = InboxItem { place: InboxId(item.place.0 + 1), ..item.clone() };
    let entry = EntryRef {
        author: Author::Peer(item.message.signed_by),
        target: Target::Event(EventId([6; 16])),
    };
    store.set_originals(conversation, Originals::Kept).unwrap();
    store
        .apply(&later, &peer, &Change::Edit { entry, text: "edited".into(), event: None })
        .unwrap();
    let react = OwnChange::React(Some("👍".into()));
    store.change((received, &react), at(3), &[]).unwrap();
    let copy = NewCopy {
        token: Token(7),
        phone: phone(2),
        key: None,
        content: Content::Text("hello".into()),
    };
    let key = Idempotency { key: "first".into(), request_hash: [8; 32] };
    store.append(&peer, (&new("hello"), at(4)), &[copy], Some(&key)).unwrap();
    store.read_up_to(conversation, received, at(5)).unwrap();
    store.advance_consumer("bot", item.place).unwrap();
    fill_transfers(store, &item);
    fill_groups(store, &item);
}

/// A group with a message that waits, one that was released, and a state that is to be sent.
fn fill_groups(store: &mut SqliteClientStorage, item: &InboxItem) {
    let group = GroupId([9; 16]);
    let at_place = |place| InboxItem { place: InboxId(place), ..item.clone() };
    let place = item.place.0 + 10;
    let record = GroupRecord {
        group,
        record: b"record".to_vec(),
        name: "climbers".into(),
        expiry_secs: Some(3_600),
    };
    let event = [&[0xa2, 0x00, 0x18, 99, 0x01, 0x50][..], &[7; 16]].concat();
    let event = EncodedEvent::parse(event.into()).unwrap();
    let key = item.message.signed_by;
    let post = GroupPost { token: Token(8), group, phone: phone(2), key, event };
    let steps = vec![
        GroupStep::Keep(record),
        GroupStep::Post(post),
        GroupStep::Hide(InboxId(place)),
        GroupStep::Hide(InboxId(place + 1)),
    ];
    store.take_turn(&GroupTurn { message: Some(at_place(place)), at: at(6), steps }).unwrap();
    let show = GroupStep::Show {
        item: Box::new(at_place(place)),
        group,
        change: Change::Nothing,
        written: Written::Older,
    };
    store.take_turn(&GroupTurn { message: None, at: at(7), steps: vec![show] }).unwrap();
}

fn fill_transfers(store: &mut SqliteClientStorage, item: &InboxItem) {
    let (file, peer) = (FileId([5; 16]), item.message.signed_by);
    let id = TransferId { direction: Direction::Incoming, peer, file };
    let offer = FileOffer {
        file,
        name: FileName::new("seal.png").unwrap(),
        media_type: MediaType::new("image/png").unwrap(),
        size: FileSize::new(100).unwrap(),
        sha256: [9; 32],
        piece_len: PieceLen::new(60).unwrap(),
        caption: Caption::new("see").unwrap(),
    };
    let state = State::Receiving(Received { prefix: 1, ahead: 0 });
    let answer =
        NewSend { token: Token(8), id, name: None, content: Some(Content::Text("a".into())) };
    let step = TransferStep {
        records: vec![(id, Some(Record { offer, state }))],
        sends: vec![answer],
        ..TransferStep::default()
    };
    store.step_transfers(&step).unwrap();
    // The edit above was applied as the second message, which only arrives now.
    let messages = [2, 3].map(|id| IncomingMessage { id: MessageId(id), ..item.message.clone() });
    store.commit(&[ClientOp::Receive(messages.to_vec())], &mut Vec::new());
    let piece = store.inbox_after(store.applied_up_to().unwrap(), 1).unwrap().remove(0);
    let peer = Peer::Person(item.message.phone);
    store.apply(&piece, &peer, &Change::File(None)).unwrap();
    assert_eq!(store.file_arrivals(2).unwrap(), [piece]);
}
