//! Commands that need a stopped server, and the one that prints the address.

use std::io::Write;

use sealpost_core::address::{Endpoint, ServerAddress};
use sealpost_core::wire::Profile;
use sealpost_programs::{Failure, Format, Line, now, utc};
use serde_json::json;

use crate::address::lacks_host;
use crate::data::DataFolder;
use crate::site::Site;

/// Records the clock's time as the newest one, however far it is from the one on record.
pub(crate) fn trust_clock(site: &Site, format: Format) -> Result<(), Failure> {
    let _lock = site.data().lock()?;
    let mut store = site.open()?;
    let clock = now()?;
    store.trust_clock(clock)?;
    match format {
        Format::Json => Line::json(&json!({ "trusted_clock": utc(clock) })),
        Format::Text => Line::text(format_args!("trusted the clock at {clock} UTC")),
    }
}

/// Accepts the database that is in the folder.
pub(crate) fn accept_database(
    data: &DataFolder,
    skip: Option<u64>,
    format: Format,
) -> Result<(), Failure> {
    let _lock = data.lock()?;
    let skipped = data.accept_database(skip)?;
    if format == Format::Json {
        return Line::json(&json!({ "accepted": true, "next_user_id": skipped.next() }));
    }
    Line::text("accepted the database; what is missing from it is lost")?;
    skipped.report()
}

/// Creates an empty database. Refused if there is one with anything in it.
pub(crate) fn create_database(
    data: &DataFolder,
    profile: Profile,
    format: Format,
) -> Result<(), Failure> {
    let _lock = data.lock()?;
    data.create_database(profile)?;
    match format {
        Format::Json => Line::json(&json!({ "created": true })),
        Format::Text => Line::text("created an empty database"),
    }
}

/// Key in an address that is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressKey {
    /// The server's key, or its successor while there is one.
    New,
    /// The key that has a successor.
    Old,
}

/// Prints the address that the server saved at its last start, with another host if one is given.
pub(crate) fn print_address(
    data: &DataFolder,
    key: AddressKey,
    host: Option<&str>,
    format: Format,
) -> Result<(), Failure> {
    let mut address = address(data, host)?;
    if key == AddressKey::Old {
        if data.successor_since()?.is_none() {
            return Err(Failure::new("the server has one key only, and so one address"));
        }
        address = address.with_fingerprint(*data.public_key()?.fingerprint());
    }
    match format {
        Format::Json => Line::json(&json!({ "address": address.to_string() })),
        Format::Text => Line::text(address),
    }
}

/// The address that the server saved at its last start, with another host, one only, if it is given. Tells the
/// operator if the host is missing.
pub(crate) fn address(data: &DataFolder, host: Option<&str>) -> Result<ServerAddress, Failure> {
    let mut address = data.address()?;
    if let Some(host) = host {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let endpoint = Endpoint::new(host, address.endpoints().first().port())
            .map_err(Failure::context("--host"))?;
        let (transport, profile) = (address.transport(), address.profile());
        address = ServerAddress::new(transport, profile, endpoint.into(), *address.fingerprint());
    } else if lacks_host(&address) {
        let hint = "put this machine's name or address in place of HOST, or pass it with --host";
        // A hint that can't be printed must not keep the address from being printed.
        let _ = writeln!(std::io::stderr(), "sealpostd: {hint}");
    }
    Ok(address)
}
