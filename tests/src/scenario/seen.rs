//! What people saw, without anything that depends on timing.

use std::collections::BTreeMap;
use std::fmt;

use sealpost_core::client::store::{Content, Status, Trust};
use sealpost_core::client::{
    Continuity, LookupFailure, Notice, OfflineReason, OtpChannel, Refusal, RegistrationFailure,
};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::{Phone, UserId, UserRef};
use sealpost_storage::Usage;

/// What was seen on one ground.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// On each device.
    pub devices: Vec<DeviceSaw>,
    /// What the server still held when all had taken their leave and it had stopped.
    pub pending: Usage,
}

/// What was seen on one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSaw {
    /// Of the session and of others, in order.
    pub events: Vec<Event>,
    /// From each peer, in order.
    pub inbox: BTreeMap<Phone, Vec<Read>>,
    /// To each peer, in order: how far each message has come.
    pub outbox: BTreeMap<Phone, Vec<(Words, Status)>>,
}

/// A message that was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// What it says.
    pub words: Words,
    /// Whether something before it is missing.
    pub continuity: Continuity,
    /// How far the key that signed it was trusted.
    pub trust: Trust,
}

/// A text. A long one is shown by its ends.
#[derive(Clone, PartialEq, Eq)]
pub struct Words(pub String);

/// Something that an application is told, whatever the timing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are notices, and say what those say")]
pub enum Event {
    Registered(UserId),
    OtpRequested(OtpChannel),
    OtpRejected(String),
    RegistrationFailed(RegistrationFailure),
    SendRefused(Words, Refusal),
    Found(Phone, UserId),
    LookupFailed(UserRef, LookupFailure),
    KeyChanged(Phone),
    Suspicious(String),
    StoreFailed(StoreError),
    /// For a reason that the server or the user gave, and whether the client comes back by itself.
    Offline(OfflineReason, Return),
}

/// Whether a client dials again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// After a pause.
    ByItself,
    /// When the application wishes it.
    OnDemand,
}

impl Event {
    /// What a notice says, if it does not depend on timing.
    pub(super) fn of(notice: &Notice) -> Option<Self> {
        Some(match notice {
            Notice::Registered { user } => Self::Registered(*user),
            Notice::OtpRequested { channel, .. } => Self::OtpRequested(*channel),
            Notice::OtpRejected { text } => Self::OtpRejected(text.clone()),
            Notice::RegistrationFailed(failure) => Self::RegistrationFailed(*failure),
            Notice::SendRefused { refusal, content, .. } => {
                Self::SendRefused(Words::of(content), *refusal)
            }
            Notice::Found { phone, user, .. } => Self::Found(*phone, *user),
            Notice::LookupFailed { who, failure } => Self::LookupFailed(*who, *failure),
            Notice::KeyChanged { phone, .. } => Self::KeyChanged(*phone),
            Notice::Suspicious(suspicion) => Self::Suspicious(format!("{suspicion:?}")),
            Notice::StoreFailed(error) => Self::StoreFailed(*error),
            Notice::Offline { reason, retry_in } => {
                let comes_back =
                    if retry_in.is_some() { Return::ByItself } else { Return::OnDemand };
                return is_said(*reason).then_some(Self::Offline(*reason, comes_back));
            }
            Notice::Online { .. }
            | Notice::CaughtUp { .. }
            | Notice::Queued { .. }
            | Notice::Stored(_)
            | Notice::Delivered { .. }
            | Notice::Failed { .. }
            | Notice::KeyAccepted { .. }
            | Notice::OfferWithdrawn { .. }
            | Notice::Verified { .. }
            | Notice::KeyMismatch { .. }
            | Notice::ClockOffset { .. }
            | Notice::Stopped => return None,
        })
    }
}

/// Whether somebody gave the reason, and it was not found in the network.
const fn is_said(reason: OfflineReason) -> bool {
    match reason {
        OfflineReason::Wished
        | OfflineReason::Unreachable
        | OfflineReason::Lost
        | OfflineReason::TimedOut
        | OfflineReason::AwaitingOtp => false,
        OfflineReason::Refused(_)
        | OfflineReason::Fault
        | OfflineReason::WrongServer
        | OfflineReason::Displaced
        | OfflineReason::NotRegistered
        | OfflineReason::RegistrationFailed
        | OfflineReason::Local => true,
    }
}

impl Words {
    /// Scenarios send texts.
    pub(super) fn of(content: &Content) -> Self {
        match content {
            Content::Text(text) => Self(text.clone()),
            Content::Bytes(_) => panic!("no text: {content:?}"),
        }
    }
}

impl fmt::Debug for Words {
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

/// Characters of a text.
const SHOWN: usize = 60;
