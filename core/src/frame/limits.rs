//! What is wrong with a machine's limits.

/// A limit that a machine can't work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limit `{field}` {must}")]
pub struct InvalidLimits {
    /// The field's name.
    pub field: &'static str,
    /// What must hold for it: "must be at least 1".
    pub must: &'static str,
}

impl InvalidLimits {
    /// An error unless `holds`.
    pub(crate) const fn unless(
        holds: bool,
        field: &'static str,
        must: &'static str,
    ) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self { field, must }) }
    }
}
