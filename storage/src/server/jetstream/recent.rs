//! What this server has lately written last.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sealpost_core::ids::UserId;
use tokio::time::Instant;

/// The revisions of mailboxes that this server has changed in the last minute. A list that lacks one of
/// them is not complete, whatever a leader says: it may have been deposed, and not know it yet.
#[derive(Debug, Default)]
pub(super) struct Recent(RefCell<Writes>);

#[derive(Debug, Default)]
struct Writes {
    revisions: BTreeMap<UserId, u64>,
    order: VecDeque<(Instant, UserId, u64)>,
}

impl Recent {
    /// A mailbox was changed, and has this revision or a later one.
    pub(super) fn changed(&self, mailbox: UserId, revision: u64) {
        let now = Instant::now();
        let mut writes = self.0.borrow_mut();
        writes.forget_until(now.checked_sub(REMEMBERED));
        let known = writes.revisions.entry(mailbox).or_default();
        *known = revision.max(*known);
        writes.order.push_back((now, mailbox, revision));
    }

    /// The revision of a mailbox that a list must have at least.
    pub(super) fn revision(&self, mailbox: UserId) -> u64 {
        self.0.borrow().revisions.get(&mailbox).copied().unwrap_or_default()
    }
}

impl Writes {
    fn forget_until(&mut self, time: Option<Instant>) {
        let Some(time) = time else { return };
        while let Some((_, mailbox, revision)) = self.order.pop_front_if(|(at, ..)| *at < time) {
            // Unless it was changed again since.
            if self.revisions.get(&mailbox) == Some(&revision) {
                self.revisions.remove(&mailbox);
            }
        }
    }
}

/// Longer than a leader that was deposed takes to notice it.
const REMEMBERED: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_revision_is_forgotten_after_a_while() {
        let [alice, bob] = [1, 2].map(|id| UserId::new(id).unwrap());
        let recent = Recent::default();
        for (mailbox, revision) in [(alice, 5), (bob, 6), (alice, 9)] {
            recent.changed(mailbox, revision);
        }
        assert_eq!([alice, bob].map(|mailbox| recent.revision(mailbox)), [9_u64, 6]);
        let middle = recent.0.borrow().order[2].0;
        recent.0.borrow_mut().forget_until(Some(middle));
        assert_eq!([alice, bob].map(|mailbox| recent.revision(mailbox)), [9_u64, 0]);
        recent.0.borrow_mut().forget_until(Some(middle + Duration::from_secs(1)));
        assert_eq!(recent.revision(alice), 0);
        assert!(recent.0.borrow().order.is_empty());
    }
}
