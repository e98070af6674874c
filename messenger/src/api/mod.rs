//! The interface to a client: methods, their parameters and results, notifications, errors.
//!
//! It is spoken as JSON-RPC 2.0, one object a line. Names are in camelCase, parameters are named, and
//! a parameter that does not exist is an error. Results may get further fields, so a reader ignores
//! those that it does not know. [`API_VERSION`] grows when something is added.

mod contact;
mod conversation;
mod copies;
mod entry;
mod error;
mod group;
mod methods;
mod notification;
mod openrpc;
mod peer;
mod time;

pub use contact::{Contact, KeyTrust, OfferedKey};
pub use conversation::{Conversation, Mute};
pub use copies::{failures, summary};
pub use entry::{
    Arrival, Body, Copy, Entry, FileRecipient, FileState, Mention, Progress, Quote, Reaction,
    Trust, WrittenIn,
};
pub use error::{ApiError, ErrorData, ErrorKind};
pub use group::{Group, GroupStanding, Member, Role};
pub(crate) use methods::for_each_method;
pub use methods::*;
pub use notification::{
    Changed, Connection, EndReason, Hello, Notification, Receive, ReceiveEnded, ReceivedEvent,
};
pub use openrpc::openrpc;
pub use peer::{GroupId, InvalidPeer, Peer, PhoneNumber};
pub use time::{InvalidTime, Time};

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Version of the interface. Everything that a version has, later ones have too.
pub const API_VERSION: u32 = 1;

/// A method of the interface.
pub trait Method {
    /// Name of the method.
    const NAME: &'static str;
    /// What it does, in a sentence.
    const ABOUT: &'static str;
    /// Its parameters, an object.
    type Params: Serialize + DeserializeOwned + JsonSchema;
    /// Its result.
    type Result: Serialize + DeserializeOwned + JsonSchema;
}

/// Whoever carries out the methods: the client itself, or a connection to the process that has it.
pub trait Caller {
    /// Calls a method by its name.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    fn request(&self, method: &str, params: Value) -> Result<Value, ApiError>;

    /// Calls a method.
    ///
    /// # Errors
    /// See [`ErrorKind`].
    fn call<M: Method>(&self, params: &M::Params) -> Result<M::Result, ApiError>
    where
        Self: Sized,
    {
        let params = serde_json::to_value(params).map_err(ApiError::internal)?;
        let result = self.request(M::NAME, params)?;
        serde_json::from_value(result).map_err(ApiError::internal)
    }
}
