//! Commands that show the contents of the store.

use sealpost_core::ids::{Phone, UserRef};
use sealpost_core::keys::Fingerprint;
use sealpost_core::time::Timestamp;
use sealpost_programs::{Failure, Format, Line, utc};
use sealpost_storage::{CheckReport, Suspension, UserRecord};
use serde::Serialize;

use crate::data::DataFolder;
use crate::site::Site;

/// Prints all users.
pub(crate) fn users(site: &Site, format: Format) -> Result<(), Failure> {
    let inspector = site.inspect()?;
    if format == Format::Text {
        Line::text(HEADLINE)?;
    }
    let mut last = None;
    loop {
        let page = inspector.users(last, PAGE)?;
        let Some(end) = page.last() else { return Ok(()) };
        last = Some(end.user.id);
        for record in &page {
            match format {
                Format::Text => Line::text(row(record))?,
                Format::Json => Line::json(&UserJson::from(record))?,
            }
        }
    }
}

/// Prints one user.
pub(crate) fn user(site: &Site, phone: Phone, format: Format) -> Result<(), Failure> {
    let found = site.inspect()?.user(UserRef::Phone(phone))?;
    let record =
        found.ok_or_else(|| Failure::new(format_args!("nobody is registered as {phone}")))?;
    match format {
        Format::Json => Line::json(&UserJson::from(&record)),
        Format::Text => details(&record).lines().try_for_each(Line::text),
    }
}

/// Checks the whole database, prints what is wrong, and fails if anything is.
pub(crate) fn check(data: &DataFolder, format: Format) -> Result<(), Failure> {
    let CheckReport { users, items, findings } = data.inspect()?.check()?;
    let objection = data.objection_to_database()?;
    let findings: Vec<_> = findings.iter().map(ToString::to_string).chain(objection).collect();
    match format {
        Format::Json => Line::json(&CheckJson {
            sound: findings.is_empty(),
            users,
            items,
            findings: findings.clone(),
        })?,
        Format::Text => {
            findings.iter().try_for_each(Line::text)?;
            Line::text(format_args!("read {users} users and {items} stored items"))?;
        }
    }
    match findings.len() {
        0 => Ok(()),
        1 => Err(Failure::new("the database is damaged or incomplete: 1 finding, printed above")),
        many => Err(Failure::new(format_args!(
            "the database is damaged or incomplete: {many} findings, printed above"
        ))),
    }
}

#[derive(Serialize)]
struct UserJson {
    id: u64,
    phone: String,
    fingerprint: String,
    created: String,
    last_seen: String,
    suspended: Option<String>,
    pending_messages: u64,
    pending_receipts: u64,
    pending_bytes: u64,
    pending_receipt_bytes: u64,
    oldest: Option<String>,
}

#[derive(Serialize)]
struct CheckJson {
    sound: bool,
    users: u64,
    items: u64,
    findings: Vec<String>,
}

impl From<&UserRecord> for UserJson {
    fn from(record: &UserRecord) -> Self {
        Self {
            id: record.user.id.value(),
            phone: record.user.phone.to_string(),
            fingerprint: fingerprint(record).to_string(),
            created: utc(record.created_at),
            last_seen: utc(record.user.last_seen),
            suspended: suspended_at(record).map(utc),
            pending_messages: record.mailbox.messages,
            pending_receipts: record.mailbox.receipts,
            pending_bytes: record.mailbox.bytes,
            pending_receipt_bytes: record.mailbox.receipt_bytes,
            oldest: record.oldest.map(utc),
        }
    }
}

const HEADLINE: &str =
    "id      phone             last seen (UTC)      messages  receipts       bytes  key";

fn row(record: &UserRecord) -> String {
    format!(
        "{:<6}  {:<16}  {}  {:>8}  {:>8}  {:>10}  {}{}",
        record.user.id,
        record.user.phone.to_string(),
        record.user.last_seen,
        record.mailbox.messages,
        record.mailbox.receipts,
        record.mailbox.all_bytes(),
        fingerprint(record),
        if suspended_at(record).is_some() { "  suspended" } else { "" },
    )
}

fn details(record: &UserRecord) -> String {
    format!(
        "id         {}\nphone      {}\nkey        sha256:{}\ncreated    {} UTC\nlast seen  {} UTC\n\
         suspended  {}\nwaiting    {}\noldest     {}",
        record.user.id,
        record.user.phone,
        fingerprint(record),
        record.created_at,
        record.user.last_seen,
        when(suspended_at(record)),
        record.mailbox,
        when(record.oldest),
    )
}

fn fingerprint(record: &UserRecord) -> &Fingerprint {
    record.user.public_key.fingerprint()
}

fn suspended_at(record: &UserRecord) -> Option<Timestamp> {
    match record.suspension {
        Suspension::Active => None,
        Suspension::Suspended(at) => Some(at),
    }
}

fn when(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{time} UTC"))
}

/// Users read from the store at once.
const PAGE: u32 = 1_000;
