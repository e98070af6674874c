//! Turns of several servers at one mailbox.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use sealpost_core::ids::UserId;
use tokio::time::{Instant, sleep_until};

/// When this server changed which mailboxes.
///
/// A transaction succeeds only if nobody else's comes between its read and its write. Of two servers
/// that change one mailbox all the time, the one that is nearer to the leader would win always. So
/// each leaves the mailbox to others for a moment after its own turn.
#[derive(Debug, Default)]
pub(super) struct Pace(RefCell<BTreeMap<UserId, Instant>>);

impl Pace {
    /// Waits until it is this server's turn again.
    pub(super) async fn turn(&self, mailbox: UserId) {
        let last = self.0.borrow().get(&mailbox).copied();
        if let Some(last) = last {
            sleep_until(last + REST).await;
        }
    }

    /// The mailbox was changed.
    pub(super) fn changed(&self, mailbox: UserId) {
        let now = Instant::now();
        let mut recent = self.0.borrow_mut();
        recent.retain(|_, last| now.duration_since(*last) < REST);
        recent.insert(mailbox, now);
    }
}

/// Longer than another server takes from its read to its write, if the engine is in one place.
const REST: Duration = Duration::from_millis(4);
