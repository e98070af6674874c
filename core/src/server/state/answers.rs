//! People to whom a session's user has written.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::ids::UserId;

/// People whom the user has answered, until the store knows: at the end of the session, or once so
/// many have gathered that they take memory. So a live message costs no store operation.
#[derive(Debug, Default)]
pub(super) struct Answers(BTreeSet<UserId>);

impl Answers {
    pub(super) const fn new() -> Self {
        Self(BTreeSet::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The user has written to `peer`. Returns those to be recorded, if enough have gathered.
    pub(super) fn add(&mut self, peer: UserId) -> Option<Vec<UserId>> {
        self.0.insert(peer);
        (self.0.len() >= GATHERED).then(|| self.take())
    }

    pub(super) fn take(&mut self) -> Vec<UserId> {
        core::mem::take(&mut self.0).into_iter().collect()
    }
}

/// 64 ids take about as much memory as the session itself.
const GATHERED: usize = 64;
