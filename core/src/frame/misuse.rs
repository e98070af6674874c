//! Mistakes of a host.

/// Mistake of a host. The machine reports it in a notice and goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// An outcome was reported under a ticket that no operation or job is waiting under, or an
    /// outcome of the wrong kind.
    #[error("outcome reported under an unknown ticket, or of the wrong kind")]
    UnexpectedOutcome,
    /// A connection was opened under a number that was used before.
    #[error("connection number used twice")]
    ReusedConn,
}
