//! The error of limits that a machine cannot work with.

/// A limit that a machine cannot work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limit `{field}` {must}")]
pub struct InvalidLimits {
    /// Name of the field in `Limits`, or of a list in `Config`.
    pub field: &'static str,
    /// Condition that the field violates: "must be at least 1".
    pub must: &'static str,
}

impl InvalidLimits {
    /// Returns the error unless `holds`.
    pub(crate) const fn unless(
        holds: bool,
        field: &'static str,
        must: &'static str,
    ) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self { field, must }) }
    }
}
