//! Members of groups, as the machine last had them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sealpost_core::event::GroupId;
use sealpost_core::groups::Groups;
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;

/// Whose phone numbers the owners of groups have named, in any state that is kept. A turn of the
/// machine has its desk, and shows entries meanwhile: so this has a lock of its own.
#[derive(Debug, Default)]
pub(in crate::engine) struct Members(Mutex<BTreeMap<GroupId, BTreeMap<Fingerprint, Phone>>>);

impl Members {
    /// Notes the members of groups that are new or have changed.
    pub(super) fn note<'a>(
        &self,
        machine: &Groups,
        changed: impl IntoIterator<Item = &'a GroupId>,
    ) {
        let mut known = self.lock();
        for group in changed {
            let record = machine.group(*group).into_iter();
            let members = record.flat_map(|record| {
                let states = record.states().map(|signed| &signed.state().parts().members);
                states.flatten().map(|(key, member)| (*key, member.phone))
            });
            known.insert(*group, members.collect());
        }
    }

    /// Phone numbers by keys.
    pub(in crate::engine) fn phones(&self) -> BTreeMap<Fingerprint, Phone> {
        self.lock().values().flatten().map(|(key, phone)| (*key, *phone)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<GroupId, BTreeMap<Fingerprint, Phone>>> {
        // No code that holds the lock can leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
