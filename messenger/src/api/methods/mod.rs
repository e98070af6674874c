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

/// Every method.
pub const METHODS: &[Description] = &[
    Description::of::<Version>(),
    Description::of::<Status>(),
    Description::of::<Send>(),
    Description::of::<EditMessage>(),
    Description::of::<RemoteDelete>(),
    Description::of::<SendReaction>(),
    Description::of::<ListOutbox>(),
    Description::of::<RetryMessage>(),
    Description::of::<CancelMessage>(),
    Description::of::<SendFile>(),
    Description::of::<ListFiles>(),
    Description::of::<AcceptFile>(),
    Description::of::<RefuseFile>(),
    Description::of::<CancelFile>(),
    Description::of::<SubscribeReceive>(),
    Description::of::<Acknowledge>(),
    Description::of::<UnsubscribeReceive>(),
    Description::of::<ListConsumers>(),
    Description::of::<RemoveConsumer>(),
    Description::of::<SubscribeChanges>(),
    Description::of::<ListConversations>(),
    Description::of::<History>(),
    Description::of::<Search>(),
    Description::of::<MarkRead>(),
    Description::of::<SaveDraft>(),
    Description::of::<UpdateConversation>(),
    Description::of::<ListContacts>(),
    Description::of::<UpdateContact>(),
    Description::of::<RemoveContact>(),
    Description::of::<Block>(),
    Description::of::<Unblock>(),
    Description::of::<LookUp>(),
    Description::of::<TrustKey>(),
    Description::of::<ListGroups>(),
    Description::of::<UpdateGroup>(),
    Description::of::<JoinGroup>(),
    Description::of::<DeclineGroup>(),
    Description::of::<QuitGroup>(),
    Description::of::<TakeOverGroup>(),
    Description::of::<ForgetGroup>(),
];
