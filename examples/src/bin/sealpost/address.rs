//! `sealpost address`.

use sealpost_core::address::ServerAddress;
use sealpost_programs::{Failure, Format, Line};
use sealpost_storage::client::ClientStorage;
use serde_json::json;

use crate::home::{Home, ServerKey};

/// Prints the address of the account's server, after replacing it if there is a new one. Nothing is
/// connected to: what makes it the same server is its fingerprint, or its user's word.
pub(crate) fn address(
    home: &Home,
    new: Option<&ServerAddress>,
    key: ServerKey,
    format: Format,
) -> Result<(), Failure> {
    let identity = match new {
        None => home.look()?.identity()?,
        Some(new) => home.move_server(new, key)?,
    };
    let address = identity.address();
    match format {
        Format::Json => Line::json(&json!({ "address": address.to_string() })),
        Format::Text => Line::text(address),
    }
}
