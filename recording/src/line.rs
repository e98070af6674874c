//! What is in a recording: one JSON object a line.

use sealpost_core::frame::StoreError;
use sealpost_core::server::store::{Appended, InvitationOutcome, ReconnectOutcome};
use sealpost_core::server::{AccountChange, DeliveryOutcome};
use sealpost_core::wire::Profile;
use serde::{Deserialize, Serialize};

use crate::packet::{Body, Head, PacketRecord};
use crate::settings::SettingsRecord;
use crate::words::Word;

/// A small number in place of a value that was taken out. 0 is no value of the recording.
pub(crate) type Label = u32;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Line {
    /// The first line.
    Recording(Start),
    /// A label that is used from here on.
    New(New),
    /// The machine was given an input.
    Input(Given),
    /// The machine has handled the last input.
    Handled(Handled),
    /// The last line, unless the process was killed: why nothing follows.
    End(String),
}

/// The format, and how the machine was made.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Start {
    /// Version of the format.
    pub(crate) format: u32,
    /// Version of the program that recorded.
    pub(crate) version: String,
    pub(crate) profile: Word<Profile>,
    /// Whether the server was changing its key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) has_successor: bool,
    /// How often a server that shares its store looks at it again, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) look_again: Option<u64>,
    pub(crate) settings: SettingsRecord,
}

/// A new label of which the machine needs to know more than that it is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum New {
    /// A user, and the label of the user with the next lower id; 0 if there is none. The machine
    /// handles what is due at one time in the order of ids.
    User { label: Label, after: Label },
    /// A phone number: how many digits it has, and whether one of the configured prefixes begins it.
    Phone { label: Label, digits: u32, is_listed: bool },
    /// An address, and whether the limits per address spare it.
    Peer { label: Label, is_exempt: bool },
}

/// An input with its times: microseconds on the host's clock, and seconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Given {
    pub(crate) at: u64,
    pub(crate) wall: i64,
    pub(crate) what: InputRecord,
}

/// What the machine did with an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Handled {
    /// A letter for each action.
    pub(crate) did: String,
    /// Digest of all actions and deadlines up to here.
    pub(crate) hash: String,
    /// Labels of the one-time passwords that were drawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) drew: Vec<Label>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum InputRecord {
    /// Bytes arrived, which complete these parts of packets.
    Bytes {
        conn: u64,
        len: usize,
        parts: Vec<Arrived>,
    },
    Opened {
        conn: u64,
        peer: Label,
    },
    Closed {
        conn: u64,
    },
    Congested {
        conn: u64,
    },
    Writable {
        conn: u64,
    },
    Stored {
        ticket: u64,
        outcome: StoreRecord,
    },
    Computed {
        ticket: u64,
        outcome: JobRecord,
    },
    Command(CommandRecord),
    Tick,
    Shutdown,
}

/// A part of a packet that has arrived in full. The machine decides about a header before the rest
/// is there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Arrived {
    Head(Head),
    Body(Body),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum StoreRecord {
    Failed(Word<StoreError>),
    Created(Label),
    NotCreated(NotCreated),
    InvitationChecked(Word<InvitationOutcome>),
    Found(Option<UserRecord>),
    LookedUp(LookupRecord),
    ReconnectRecorded(Word<ReconnectOutcome>),
    /// In a store that several servers share: the place of the 106.
    ReconnectRecordedAt(u64),
    #[serde(alias = "counted")]
    SessionBegun {
        items: u32,
        receipt_bytes: u64,
        undeliverable: u32,
    },
    SessionOvertaken,
    AnswersRecorded,
    /// Count of messages.
    Undeliverable(usize),
    UndeliverableForgotten,
    Appended(Vec<Word<Appended>>),
    Page {
        items: Vec<(u64, PacketRecord)>,
        more: bool,
    },
    Settled,
    ReceiptsDropped,
    ClockRecorded(i64),
    Expired(u32),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum NotCreated {
    PhoneTaken,
    InvitationRejected,
    NoIdLeft,
    StoreFull,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum LookupRecord {
    Found(UserRecord),
    NotFound,
    OverBudget,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserRecord {
    pub(crate) user: Label,
    pub(crate) phone: Label,
    pub(crate) key: Label,
    pub(crate) last_seen: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum JobRecord {
    Verified(bool),
    Opened(Option<OpenedRecord>),
    RequestOpened(Option<RequestRecord>),
    Emitted(Option<PacketRecord>),
    /// An outcome that no server asks for.
    Foreign,
}

/// What was in a sealed part.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum OpenedRecord {
    LookupPhone(Label),
    LookupId(Label),
    /// Each receipt's author and number.
    ReceiptsTaken(Vec<(Label, u64)>),
    Unreadable,
}

/// What was in an OAEP part, and the session key that was drawn.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestRecord {
    pub(crate) content: ContentRecord,
    pub(crate) session: Option<Label>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum ContentRecord {
    Register { reply: Label, phone: Label, date: i64, invitation: Option<Label> },
    Confirm { reply: Label, otp: Label, key: Label, phone: Label },
    Reconnect { reply: Label, phone: Label },
    Unreadable,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum CommandRecord {
    Reconfigure(Box<SettingsRecord>),
    OtpDelivery { id: u64, outcome: Word<DeliveryOutcome> },
    EndSession { user: Label, why: Word<AccountChange> },
    Elsewhere(ElsewhereRecord),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum ElsewhereRecord {
    Appended { owner: Label },
    SessionBegun { user: Label, place: u64 },
    AccountChanged { user: Label, change: Word<AccountChange> },
    Missed,
}

/// Version of the format.
pub(crate) const FORMAT: u32 = 1;
