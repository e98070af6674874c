//! The check of the whole database that an operator can run.

use std::collections::BTreeMap;
use std::fmt;

use rusqlite::Connection;
use sealpost_core::frame::StoreError;
use sealpost_core::wire::{ItemKind, Profile};

use super::invitations;
use super::row::{self, ITEM_COLUMNS, USAGE_COLUMNS, USER_COLUMNS};
use crate::engine::column::{count, timestamp, wrapped_key};
use crate::engine::{EngineError, store_error};
use crate::server::usage::Usage;

/// Result of a check of the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Number of users read.
    pub users: u64,
    /// Number of items read.
    pub items: u64,
    /// Faults found; the first 1,000.
    pub findings: Vec<Finding>,
}

/// A fault that a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The file itself is damaged; SQLite's message.
    File(String),
    /// A row refers to another row that does not exist.
    Orphan {
        /// Table of the referring row.
        table: String,
        /// Id of the referring row.
        rowid: i64,
    },
    /// The phone number, a key or a time of a user is unreadable.
    User {
        /// Id of the user.
        user_id: i64,
    },
    /// A user has an id above the last one that was given out.
    IdNotGiven {
        /// Id of the user.
        user_id: i64,
    },
    /// A user has no mailbox.
    NoMailbox {
        /// Id of the user.
        user_id: i64,
    },
    /// A row does not hold a packet, or its packet differs from its other columns.
    Item {
        /// Place of the item.
        seq: i64,
    },
    /// The counters of a mailbox disagree with the items in it.
    Counters {
        /// Id of the mailbox's owner.
        user_id: i64,
        /// Counters on record; `None` if they are unreadable.
        recorded: Option<Usage>,
        /// Counters according to the items.
        actual: Usage,
    },
    /// A column of an invitation is unreadable, or it has more uses left than it was made with.
    Invitation {
        /// Number of the invitation.
        id: i64,
    },
    /// The counters of what one sender has in a mailbox disagree with the items in it.
    Share {
        /// Id of the mailbox's owner.
        owner_id: i64,
        /// Id of the sender.
        peer_id: i64,
    },
}

impl CheckReport {
    /// Whether no fault was found.
    pub const fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    fn add(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(message) => write!(f, "the file is damaged: {message}"),
            Self::Orphan { table, rowid } => {
                write!(f, "row {rowid} of table {table} refers to a row that does not exist")
            }
            Self::User { user_id } => write!(f, "user {user_id} has an unreadable column"),
            Self::IdNotGiven { user_id } => {
                write!(f, "user {user_id} has an id that was never given out")
            }
            Self::NoMailbox { user_id } => write!(f, "user {user_id} has no mailbox"),
            Self::Item { seq } => {
                write!(f, "item {seq} does not hold the packet that its columns name")
            }
            Self::Invitation { id } => write!(f, "invitation {id} has an unreadable column"),
            Self::Share { owner_id, peer_id } => write!(
                f,
                "the counters of what user {peer_id} has in the mailbox of user {owner_id} are \
                 wrong"
            ),
            Self::Counters { user_id, recorded: Some(recorded), actual } => {
                write!(
                    f,
                    "the counters of user {user_id} say {recorded}, but the mailbox holds {actual}"
                )
            }
            Self::Counters { user_id, recorded: None, actual } => {
                write!(
                    f,
                    "the counters of user {user_id} are unreadable; the mailbox holds {actual}"
                )
            }
        }
    }
}

