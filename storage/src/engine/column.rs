//! Values of columns, validated as they are read.

use rusqlite::Row;
use rusqlite::types::ValueRef;
use sealpost_core::ids::{Phone, UserId};
use sealpost_core::keys::{PublicKey, WrappedKey};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Profile;

/// A stored value does not parse as what was written. Names the kind of value, never the value.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a stored {0} is unreadable")]
pub(crate) struct Unreadable(pub(crate) &'static str);

impl From<Unreadable> for rusqlite::Error {
    fn from(unreadable: Unreadable) -> Self {
        let kind = rusqlite::types::Type::Null;
        Self::FromSqlConversionFailure(0, kind, Box::new(unreadable))
    }
}

/// Reads a number that is unsigned everywhere but in SQLite, which keeps its bits as signed.
pub(crate) fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

/// Reads a user id.
pub(crate) fn user_id(row: &Row<'_>, column: usize) -> rusqlite::Result<UserId> {
    Ok(UserId::new(id(row, column)?).ok_or(Unreadable("user id"))?)
}

/// Reads a phone number.
pub(crate) fn phone(row: &Row<'_>, column: usize) -> rusqlite::Result<Phone> {
    let phone = row.get_ref(column)?.as_str().map_err(|_| Unreadable("phone number"))?;
    Ok(phone.parse().map_err(|_| Unreadable("phone number"))?)
}

/// Reads a public key.
pub(crate) fn public_key(row: &Row<'_>, column: usize) -> rusqlite::Result<PublicKey> {
    let der = row.get_ref(column)?.as_blob().map_err(|_| Unreadable("public key"))?;
    Ok(PublicKey::from_accepted_der(der).map_err(|_| Unreadable("public key"))?)
}

/// Reads a timestamp, in seconds since 1970.
pub(crate) fn timestamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let secs = row.get(column)?;
    let timestamp = Timestamp::from_unix_secs(secs);
    // `from_unix_secs` clamps to the calendar: a value that it changes was never written by us.
    if timestamp.unix_secs() == secs { Ok(timestamp) } else { Err(Unreadable("time").into()) }
}

/// Reads a wrapped session key.
pub(crate) fn wrapped_key(row: &Row<'_>, column: usize) -> rusqlite::Result<WrappedKey> {
    Ok(WrappedKey(row.get(column)?))
}

/// Reads a count of items or bytes.
pub(crate) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).map_err(|_| Unreadable("count"))?)
}

/// Reads a profile by its name.
pub(crate) fn profile(row: &Row<'_>, column: usize) -> rusqlite::Result<Profile> {
    match row.get_ref(column)?.as_str() {
        Ok("compact") => Ok(Profile::Compact),
        Ok("wide") => Ok(Profile::Wide),
        Ok(_) | Err(_) => Err(Unreadable("profile").into()),
    }
}

/// Name of a profile, as stored and as shown to the operator.
pub(crate) const fn profile_name(profile: Profile) -> &'static str {
    match profile {
        Profile::Compact => "compact",
        Profile::Wide => "wide",
    }
}

/// Reads a column that may be NULL.
pub(crate) fn optional<T>(
    row: &Row<'_>,
    column: usize,
    read: impl FnOnce(&Row<'_>, usize) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    if row.get_ref(column)? == ValueRef::Null {
        return Ok(None);
    }
    read(row, column).map(Some)
}
