//! What operations work with.

use std::sync::Arc;

use sealpost_core::wire::Profile;

use super::accounts::Accounts;
use super::connection::Connection;
use super::fill::Fill;
use super::layout::Layout;
use super::mailboxes::Mailboxes;
use super::pace::Pace;
use super::recent::Recent;
use super::servers::Servers;
use crate::server::quota::SharedQuota;

/// An open deployment, with what is remembered from one operation to the next.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) connection: Connection,
    pub(super) layout: Layout,
    pub(super) profile: Profile,
    pub(super) quota: SharedQuota,
    pub(super) servers: Arc<Servers>,
    fill: Fill,
    pace: Pace,
    recent: Recent,
}

impl Desk {
    pub(super) fn new(
        connection: Connection,
        layout: Layout,
        profile: Profile,
        quota: SharedQuota,
        servers: Arc<Servers>,
    ) -> Self {
        let (fill, pace, recent) = (Fill::default(), Pace::default(), Recent::default());
        Self { connection, layout, profile, quota, servers, fill, pace, recent }
    }

    /// Another one on the same deployment, which remembers nothing yet.
    pub(super) fn another(&self) -> Self {
        let (connection, layout) = (self.connection.clone(), self.layout.clone());
        Self::new(connection, layout, self.profile, self.quota.clone(), Arc::clone(&self.servers))
    }

    pub(super) const fn accounts(&self) -> Accounts<'_> {
        let Self { connection, layout, profile, .. } = self;
        Accounts { connection, layout, profile: *profile }
    }

    pub(super) fn mailboxes(&self) -> Mailboxes<'_> {
        let Self { connection, layout, profile, quota, servers, fill, pace, recent } = self;
        let (profile, quota) = (*profile, quota.current());
        Mailboxes { connection, layout, profile, quota, fill, pace, recent, servers }
    }
}