/// Checks everything, as of one point in time.
pub(super) fn check(connection: &Connection, profile: Profile) -> Result<CheckReport, EngineError> {
    let snapshot = connection.unchecked_transaction()?;
    let mut report = CheckReport::default();
    for part in [check_file, check_references, check_users, check_items, check_invitations] {
        match part(&snapshot, profile, &mut report) {
            Ok(()) => {}
            // An unreadable page ends this part, but not the whole check.
            Err(error) if store_error(&error) == StoreError::Corrupt => {
                report.add(Finding::File(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(report)
}

fn check_file(
    connection: &Connection,
    _: Profile,
    report: &mut CheckReport,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("PRAGMA integrity_check(1000)")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let message: String = row.get(0)?;
        if message != "ok" {
            report.add(Finding::File(message));
        }
    }
    Ok(())
}

fn check_references(
    connection: &Connection,
    _: Profile,
    report: &mut CheckReport,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        report.add(Finding::Orphan { table: row.get(0)?, rowid: row.get(1)? });
    }
    Ok(())
}

fn check_users(
    connection: &Connection,
    _: Profile,
    report: &mut CheckReport,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!(
        "SELECT {USER_COLUMNS}, created_at, aes_key, reconnects,
                user_id > (SELECT last_user_id FROM deployment),
                user_id NOT IN (SELECT user_id FROM mailboxes)
         FROM users ORDER BY user_id"
    ))?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let user_id = row.get(0)?;
        let parsed = row::user(row)
            .and(timestamp(row, 4))
            .and(wrapped_key(row, 5))
            .and(row::reconnects(row, 6));
        if parsed.is_err() {
            report.add(Finding::User { user_id });
        }
        if row.get(7)? {
            report.add(Finding::IdNotGiven { user_id });
        }
        if row.get(8)? {
            report.add(Finding::NoMailbox { user_id });
        }
        report.users += 1;
    }
    Ok(())
}

fn check_items(
    connection: &Connection,
    profile: Profile,
    report: &mut CheckReport,
) -> rusqlite::Result<()> {
    let mut actual: BTreeMap<i64, Usage> = BTreeMap::new();
    let mut shares: BTreeMap<(i64, i64), (u64, u64)> = BTreeMap::new();
    let mut statement =
        connection.prepare(&format!("SELECT {ITEM_COLUMNS} FROM pending_messages"))?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        if row::item(profile, row).is_err() {
            report.add(Finding::Item { seq: row.get(0)? });
        }
        let kind = row::kind(row.get(1)?)?;
        let len = row::packet_len(profile, row, row::PAYLOAD_LEN)?;
        actual.entry(row.get(4)?).or_default().add(kind, len);
        if kind == ItemKind::Message {
            let (messages, bytes) = shares.entry((row.get(4)?, row.get(3)?)).or_default();
            (*messages, *bytes) = (*messages + 1, *bytes + len);
        }
        report.items += 1;
    }
    check_shares(connection, shares, report)?;
    let mut statement =
        connection.prepare(&format!("SELECT user_id, {USAGE_COLUMNS} FROM mailboxes"))?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let user_id = row.get(0)?;
        let (recorded, actual) = (row::usage(row, 1).ok(), actual.remove(&user_id));
        let actual = actual.unwrap_or_default();
        if recorded != Some(actual) {
            report.add(Finding::Counters { user_id, recorded, actual });
        }
    }
    Ok(())
}

fn check_invitations(
    connection: &Connection,
    _: Profile,
    report: &mut CheckReport,
) -> rusqlite::Result<()> {
    let sql = format!("SELECT {} FROM invitations ORDER BY id", invitations::COLUMNS);
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        if invitations::record(row).is_err() {
            report.add(Finding::Invitation { id: row.get(0)? });
        }
    }
    Ok(())
}

/// Compares what the senders have in each mailbox with the counters of that, which are forgotten
/// where there is nothing.
fn check_shares(
    connection: &Connection,
    mut actual: BTreeMap<(i64, i64), (u64, u64)>,
    report: &mut CheckReport,
) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare("SELECT owner_id, peer_id, messages, bytes FROM correspondents")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let (owner_id, peer_id) = (row.get(0)?, row.get(1)?);
        let recorded = count(row, 2).and_then(|messages| Ok((messages, count(row, 3)?))).ok();
        if recorded != Some(actual.remove(&(owner_id, peer_id)).unwrap_or_default()) {
            report.add(Finding::Share { owner_id, peer_id });
        }
    }
    for (owner_id, peer_id) in actual.into_keys() {
        report.add(Finding::Share { owner_id, peer_id });
    }
    Ok(())
}

/// Bounds the memory that a report of a badly damaged file takes.
const MAX_FINDINGS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_keeps_the_first_thousand_findings() {
        let mut report = CheckReport::default();
        for seq in 0..1_500 {
            report.add(Finding::Item { seq });
        }
        assert_eq!(report.findings.len(), 1_000);
        assert_eq!(report.findings.last(), Some(&Finding::Item { seq: 999 }));
    }
}
