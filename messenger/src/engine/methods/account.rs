//! The account, and the program that has it.

use std::sync::Arc;

use sealpost_core::client::{Command, Notice, OfflineReason};
use sealpost_core::ids::UserId;
use sealpost_storage::client::{ClientStorage, OutboxCounts};

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
        let endpoint = self.hub.endpoint().and_then(|index| self.identity.endpoints.at(index));
        Ok(StatusResult {
            phone: PhoneNumber(self.identity.phone),
            id: snapshot.account.user.map(UserId::value),
            server: self.identity.address().to_string(),
            endpoint: endpoint.map(ToString::to_string),
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
            let mut untried = core.identity.endpoints.count().get();
            let decided = |notice: &Notice| match notice {
                Notice::Online { .. } => Some(()),
                Notice::Offline { reason: OfflineReason::Requested, .. } => None,
                Notice::Offline { retry_in, .. } => {
                    untried -= 1;
                    (retry_in.is_none() || untried == 0).then_some(())
                }
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
