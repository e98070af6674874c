//! Enums of the machine as words in a recording.

use sealpost_core::frame::StoreError;
use sealpost_core::server::store::{Appended, InvitationOutcome, ReconnectOutcome, Seq};
use sealpost_core::server::{
    AccountChange, DeliveryOutcome, OtpChannel, RegisteredPhones, Registrants,
};
use sealpost_core::wire::Profile;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An enum without data that is written as a word.
pub(crate) trait Words: Copy + 'static {
    /// Every value with its word.
    const ALL: &'static [(Self, &'static str)];

    /// The word of a value.
    fn word(self) -> &'static str;
}

/// A value that is written as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word<T>(pub(crate) T);

impl<T: Words> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.word())
    }
}

impl<'de, T: Words> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let known = T::ALL.iter().find(|(_, word)| *word == text);
        known.map(|(value, _)| Self(*value)).ok_or_else(|| {
            de::Error::custom(format_args!("{text:?} is not a word of this recording's format"))
        })
    }
}

macro_rules! words {
    ($($Type:ty { $($Variant:ident = $word:literal),+ $(,)? })+) => {
        $(impl Words for $Type {
            const ALL: &'static [(Self, &'static str)] = &[$((Self::$Variant, $word)),+];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$Variant => $word,)+
                }
            }
        })+
    };
}

/// The place of a 106 is written elsewhere.
impl Words for ReconnectOutcome {
    const ALL: &'static [(Self, &'static str)] = &[
        (Self::Recorded(Seq::START), "recorded"),
        (Self::NotNewer, "not-newer"),
        (Self::UnknownUser, "unknown-user"),
        (Self::Suspended, "suspended"),
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Recorded(_) => "recorded",
            Self::NotNewer => "not-newer",
            Self::UnknownUser => "unknown-user",
            Self::Suspended => "suspended",
        }
    }
}

words! {
    Profile { Compact = "compact", Wide = "wide" }
    OtpChannel { InBand = "in-band", OutOfBand = "out-of-band" }
    RegisteredPhones { Told = "told", Hidden = "hidden" }
    Registrants { Anyone = "anyone", Invited = "invited", Nobody = "nobody" }
    DeliveryOutcome { Accepted = "accepted", Refused = "refused" }
    AccountChange { Deleted = "deleted", Suspended = "suspended" }
    StoreError {
        Busy = "busy",
        Unavailable = "unavailable",
        DiskFull = "disk-full",
        Io = "io",
        Corrupt = "corrupt",
    }
    InvitationOutcome { Good = "good", Rejected = "rejected" }
    Appended {
        Stored = "stored",
        Duplicate = "duplicate",
        MailboxFull = "mailbox-full",
        StoreFull = "store-full",
        UnknownUser = "unknown-user",
    }
}
