//! The error of parsing a payload.

/// A payload that cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed payload")]
pub struct Malformed;
