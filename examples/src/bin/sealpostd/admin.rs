//! Commands that change users, and the one that prints the address.

use std::io::Write;
use std::time::SystemTime;

use sealpost_core::address::ServerAddress;
use sealpost_core::ids::Phone;
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Profile;
use sealpost_programs::{Failure, Line};

use crate::data::DataFolder;
use crate::serve::ANY_HOST;

/// Deletes a user. Refused while a server runs, because the server would not notice.
pub(crate) fn delete_user(data: &DataFolder, phone: Phone) -> Result<(), Failure> {
    let _lock = data.lock()?;
    let mut store = data.open_existing()?;
    if !store.delete_user(phone)? {
        return Err(Failure::new(format_args!("nobody is registered as {phone}")));
    }
    Line::text(format_args!("deleted {phone}"))
}

/// Records the clock's time as the newest one, however far it is from the one on record.
pub(crate) fn trust_clock(data: &DataFolder) -> Result<(), Failure> {
    let _lock = data.lock()?;
    let mut store = data.open_existing()?;
    let clock = clock()?;
    store.trust_clock(clock)?;
    Line::text(format_args!("trusted the clock at {clock} UTC"))
}

/// Time on this machine's clock.
pub(crate) fn clock() -> Result<Timestamp, Failure> {
    let since_1970 = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_err(Failure::context("the clock is before 1970"))?;
    let secs = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    Ok(Timestamp::from_unix_secs(secs))
}

/// Creates an empty database. Refused if there is one with anything in it.
pub(crate) fn create_database(data: &DataFolder, profile: Profile) -> Result<(), Failure> {
    let _lock = data.lock()?;
    data.create_database(profile)?;
    Line::text("created an empty database")
}

/// Prints the address that the server saved at its last start, with another host if one is given.
pub(crate) fn print_address(data: &DataFolder, host: Option<&str>) -> Result<(), Failure> {
    Line::text(address(data, host)?)
}

/// The address that the server saved at its last start, with another host if one is given. Tells the
/// operator if the host is missing.
pub(crate) fn address(data: &DataFolder, host: Option<&str>) -> Result<ServerAddress, Failure> {
    let mut address = data.address()?;
    if let Some(host) = host {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        address =
            ServerAddress::new(address.profile(), host, address.port(), *address.fingerprint())
                .map_err(Failure::context("--host"))?;
    } else if address.host() == ANY_HOST {
        let hint = "put this machine's name or address in place of HOST, or pass it with --host";
        // A hint that can't be printed must not keep the address from being printed.
        let _ = writeln!(std::io::stderr(), "sealpostd: {hint}");
    }
    Ok(address)
}
