//! Records, as JSON. `docs/ENGINE.md` is normative.

use sealpost_core::ids::{Phone, UserId};
use sealpost_core::keys::{Fingerprint, PublicKey, WrappedKey};
use sealpost_core::server::AccountChange;
use sealpost_core::server::store::User;
use sealpost_core::wire::{InReplyTo, Profile};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::server_keys::ServerKeys;
use super::slot::{Entry, Slot, Value};
use super::values::{Hex, Seconds, UserNumber};
use crate::database_mark::DatabaseId;
use crate::server::daily_use::DailyUse;
use crate::server::invitations::InvitationRecord;
use crate::server::moving;
use crate::server::reconnects::ReconnectDates;
use crate::server::suspension::Suspension;

/// A record of one kind. Values are validated as they are read.
pub(super) trait Record: Serialize + DeserializeOwned {
    /// What it is, for the message of an unreadable one.
    const NAME: &'static str;

    fn value(&self) -> Result<Value, Failure> {
        serde_json::to_vec(self).map(Value::Record).map_err(|_| Failure::Damaged(Self::NAME))
    }

    /// Reads a slot; `None` if it is empty.
    fn of(slot: &Slot) -> Result<Option<Self>, Failure> {
        slot.entry.as_ref().map(Self::read).transpose()
    }

    fn read(entry: &Entry) -> Result<Self, Failure> {
        serde_json::from_slice(&entry.body).map_err(|_| Failure::Damaged(Self::NAME))
    }
}

/// What the streams hold, written before the first of everything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LayoutRecord {
    /// Version of the layout. The other fields may differ in another version.
    pub(super) version: u32,
    #[serde(flatten)]
    pub(super) rest: serde_json::Value,
}

/// The fields of version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LayoutFields {
    pub(super) profile: ProfileName,
    pub(super) shards: u16,
    /// Whether every stream has been created. One that is missing later was lost.
    pub(super) complete: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ProfileName {
    Compact,
    Wide,
}

/// The last ids that were given out, even if what had them is gone.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Counters {
    pub(super) user: u64,
    pub(super) invitation: u64,
    /// How many accounts there are.
    pub(super) users: u64,
}

/// Fingerprints of the keys that the deployment's servers have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerKeyFields {
    fingerprint: Hex,
    /// That of the key which takes its place, while the key is being changed.
    successor: Option<Hex>,
}

/// A migration between a database and this deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MigrationFields {
    database: Hex,
    pub(super) state: MigrationState,
}

/// Why no server opens a deployment with a record of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum MigrationState {
    /// The accounts of the database are not here completely.
    Arriving,
    /// They are copied into the database.
    Leaving,
    /// They are in the database.
    Left,
}

/// The newest time on record.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Clock {
    pub(super) newest: Seconds,
}

/// An account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Account {
    phone: String,
    public_key: Hex,
    aes_key: Hex,
    pub(super) created_at: Seconds,
    pub(super) last_seen: Seconds,
    reconnects: Hex,
    pub(super) suspended_at: Option<Seconds>,
    /// The account is being deleted. It counts as gone, except that its phone number is not free.
    pub(super) closing: bool,
}

/// Who has a phone number.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PhoneOwner {
    pub(super) user: UserNumber,
}

/// Look-ups of a user on one day.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lookups {
    day: i64,
    uses: u32,
}

/// Messages of a sender that went with their recipients' accounts, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UndeliverableRecord {
    messages: Vec<Hex>,
}

/// An invitation, stored under its code's hash.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InvitationFields {
    id: u64,
    uses: u32,
    uses_left: u32,
    created_at: Seconds,
    expires_at: Seconds,
    phone: Option<String>,
    note: String,
}

impl Record for LayoutRecord {
    const NAME: &'static str = "layout";
}
impl Record for Counters {
    const NAME: &'static str = "counter";
}
impl Record for Clock {
    const NAME: &'static str = "time";
}
impl Record for ServerKeyFields {
    const NAME: &'static str = "server key";
}
impl Record for MigrationFields {
    const NAME: &'static str = "migration";
}
impl Record for Account {
    const NAME: &'static str = "account";
}
impl Record for PhoneOwner {
    const NAME: &'static str = "phone number";
}
impl Record for Lookups {
    const NAME: &'static str = "count of look-ups";
}
impl Record for UndeliverableRecord {
    const NAME: &'static str = "list of undeliverable messages";
}
impl Record for InvitationFields {
    const NAME: &'static str = "invitation";
}

impl From<ServerKeys> for ServerKeyFields {
    fn from(keys: ServerKeys) -> Self {
        let hex = |fingerprint: Fingerprint| Hex(fingerprint.0.to_vec());
        Self { fingerprint: hex(keys.first), successor: keys.successor.map(hex) }
    }
}

impl ServerKeyFields {
    pub(super) fn keys(&self) -> Result<ServerKeys, Failure> {
        let fingerprint = |hex: &Hex| {
            let bytes = hex.0.as_slice().try_into();
            bytes.map(Fingerprint).map_err(|_| Failure::Damaged(Self::NAME))
        };
        let successor = self.successor.as_ref().map(fingerprint).transpose()?;
        Ok(ServerKeys { first: fingerprint(&self.fingerprint)?, successor })
    }
}

