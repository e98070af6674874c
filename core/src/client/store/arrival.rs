//! How a message that arrived relates to the others of its sender.

/// Whether the sender's message before this one has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Continuity {
    /// It has, or this one names none.
    Next,
    /// It has not: something was left out on the way, and may yet arrive.
    AfterGap,
}

/// Place of a message among those of its sender that arrived before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arrival {
    /// Its id is the largest so far.
    InOrder,
    /// A message with a larger id arrived before it. It was held back on the way, or its sender was
    /// restored from a backup.
    Late,
    /// It is late, and is the one that a message before it was reported to be missing:
    /// [`Continuity::AfterGap`].
    FillsGap,
    /// Another message with the same id arrived before it. Its sender was restored from a backup,
    /// or is at fault.
    ReusedId,
}
