//! The account, and the program that has it.

use sealpost_core::address::ServerAddress;
use sealpost_core::ids::UserId;
use sealpost_storage::client::{ClientStorage, Identity, OutboxCounts};

use crate::api::{API_VERSION, ApiError, PhoneNumber, StatusResult, VersionResult};
use crate::engine::access::Access;
use crate::engine::core::Core;

impl Access {
    pub(in crate::engine) fn version(&self) -> VersionResult {
        VersionResult { api_version: API_VERSION, version: self.core.version.into() }
    }
}

impl Core {
    pub(in crate::engine) fn status(&self) -> Result<StatusResult, ApiError> {
        let (snapshot, counts) = self.read(|store| Ok((store.load()?, store.message_counts()?)))?;
        let OutboxCounts { queued, stored, delivered, failed } = counts;
        Ok(StatusResult {
            phone: PhoneNumber(self.identity.phone),
            id: snapshot.account.user.map(UserId::value),
            server: address(&self.identity)?.to_string(),
            fingerprint: self.public_key.fingerprint().to_string(),
            connection: self.hub.connection(),
            contacts: snapshot.contacts.len() as u64,
            queued,
            stored,
            delivered,
            failed,
            clock_offset_seconds: snapshot.account.clock_offset_secs,
        })
    }
}

fn address(identity: &Identity) -> Result<ServerAddress, ApiError> {
    let (host, port) = identity.split_place();
    let Identity { transport, profile, server, .. } = *identity;
    let port = port.parse().map_err(ApiError::internal)?;
    ServerAddress::new(transport, profile, host, port, server).map_err(ApiError::internal)
}
