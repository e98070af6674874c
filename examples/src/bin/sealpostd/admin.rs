//! What an operator does about users and the address.

use std::io::Write;

use sealpost_core::address::ServerAddress;
use sealpost_core::ids::Phone;
use sealpost_programs::{Failure, Line};

use crate::data::DataFolder;
use crate::serve::ANY_HOST;

/// Deletes a user. A running server would not learn of it, so none may be.
pub(crate) fn delete_user(data: &DataFolder, phone: Phone) -> Result<(), Failure> {
    let _lock = data.lock()?;
    // Asked first, so that no database is made.
    let profile = data.inspect()?.profile();
    let (mut store, _) = data.open(Some(profile))?;
    if !store.delete_user(phone)? {
        return Err(Failure::new(format_args!("nobody is registered as {phone}")));
    }
    Line::text(format_args!("deleted {phone}"))
}

/// Prints the address that the server noted, with another host if one is given.
pub(crate) fn print_address(data: &DataFolder, host: Option<&str>) -> Result<(), Failure> {
    let file = data.address();
    if !file.exists() {
        return Err(data.unused());
    }
    let noted = std::fs::read_to_string(&file).map_err(Failure::context(file.display()))?;
    let mut address: ServerAddress =
        noted.trim_end().parse().map_err(Failure::context(file.display()))?;
    if let Some(host) = host {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        address =
            ServerAddress::new(address.profile(), host, address.port(), *address.fingerprint())
                .map_err(Failure::context("--host"))?;
    } else if address.host() == ANY_HOST {
        let hint = "write this machine's name or address in place of HOST, or give it with --host";
        // The address itself is what was asked for.
        let _ = writeln!(std::io::stderr(), "sealpostd: {hint}");
    }
    Line::text(address)
}
