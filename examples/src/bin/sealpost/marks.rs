//! Marks of a message: a name for programs, and words for people.

use sealpost_messenger::api::{Arrival, FileState, Trust, WrittenIn};
use serde::Serialize;

/// Trust in the key that signed a message.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TrustName {
    FirstUse,
    Verified,
    Changed,
}

/// How a message arrived that did not come in order.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ArrivalName {
    Late,
    FillsGap,
    ReusedId,
}

/// The state of a group in which a message was written, if that is not the newest.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WrittenName {
    Older,
    BeforeRemoval,
    OtherState,
}

impl TrustName {
    /// As a person reads it. Every message has a mark, so that a sender can't forge one by writing
    /// it where others have none.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::FirstUse => "not verified",
            Self::Verified => "verified",
            Self::Changed => "by a changed key!",
        }
    }
}

impl ArrivalName {
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::FillsGap => "late: it was missing",
            Self::ReusedId => "its number was used before: restored from a backup?",
        }
    }
}

impl WrittenName {
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Older => "written before the last change of the group",
            Self::BeforeRemoval => "written before its author was removed, as they say",
            Self::OtherState => "its author has another version of the group",
        }
    }
}

impl From<Option<Trust>> for TrustName {
    fn from(trust: Option<Trust>) -> Self {
        match trust {
            Some(Trust::FirstUse) | None => Self::FirstUse,
            Some(Trust::Verified) => Self::Verified,
            Some(Trust::Changed) => Self::Changed,
        }
    }
}

impl From<Arrival> for ArrivalName {
    fn from(arrival: Arrival) -> Self {
        match arrival {
            Arrival::Late => Self::Late,
            Arrival::FillsGap => Self::FillsGap,
            Arrival::ReusedId => Self::ReusedId,
        }
    }
}

impl From<WrittenIn> for WrittenName {
    fn from(written: WrittenIn) -> Self {
        match written {
            WrittenIn::Older => Self::Older,
            WrittenIn::BeforeRemoval => Self::BeforeRemoval,
            WrittenIn::OtherState => Self::OtherState,
        }
    }
}

/// How far a file is.
pub(crate) const fn file_word(state: FileState) -> &'static str {
    match state {
        FileState::Offered => "offered",
        FileState::Underway => "underway",
        FileState::Complete => "complete",
        FileState::Refused => "refused",
        FileState::Cancelled => "cancelled",
        FileState::Failed => "failed",
        FileState::Unknown => "?",
    }
}
