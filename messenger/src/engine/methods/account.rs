//! The account, and the program that has it.

use std::sync::Arc;

use sealpost_core::address::ServerAddress;
use sealpost_core::client::{Command, Notice, OfflineReason};
use sealpost_core::ids::UserId;
use sealpost_storage::client::{ClientStorage, Identity, OutboxCounts};

use crate::api::{
    API_VERSION, ApiError, ConnectParams, ConnectResult, Connection, PhoneNumber, StatusResult,
    VersionResult,
};
use crate::engine::access::Access;
use crate::engine::core::Core;
use crate::engine::hub::{Vain, deadline_in};

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

    /// Connects at once, unless there is a session.
    #[expect(clippy::wildcard_enum_match_arm, reason = "few of the notices matter here")]
    pub(in crate::engine) fn connect(
        self: &Arc<Self>,
        params: ConnectParams,
    ) -> impl FnOnce() -> Result<ConnectResult, ApiError> + use<> {
        let deadline = deadline_in(params.timeout_seconds);
        let watch = self.hub.watch();
        let is_online = matches!(self.hub.connection(), Connection::Online { .. });
        if !is_online {
            self.handle.command(Command::Connect);
        }
        let core = Arc::clone(self);
        move || {
            let decided = |notice: &Notice| match notice {
                Notice::Online { .. } => Some(()),
                Notice::Offline { reason, .. } if *reason != OfflineReason::Requested => Some(()),
                _ => None,
            };
            match if is_online { Ok(()) } else { watch.until(deadline, decided) } {
                Ok(()) | Err(Vain::TimedOut) => {}
                Err(vain @ Vain::Stopped) => return Err(core.unanswered(vain)),
            }
            Ok(ConnectResult { connection: core.hub.connection() })
        }
    }
}

fn address(identity: &Identity) -> Result<ServerAddress, ApiError> {
    let (host, port) = identity.split_place();
    let Identity { transport, profile, server, .. } = *identity;
    let port = port.parse().map_err(ApiError::internal)?;
    ServerAddress::new(transport, profile, host, port, server).map_err(ApiError::internal)
}
