//! The operator deletes or suspends an account: its session ends.

use crate::ids::UserId;
use crate::server::state::refusal::Refusal;
use crate::server::{AccountChange, Server};
use crate::time::whole_secs;
use crate::wire::ErrorCode;

impl Server {
    /// Ends the user's session, and keeps one that is being granted from beginning. A later 106 is
    /// refused by the store, which knows of the change already.
    pub(in crate::server) fn on_account_changed(&mut self, user: UserId, why: AccountChange) {
        let granted = self.connections.granted_to(user);
        if let Some(conn) = granted {
            self.connections.cancel_granting(user, conn);
        }
        for conn in granted.into_iter().chain(self.connections.of_user(user)) {
            let refusal = match why {
                // The client asks for another session, and learns that there is no such account.
                AccountChange::Deleted => Refusal::new(ErrorCode::NotAuthenticated)
                    .saying("the operator has deleted this account"),
                AccountChange::Suspended => self.suspended(),
            };
            self.refuse_and_close(conn, refusal);
        }
    }

    /// The refusal for a user whose account is suspended. Its client asks again after a long pause.
    pub(in crate::server) fn suspended(&self) -> Refusal {
        let retry_after = whole_secs(self.config.limits.suspended_retry);
        Refusal {
            retry_after_secs: u32::try_from(retry_after).unwrap_or(u32::MAX),
            ..Refusal::new(ErrorCode::Suspended)
        }
    }
}
