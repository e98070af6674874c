//! Calling methods of an engine in the same process.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use serde_json::Value;

use super::answer::Answer;
use super::core::Core;
use crate::api::{self, ApiError, Caller, ErrorKind, Hello, Method, Notification, PhoneNumber};

/// A way to call methods of an engine, with subscriptions of its own. They end when it is dropped.
pub struct Access {
    pub(super) core: Arc<Core>,
    pub(super) seat: u64,
}

impl Access {
    pub(super) fn new(core: Arc<Core>, notifications: SyncSender<Notification>) -> Self {
        let seat = core.hub.enter(notifications);
        Self { core, seat }
    }

    /// The first notification of a connection.
    pub fn hello(&self) -> Hello {
        Hello {
            api_version: api::API_VERSION,
            version: self.core.version.into(),
            account: PhoneNumber(self.core.identity.phone),
        }
    }

    /// Begins to carry out a method. What it does to the store or commands to the machine is done when
    /// this returns; only waiting is left for later.
    pub fn begin(&self, method: &str, params: Value) -> Answer {
        match self.dispatch(method, params) {
            Ok(answer) => answer,
            Err(error) => Answer::Now(Err(error)),
        }
    }

    fn dispatch(&self, method: &str, params: Value) -> Result<Answer, ApiError> {
        Ok(match method {
            api::Version::NAME => {
                let api::Empty {} = parse::<api::Version>(params)?;
                Answer::now::<api::Version>(Ok(self.version()))
            }
            api::Status::NAME => {
                let api::Empty {} = parse::<api::Status>(params)?;
                Answer::now::<api::Status>(self.core.status())
            }
            api::Send::NAME => {
                let params = parse::<api::Send>(params)?;
                Answer::later::<api::Send, _>(self.core.send(params))
            }
            api::SubscribeReceive::NAME => {
                let params = parse::<api::SubscribeReceive>(params)?;
                Answer::now::<api::SubscribeReceive>(self.subscribe_receive(&params))
            }
            api::Acknowledge::NAME => {
                let params = parse::<api::Acknowledge>(params)?;
                Answer::now::<api::Acknowledge>(self.core.acknowledge(params))
            }
            api::UnsubscribeReceive::NAME => {
                let params = parse::<api::UnsubscribeReceive>(params)?;
                Answer::now::<api::UnsubscribeReceive>(self.unsubscribe_receive(&params))
            }
            api::SubscribeChanges::NAME => {
                let api::Empty {} = parse::<api::SubscribeChanges>(params)?;
                Answer::now::<api::SubscribeChanges>(Ok(self.subscribe_changes()))
            }
            api::ListContacts::NAME => {
                let api::Empty {} = parse::<api::ListContacts>(params)?;
                Answer::now::<api::ListContacts>(self.core.list_contacts())
            }
            api::LookUp::NAME => {
                let params = parse::<api::LookUp>(params)?;
                Answer::later::<api::LookUp, _>(self.core.look_up(params))
            }
            api::TrustKey::NAME => {
                let params = parse::<api::TrustKey>(params)?;
                Answer::later::<api::TrustKey, _>(self.core.trust(params))
            }
            unknown => return Err(no_method(unknown)),
        })
    }
}

impl Caller for Access {
    fn request(&self, method: &str, params: Value) -> Result<Value, ApiError> {
        self.begin(method, params).wait()
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        self.core.hub.leave(self.seat);
    }
}

fn parse<M: Method>(params: Value) -> Result<M::Params, ApiError> {
    let params = if params.is_null() { Value::Object(serde_json::Map::new()) } else { params };
    if !params.is_object() {
        return Err(ErrorKind::InvalidParams.error("parameters are named: pass an object"));
    }
    serde_json::from_value(params)
        .map_err(|error| ErrorKind::InvalidParams.error(format_args!("{}: {error}", M::NAME)))
}

fn no_method(name: &str) -> ApiError {
    let shown: String = name.chars().take(NAME_SHOWN).collect();
    ErrorKind::MethodNotFound
        .error(format_args!("there is no method {shown:?}; sealpost rpc --openrpc lists them"))
}

/// Characters of an unknown method's name that the error repeats.
const NAME_SHOWN: usize = 40;
