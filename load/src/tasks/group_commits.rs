//! SQLite's group commits: what a durable store of messages can do at most.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use sealpost_core::keys::SymmetricKey;
use sealpost_core::server::store::StoreOp;
use sealpost_core::wire::SIGNATURE_LEN;
use sealpost_programs::{CryptoName, Failure, Verify, random_rng};
use sealpost_storage::{Quota, SqliteStorage, Storage};

use crate::clients::PROFILE;
use crate::clients::user::now;
use crate::figures::per_second;

/// Rows a second into the server's tables, in transactions of `rows` rows.
pub(super) fn group_commits(
    folder: &Path,
    rows: u32,
    packet: usize,
    span: Duration,
) -> Result<f64, Failure> {
    let path = folder.join("sealpost.db");
    make_mailboxes(&path)?;
    let mut connection = Connection::open(&path)?;
    connection.execute_batch(SERVER_PRAGMAS)?;
    let payload = vec![7_u8; packet.saturating_sub(PROFILE.header_len() + SIGNATURE_LEN)];
    let signature = [7_u8; SIGNATURE_LEN];
    let at = now().unix_secs();
    let (start, mut id) = (Instant::now(), 0_i64);
    while start.elapsed() < span {
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            for _ in 0..rows {
                id += 1;
                let recipient = id % MAILBOXES + 1;
                insert.execute(params![id, recipient, at, payload, signature])?;
            }
        }
        transaction.commit()?;
    }
    Ok(per_second(id.cast_unsigned(), start.elapsed()))
}

/// Creates a database as the server does, with users 1 to `MAILBOXES`.
fn make_mailboxes(path: &Path) -> Result<(), Failure> {
    let mut rng = random_rng()?;
    let provider = CryptoName::AwsLc.provider(Verify::Auto);
    let key = provider.load_key(provider.generate_key(&mut *rng)?.expose())?;
    let aes_key = SymmetricKey::from_bytes([1; 32]).wrap(&SymmetricKey::from_bytes([2; 32]));
    let user = |number| {
        Ok(StoreOp::CreateUser {
            phone: format!("+999{number:09}").parse()?,
            public_key: key.public_key().clone(),
            aes_key,
            at: now(),
            max_id: PROFILE.max_user_id(),
            invitation: None,
        })
    };
    let requests = (1..=MAILBOXES).map(user).collect::<Result<Vec<_>, Failure>>()?;
    let mut outcomes = Vec::new();
    SqliteStorage::open(path, PROFILE, Quota::default())?.commit(&requests, &mut outcomes);
    Ok(outcomes.into_iter().try_for_each(|outcome| outcome.map(drop))?)
}

const MAILBOXES: i64 = 50;
const INSERT: &str = "
    INSERT INTO pending_messages
        (kind, message_id, sender_id, recipient_id, timestamp, stored_at, encrypted_payload,
         signature)
    VALUES (0, ?1, 1, ?2, ?3, ?3, ?4, ?5)
";
/// The pragmas that the server's store sets.
const SERVER_PRAGMAS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA cell_size_check = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -65536;
    PRAGMA wal_autocheckpoint = 4096;
    PRAGMA journal_size_limit = 67108864;
";
