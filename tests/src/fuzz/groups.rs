//! States and records of groups (PROTOCOL 5.5).

use sealpost_core::groups::{Record, States, limits};

/// Parses the input, behind its first byte, as the states of a message or as a record in the store.
/// Every signature passes: whoever owns a group signs whatever they like.
///
/// Properties: nothing panics; whatever parses is encoded to the same bytes, and keeps to the bounds.
///
/// # Panics
/// If one of these properties is violated.
pub fn groups(data: &[u8]) {
    let Some((selector, bytes)) = data.split_first() else { return };
    if selector % 2 == STATES {
        let Ok(states) = States::verify(bytes, |_| Ok(())) else { return };
        assert_eq!(states.encode(), bytes);
        assert!((1..=limits::CHAIN).contains(&states.as_slice().len()));
        for state in states.as_slice() {
            assert!(state.state().keys().count() <= limits::MEMBERS);
            assert!(state.state().owner().is_some());
        }
    } else {
        let Ok(record) = Record::decode(bytes, |_| Ok(())) else { return };
        assert_eq!(record.encode(), bytes);
        assert!(record.states().count() <= limits::CHAIN);
    }
}

const STATES: u8 = 0;