impl MigrationFields {
    pub(super) fn new(database: DatabaseId, state: MigrationState) -> Self {
        Self { database: Hex(database.0.to_vec()), state }
    }

    pub(super) fn database(&self) -> Result<DatabaseId, Failure> {
        let bytes = self.database.0.as_slice().try_into();
        bytes.map(DatabaseId).map_err(|_| Failure::Damaged(Self::NAME))
    }
}

impl Account {
    pub(super) fn new(user: &User, aes_key: WrappedKey) -> Self {
        Self {
            phone: user.phone.to_string(),
            public_key: Hex(user.public_key.der().to_vec()),
            aes_key: Hex(aes_key.0.to_vec()),
            created_at: user.last_seen.into(),
            last_seen: user.last_seen.into(),
            reconnects: Hex(ReconnectDates::default().encode()),
            suspended_at: None,
            closing: false,
        }
    }

    /// The record of an account that comes from another store.
    pub(super) fn moved(account: &moving::Account) -> Self {
        let suspended_at = match account.suspension {
            Suspension::Suspended(at) => Some(at.into()),
            Suspension::Active => None,
        };
        Self {
            created_at: account.created_at.into(),
            reconnects: Hex(account.reconnects.encode()),
            suspended_at,
            ..Self::new(&account.user, account.aes_key)
        }
    }

    /// What keeps sessions from beginning, if anything does.
    pub(super) const fn change(&self) -> Option<AccountChange> {
        match self {
            Self { closing: true, .. } => Some(AccountChange::Deleted),
            Self { suspended_at: Some(_), .. } => Some(AccountChange::Suspended),
            Self { .. } => None,
        }
    }

    pub(super) fn user(&self, id: UserId) -> Result<User, Failure> {
        let unreadable = Failure::Damaged(Self::NAME);
        let Ok(public_key) = PublicKey::from_accepted_der(&self.public_key.0) else {
            return Err(unreadable);
        };
        let Ok(phone) = self.phone.parse::<Phone>() else { return Err(unreadable) };
        Ok(User { id, phone, public_key, last_seen: self.last_seen.into() })
    }

    pub(super) fn reconnects(&self) -> Result<ReconnectDates, Failure> {
        ReconnectDates::decode(&self.reconnects.0).ok_or(Failure::Damaged(Self::NAME))
    }

    pub(super) fn set_reconnects(&mut self, dates: &ReconnectDates) {
        self.reconnects = Hex(dates.encode());
    }

    pub(super) fn aes_key(&self) -> Option<WrappedKey> {
        self.aes_key.0.as_slice().try_into().ok().map(WrappedKey)
    }

    pub(super) fn set_aes_key(&mut self, key: WrappedKey) {
        self.aes_key = Hex(key.0.to_vec());
    }
}

impl From<Lookups> for DailyUse {
    fn from(Lookups { day, uses }: Lookups) -> Self {
        Self { day, uses }
    }
}

impl From<DailyUse> for Lookups {
    fn from(DailyUse { day, uses }: DailyUse) -> Self {
        Self { day, uses }
    }
}

impl UndeliverableRecord {
    pub(super) fn new(messages: &[InReplyTo]) -> Self {
        Self { messages: messages.iter().map(|message| Hex(message.0.to_vec())).collect() }
    }

    pub(super) fn messages(&self) -> Result<Vec<InReplyTo>, Failure> {
        let hash = |message: &Hex| message.0.as_slice().try_into().map(InReplyTo);
        let hashes: Result<_, _> = self.messages.iter().map(hash).collect();
        hashes.map_err(|_| Failure::Damaged(Self::NAME))
    }
}

impl InvitationFields {
    pub(super) fn record(&self) -> Result<InvitationRecord, Failure> {
        let unreadable = Failure::Damaged(Self::NAME);
        let Ok(phone) = self.phone.as_deref().map(str::parse).transpose() else {
            return Err(unreadable);
        };
        let record = InvitationRecord {
            id: self.id,
            uses: self.uses,
            uses_left: self.uses_left,
            created_at: self.created_at.into(),
            expires_at: self.expires_at.into(),
            phone,
            note: self.note.clone(),
        };
        if record.is_consistent() { Ok(record) } else { Err(unreadable) }
    }
}

impl From<InvitationRecord> for InvitationFields {
    fn from(record: InvitationRecord) -> Self {
        Self {
            id: record.id,
            uses: record.uses,
            uses_left: record.uses_left,
            created_at: record.created_at.into(),
            expires_at: record.expires_at.into(),
            phone: record.phone.map(|phone| phone.to_string()),
            note: record.note,
        }
    }
}

impl From<Profile> for ProfileName {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Compact => Self::Compact,
            Profile::Wide => Self::Wide,
        }
    }
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Compact => Self::Compact,
            ProfileName::Wide => Self::Wide,
        }
    }
}
