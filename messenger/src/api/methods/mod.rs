//! The methods, a file for each subject.

mod account;
mod files;
mod groups;
mod history;
mod people;
mod receiving;
mod sending;

pub use account::*;
pub use files::*;
pub use groups::*;
pub use history::*;
pub use people::*;
pub use receiving::*;
pub use sending::*;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::Method;

/// No parameters, or no result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// Declares a method: a type without values, which names the types of its parameters and its result.
macro_rules! method {
    ($(#[doc = $doc:literal])+ $type:ident, $name:literal, $params:ty => $result:ty) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug)]
        pub enum $type {}

        impl $crate::api::Method for $type {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = concat!($($doc),+);
            type Params = $params;
            type Result = $result;
        }
    };
}
use method;

/// Passes every method to a macro, so that none is missing in what it makes.
macro_rules! for_each_method {
    ($make:ident) => {
        $make! {
            Version, Status, Connect, Send, EditMessage, RemoteDelete, SendReaction, ListOutbox,
            RetryMessage, CancelMessage, SendFile, ListFiles, AcceptFile, RefuseFile, CancelFile,
            SubscribeReceive, Acknowledge, UnsubscribeReceive, ListConsumers, RemoveConsumer,
            SubscribeChanges, ListConversations, History, Search, MarkRead, SaveDraft,
            UpdateConversation, ListContacts, UpdateContact, RemoveContact, Block, Unblock, LookUp,
            TrustKey, ListGroups, UpdateGroup, JoinGroup, DeclineGroup, QuitGroup, TakeOverGroup,
            ForgetGroup,
        }
    };
}
pub(crate) use for_each_method;

/// How long methods wait that wait, in seconds.
const fn default_timeout() -> u32 {
    30
}

/// Entries that are listed unless the caller asks for another count.
const fn default_limit() -> u32 {
    50
}

/// A method, as the documents describe it.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// The schema of its parameters.
    pub params: fn(&mut SchemaGenerator) -> Schema,
    /// The schema of its result.
    pub result: fn(&mut SchemaGenerator) -> Schema,
}

impl Description {
    const fn of<M: Method>() -> Self {
        Self {
            name: M::NAME,
            about: M::ABOUT,
            params: |schemas| M::Params::json_schema(schemas),
            result: |schemas| schemas.subschema_for::<M::Result>(),
        }
    }
}

macro_rules! descriptions {
    ($($method:ident,)+) => { &[$(Description::of::<$method>(),)+] };
}

/// Every method.
pub const METHODS: &[Description] = for_each_method!(descriptions);
