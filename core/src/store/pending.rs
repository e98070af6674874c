//! Proof that something is on disk.

use super::StoreError;

/// Something that waits for the store. The only way to a [`Durable`].
#[derive(Debug)]
pub struct Pending<T>(T);

impl<T> Pending<T> {
    /// Holds what will be durable once the store has answered.
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }

    /// Gives the proof if the store has committed, and the value back if not.
    ///
    /// `committed` is the outcome of the operation that this waited for.
    pub(crate) fn resolve<R>(
        self,
        committed: Result<R, StoreError>,
    ) -> Result<(Durable<T>, R), (T, StoreError)> {
        match committed {
            Ok(reply) => Ok((Durable(self.0), reply)),
            Err(error) => Err((self.0, error)),
        }
    }
}

/// Something that the store has committed: it survives a loss of power. What is acknowledged as
/// *stored* is built from this only.
#[derive(Debug)]
pub struct Durable<T>(T);

impl<T> Durable<T> {
    /// What is durable.
    pub fn into_inner(self) -> T {
        self.0
    }
}
