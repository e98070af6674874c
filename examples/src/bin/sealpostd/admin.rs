//! Commands that change users, and the one that prints the address.

use std::io::Write;

use sealpost_core::address::ServerAddress;
use sealpost_core::ids::Phone;
use sealpost_programs::{Failure, Line};
use sealpost_storage::Quota;

use crate::data::DataFolder;
use crate::serve::ANY_HOST;

/// Deletes a user. Refused while a server runs, because the server would not notice.
pub(crate) fn delete_user(data: &DataFolder, phone: Phone) -> Result<(), Failure> {
    let _lock = data.lock()?;
    // Looked up first: opening with a profile would create a missing database.
    let profile = data.inspect()?.profile();
    let (mut store, _) = data.open(Some(profile), Quota::default())?;
    if !store.delete_user(phone)? {
        return Err(Failure::new(format_args!("nobody is registered as {phone}")));
    }
    Line::text(format_args!("deleted {phone}"))
}

/// Prints the address that the server saved at its last start, with another host if one is given.
pub(crate) fn print_address(data: &DataFolder, host: Option<&str>) -> Result<(), Failure> {
    let file = data.address();
    if !file.exists() {
        return Err(data.unused());
    }
    let saved = std::fs::read_to_string(&file).map_err(Failure::context(file.display()))?;
    let mut address: ServerAddress =
        saved.trim_end().parse().map_err(Failure::context(file.display()))?;
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
    Line::text(address)
}
