//! The one error of everything that is not an event.

/// The bytes are not an event: not CBOR, not deterministic, or with a field that is missing or
/// wrong. One error for all of it: the message is shown as one that does not open, whatever is
/// wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an event")]
pub struct NotAnEvent;

impl From<minicbor::decode::Error> for NotAnEvent {
    fn from(_: minicbor::decode::Error) -> Self {
        Self
    }
}
