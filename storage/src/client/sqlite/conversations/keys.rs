//! The keys of messages that were received before the inbox kept them.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::client::sqlite::row;
use crate::engine::column;

/// Records which keys signed earlier messages, as far as it is known: the key that the sender's id
/// has, or had. Of a message under a key that was offered then, it is not known.
pub(in crate::client::sqlite) fn name_signers(connection: &mut Connection) -> rusqlite::Result<()> {
    if unknown_sender(connection, i64::MIN)?.is_none() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut after = i64::MIN;
    while let Some(sender) = unknown_sender(&transaction, after)? {
        name_signer(&transaction, sender)?;
        let Some(next) = sender.checked_add(1) else { break };
        after = next;
    }
    transaction.commit()
}

/// The first sender from `from` on who has sent messages whose key is not known.
fn unknown_sender(connection: &Connection, from: i64) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT min(sender_id) FROM inbox WHERE sender_id >= ?1 AND signed_by =
               x'0000000000000000000000000000000000000000000000000000000000000000'";
    connection.prepare_cached(sql)?.query_row([from], |row| row.get(0))
}

fn name_signer(connection: &Connection, sender: i64) -> rusqlite::Result<()> {
    let sql = "SELECT public_key FROM contacts WHERE user_id = ?1
               UNION ALL SELECT public_key FROM former_contacts WHERE user_id = ?1";
    let key = connection
        .prepare_cached(sql)?
        .query_row([sender], |row| column::public_key(row, 0))
        .optional()?;
    let Some(key) = key else { return Ok(()) };
    let changed = row::trust_code(sealpost_core::client::store::Trust::Changed);
    let named = params![sender, key.fingerprint().0, changed];
    connection.execute(
        "UPDATE timeline SET author = ?2
         WHERE place IN (SELECT place FROM inbox
                         WHERE sender_id = ?1 AND trust <> ?3 AND signed_by =
                             x'0000000000000000000000000000000000000000000000000000000000000000')",
        named,
    )?;
    connection.execute(
        "UPDATE inbox SET signed_by = ?2
         WHERE sender_id = ?1 AND trust <> ?3 AND signed_by =
             x'0000000000000000000000000000000000000000000000000000000000000000'",
        named,
    )?;
    Ok(())
}
