//! What applications observed, without anything that depends on timing.

use std::collections::BTreeMap;
use std::fmt;

use sealpost_core::client::store::{Content, Status, Trust};
use sealpost_core::client::{
    Continuity, LookupFailure, Notice, OfflineReason, OtpSource, RegistrationFailure, SendRefusal,
};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::{Phone, UserId, UserRef};
use sealpost_storage::Usage;

use crate::content::text_of;

/// Result of a scenario on one deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Result for each device.
    pub devices: Vec<DeviceOutcome>,
    /// What the stopped server still stored.
    pub pending: Usage,
}

/// Result of a scenario for one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceOutcome {
    /// Events in order.
    pub events: Vec<Event>,
    /// Received texts in order, by sender.
    pub inbox: BTreeMap<Phone, Vec<ReceivedText>>,
    /// Sent texts in order with their status, by recipient.
    pub outbox: BTreeMap<Phone, Vec<(Text, Status)>>,
}

/// A delivered text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedText {
    /// The text itself.
    pub text: Text,
    /// Whether an earlier message is missing.
    pub continuity: Continuity,
    /// Trust in the key that signed it.
    pub trust: Trust,
}

/// Content of a message. `Debug` abbreviates long texts to their two ends.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(pub String);

/// A notice to an application that does not depend on timing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the notices of the same names explain them")]
pub enum Event {
    Registered(UserId),
    OtpRequested(OtpSource),
    OtpRejected(String),
    RegistrationFailed(RegistrationFailure),
    SendRefused(Text, SendRefusal),
    Found(Phone, UserId),
    LookupFailed(UserRef, LookupFailure),
    Moved(Phone, UserId),
    KeyChanged(Phone),
    Suspicious(String),
    StoreFailed(StoreError),
    /// A reason given by the server or the client, and whether the client dials again by itself.
    Offline(OfflineReason, Retry),
}

/// When a client that went offline dials again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// By itself, after a pause.
    Automatic,
    /// Only on the application's command.
    OnDemand,
}

impl Event {
    /// Converts a notice, unless it depends on timing.
    pub(super) fn of(notice: &Notice) -> Option<Self> {
        Some(match notice {
            Notice::Registered { user } => Self::Registered(*user),
            Notice::OtpRequested { source, .. } => Self::OtpRequested(*source),
            Notice::OtpRejected { text } => Self::OtpRejected(text.clone()),
            Notice::RegistrationFailed { failure } => Self::RegistrationFailed(*failure),
            Notice::SendRefused { refusal, content, .. } => {
                Self::SendRefused(Text::of(content), *refusal)
            }
            Notice::Found { phone, user, .. } => Self::Found(*phone, *user),
            Notice::LookupFailed { who, failure } => Self::LookupFailed(*who, *failure),
            Notice::Moved { phone, user } => Self::Moved(*phone, *user),
            Notice::KeyChanged { phone, .. } => Self::KeyChanged(*phone),
            Notice::Suspicious { suspicion } => Self::Suspicious(format!("{suspicion:?}")),
            Notice::UnknownError { code, .. } => Self::Suspicious(format!("error {code:?}")),
            Notice::StoreFailed { error } => Self::StoreFailed(*error),
            Notice::Offline { reason, retry_in } => {
                let retry = if retry_in.is_some() { Retry::Automatic } else { Retry::OnDemand };
                return is_stated(*reason).then_some(Self::Offline(*reason, retry));
            }
            Notice::Online { .. }
            | Notice::CaughtUp { .. }
            | Notice::ServerKey { .. }
            | Notice::Kept { .. }
            | Notice::Queued { .. }
            | Notice::Stored { .. }
            | Notice::Delivered { .. }
            | Notice::Failed { .. }
            | Notice::NotCancelled { .. }
            | Notice::HeldBack { .. }
            | Notice::Forgotten { .. }
            | Notice::KeyAccepted { .. }
            | Notice::OfferWithdrawn { .. }
            | Notice::Verified { .. }
            | Notice::KeyMismatch { .. }
            | Notice::ClockOffset { .. }
            | Notice::Misuse { .. }
            | Notice::Stopped => return None,
        })
    }
}

/// Whether a party stated the reason, as opposed to the network's state, which depends on timing.
const fn is_stated(reason: OfflineReason) -> bool {
    match reason {
        OfflineReason::Requested
        | OfflineReason::Unreachable
        | OfflineReason::Lost
        | OfflineReason::TimedOut
        | OfflineReason::AwaitingOtp => false,
        OfflineReason::Refused(_)
        | OfflineReason::Fault
        | OfflineReason::WrongServer
        | OfflineReason::WrongClock
        | OfflineReason::Displaced
        | OfflineReason::Suspended
        | OfflineReason::NotRegistered
        | OfflineReason::RegistrationFailed
        | OfflineReason::Local => true,
    }
}

impl Text {
    pub(super) fn of(content: &Content) -> Self {
        let text = text_of(content).unwrap_or_else(|| panic!("not a text: {content:?}"));
        Self(text.to_owned())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.0.chars().count();
        if len <= SHOWN {
            return write!(f, "{:?}", self.0);
        }
        let first: String = self.0.chars().take(SHOWN / 2).collect();
        let last: String = self.0.chars().skip(len - SHOWN / 2).collect();
        write!(f, "{first:?}…{last:?} ({} bytes)", self.0.len())
    }
}

/// Longest text that `Debug` prints in full, in characters.
const SHOWN: usize = 60;
