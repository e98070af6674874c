//! The host's mistakes.

/// Something that a host must not do. The machine reports it in a notice and goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// No operation or job is under way with this ticket, or its outcome is of another kind.
    #[error("an outcome that nothing waits for")]
    UnexpectedOutcome,
    /// A connection's number was used twice.
    #[error("a connection number used twice")]
    ReusedConn,
}
