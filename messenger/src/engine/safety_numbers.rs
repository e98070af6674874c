//! Safety numbers with contacts. One takes milliseconds to compute, so they are kept.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use sealpost_core::keys::{Fingerprint, PublicKey, safety_number};

/// The safety numbers that were computed.
#[derive(Debug, Default)]
pub(super) struct SafetyNumbers(Mutex<BTreeMap<Fingerprint, String>>);

impl SafetyNumbers {
    /// The safety number of two keys: 60 digits in groups of five.
    pub(super) fn of(&self, ours: &PublicKey, theirs: &PublicKey) -> String {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(theirs.fingerprint()) {
            return known.clone();
        }
        let number = grouped(&safety_number(ours, theirs));
        let mut known = lock();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(*theirs.fingerprint(), number.clone());
        number
    }
}

fn grouped(digits: &str) -> String {
    let (groups, rest) = digits.as_bytes().as_chunks::<5>();
    let groups = groups.iter().map(<[u8; 5]>::as_slice).chain((!rest.is_empty()).then_some(rest));
    groups.map(|group| str::from_utf8(group).unwrap_or_default()).collect::<Vec<_>>().join(" ")
}

/// Most numbers kept, a hundred bytes each.
const KNOWN_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_in_groups_of_five() {
        assert_eq!(grouped(&"1234567890".repeat(6)), ["12345 67890"; 6].join(" "));
    }
}
