//! Whether everything in the server's database is as it must be.

use std::collections::BTreeMap;
use std::fmt;

use rusqlite::Connection;
use sealpost_core::frame::StoreError;
use sealpost_core::wire::Profile;

use super::column::{optional, timestamp, wrapped_key};
use super::error::EngineError;
use super::row::{self, ITEM_COLUMNS, USER_COLUMNS};
use crate::Usage;

/// What a check read and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Users read.
    pub users: u64,
    /// Items read.
    pub items: u64,
    /// What is wrong; the first 1,000 findings.
    pub findings: Vec<Finding>,
}

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// SQLite finds the file itself damaged; its words.
    File(String),
    /// A row refers to one that does not exist.
    Orphan {
        /// The table of the row.
        table: String,
        /// The row.
        rowid: i64,
    },
    /// A user's row does not read: the phone number, the key or a time.
    User {
        /// Whose.
        user_id: i64,
    },
    /// A user has an id that was not given yet.
    IdNotGiven {
        /// Which.
        user_id: i64,
    },
    /// A user has no mailbox.
    NoMailbox {
        /// Who.
        user_id: i64,
    },
    /// A row is no packet, or not the one that its columns name.
    Item {
        /// Its place.
        seq: i64,
    },
    /// A mailbox's counters differ from what it holds.
    Counters {
        /// Whose.
        user_id: i64,
        /// The counters, unless they don't read.
        recorded: Option<Usage>,
        /// What was counted.
        actual: Usage,
    },
}

impl CheckReport {
    /// Whether nothing was found.
    pub const fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(words) => write!(f, "the file is damaged: {words}"),
            Self::Orphan { table, rowid } => {
                write!(f, "row {rowid} of {table} refers to a row that is missing")
            }
            Self::User { user_id } => write!(f, "user {user_id} does not read"),
            Self::IdNotGiven { user_id } => write!(f, "user {user_id} has an id not given yet"),
            Self::NoMailbox { user_id } => write!(f, "user {user_id} has no mailbox"),
            Self::Item { seq } => write!(f, "item {seq} is not the packet that it is named as"),
            Self::Counters { user_id, recorded: Some(recorded), actual } => {
                write!(f, "user {user_id}'s counters say {recorded}, the mailbox holds {actual}")
            }
            Self::Counters { user_id, recorded: None, actual } => {
                write!(f, "user {user_id}'s counters don't read, the mailbox holds {actual}")
            }
        }
    }
}

/// Checks everything, as of one moment.
pub(super) fn check(connection: &Connection, profile: Profile) -> Result<CheckReport, EngineError> {
    let moment = connection.unchecked_transaction()?;
    let mut report = CheckReport::default();
    for part in [check_file, check_references, check_users, check_items] {
        match part(&moment, profile, &mut report).map_err(EngineError::from) {
            Ok(()) => {}
            // A page that can't be read ends this part, not the check.
            Err(error) if error.kind() == StoreError::Corrupt => {
                report.find(Finding::File(error.to_string()));
            }
            Err(error) => return Err(error),
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
        let words: String = row.get(0)?;
        if words != "ok" {
            report.find(Finding::File(words));
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
        report.find(Finding::Orphan { table: row.get(0)?, rowid: row.get(1)? });
    }
    Ok(())
}

fn check_users(
    connection: &Connection,
    _: Profile,
    report: &mut CheckReport,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!(
        "SELECT {USER_COLUMNS}, created_at, aes_key, last_reconnect,
                user_id > (SELECT last_user_id FROM deployment),
                user_id NOT IN (SELECT user_id FROM mailboxes)
         FROM users ORDER BY user_id"
    ))?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let user_id = row.get(0)?;
        let reads = row::user(row)
            .and(timestamp(row, 4))
            .and(wrapped_key(row, 5))
            .and(optional(row, 6, timestamp));
        if reads.is_err() {
            report.find(Finding::User { user_id });
        }
        if row.get(7)? {
            report.find(Finding::IdNotGiven { user_id });
        }
        if row.get(8)? {
            report.find(Finding::NoMailbox { user_id });
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
    let mut statement =
        connection.prepare(&format!("SELECT {ITEM_COLUMNS} FROM pending_messages"))?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        if row::item(profile, row).is_err() {
            report.find(Finding::Item { seq: row.get(0)? });
        }
        let kind = row::kind(row.get(1)?)?;
        let usage = actual.entry(row.get(4)?).or_default();
        usage.add(kind, row::packet_len(profile, row, row::PAYLOAD_LEN)?);
        report.items += 1;
    }
    let mut statement =
        connection.prepare("SELECT user_id, messages, receipts, bytes FROM mailboxes")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let user_id = row.get(0)?;
        let (recorded, actual) = (row::usage(row, 1).ok(), actual.remove(&user_id));
        let actual = actual.unwrap_or_default();
        if recorded != Some(actual) {
            report.find(Finding::Counters { user_id, recorded, actual });
        }
    }
    Ok(())
}

const MOST_FINDINGS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_keeps_the_first_thousand_findings() {
        let mut report = CheckReport::default();
        for seq in 0..1_500 {
            report.find(Finding::Item { seq });
        }
        assert_eq!(report.findings.len(), 1_000);
        assert_eq!(report.findings.last(), Some(&Finding::Item { seq: 999 }));
    }
}
