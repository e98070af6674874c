//! Names of what notices tell of, by which those of one cause are counted, and removed when it is over.

use sealpost_core::ids::Phone;

/// A member gets no changes of the group.
pub(in crate::engine) fn unreached(phone: Phone) -> String {
    format!("unreached {phone}")
}

/// Texts of somebody are not shown in the group.
pub(in crate::engine) fn refused(phone: Phone) -> String {
    format!("refused {phone}")
}

/// Somebody writes for groups with a key that was not accepted.
pub(in crate::engine) fn other_key(phone: Phone) -> String {
    format!("other key {phone}")
}
