//! Values of columns, checked as they are read.

use rusqlite::Row;
use rusqlite::types::ValueRef;
use sealpost_core::ids::{Phone, UserId};
use sealpost_core::keys::{PublicKey, WrappedKey};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Profile;

use super::error::Unreadable;

/// A number that is unsigned everywhere but in SQLite.
pub(crate) fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

/// A user's id.
pub(crate) fn user_id(row: &Row<'_>, column: usize) -> rusqlite::Result<UserId> {
    Ok(UserId::new(id(row, column)?).ok_or(Unreadable("user id"))?)
}

/// A phone number.
pub(crate) fn phone(row: &Row<'_>, column: usize) -> rusqlite::Result<Phone> {
    let phone = row.get_ref(column)?.as_str().map_err(|_| Unreadable("phone number"))?;
    Ok(phone.parse().map_err(|_| Unreadable("phone number"))?)
}

/// A public key.
pub(crate) fn public_key(row: &Row<'_>, column: usize) -> rusqlite::Result<PublicKey> {
    let der = row.get_ref(column)?.as_blob().map_err(|_| Unreadable("public key"))?;
    Ok(PublicKey::from_accepted_der(der).map_err(|_| Unreadable("public key"))?)
}

/// A second of the calendar.
pub(crate) fn timestamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let secs = row.get(column)?;
    let timestamp = Timestamp::from_unix_secs(secs);
    // `from_unix_secs` holds what is out of the calendar within it.
    if timestamp.unix_secs() == secs { Ok(timestamp) } else { Err(Unreadable("time").into()) }
}

/// A wrapped session key.
pub(crate) fn wrapped_key(row: &Row<'_>, column: usize) -> rusqlite::Result<WrappedKey> {
    Ok(WrappedKey(row.get(column)?))
}

/// A count of items or bytes.
pub(crate) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).map_err(|_| Unreadable("count"))?)
}

/// A profile, by name.
pub(crate) fn profile(row: &Row<'_>, column: usize) -> rusqlite::Result<Profile> {
    match row.get_ref(column)?.as_str() {
        Ok("compact") => Ok(Profile::Compact),
        Ok("wide") => Ok(Profile::Wide),
        Ok(_) | Err(_) => Err(Unreadable("profile").into()),
    }
}

/// A profile's name.
pub(crate) const fn profile_name(profile: Profile) -> &'static str {
    match profile {
        Profile::Compact => "compact",
        Profile::Wide => "wide",
    }
}

/// A column that may be NULL.
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
