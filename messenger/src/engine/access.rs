//! Calling methods of an engine in the same process.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use sealpost_core::event::GroupId;
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
        let core = &self.core;
        Ok(match method {
            api::Version::NAME => now::<api::Version>(params, |_| Ok(self.version()))?,
            api::Status::NAME => now::<api::Status>(params, |_| core.status())?,
            api::SubscribeReceive::NAME => {
                now::<api::SubscribeReceive>(params, |params| self.subscribe_receive(&params))?
            }
            api::Acknowledge::NAME => {
                now::<api::Acknowledge>(params, |params| core.acknowledge(params))?
            }
            api::UnsubscribeReceive::NAME => {
                now::<api::UnsubscribeReceive>(params, |params| self.unsubscribe_receive(&params))?
            }
            api::ListConsumers::NAME => {
                now::<api::ListConsumers>(params, |_| core.list_consumers())?
            }
            api::RemoveConsumer::NAME => {
                now::<api::RemoveConsumer>(params, |params| core.remove_consumer(params))?
            }
            api::SubscribeChanges::NAME => {
                now::<api::SubscribeChanges>(params, |_| Ok(self.subscribe_changes()))?
            }
            other => match self.dispatch_sending(other, params)? {
                Ok(answer) => answer,
                Err(params) => self.dispatch_history(other, params)?,
            },
        })
    }

    /// The answer of a method that sends, or the parameters back.
    fn dispatch_sending(
        &self,
        method: &str,
        params: Value,
    ) -> Result<Result<Answer, Value>, ApiError> {
        let core = &self.core;
        Ok(Ok(match method {
            api::Send::NAME => {
                let params = parse::<api::Send>(params)?;
                match params.recipient {
                    api::Peer::Person(PhoneNumber(phone)) => {
                        Answer::later::<api::Send, _>(core.send_to_person(phone, &params))
                    }
                    api::Peer::Group(api::GroupId(id)) => {
                        Answer::later::<api::Send, _>(core.send_to_group(GroupId(id), &params))
                    }
                }
            }
            api::EditMessage::NAME => now::<api::EditMessage>(params, |params| core.edit(params))?,
            api::RemoteDelete::NAME => {
                now::<api::RemoteDelete>(params, |params| core.delete(params))?
            }
            api::SendReaction::NAME => {
                now::<api::SendReaction>(params, |params| core.react(params))?
            }
            api::SendFile::NAME => {
                let params = parse::<api::SendFile>(params)?;
                Answer::later::<api::SendFile, _>(core.send_file(params))
            }
            api::ListFiles::NAME => {
                now::<api::ListFiles>(params, |params| core.list_files(params))?
            }
            api::AcceptFile::NAME => {
                now::<api::AcceptFile>(params, |params| core.accept_file(params))?
            }
            api::RefuseFile::NAME => {
                now::<api::RefuseFile>(params, |params| core.refuse_file(params))?
            }
            api::CancelFile::NAME => {
                now::<api::CancelFile>(params, |params| core.cancel_file(params))?
            }
            api::ListOutbox::NAME => now::<api::ListOutbox>(params, |_| core.list_outbox())?,
            api::RetryMessage::NAME => {
                now::<api::RetryMessage>(params, |params| core.retry(params))?
            }
            api::CancelMessage::NAME => {
                now::<api::CancelMessage>(params, |params| core.cancel(params))?
            }
            _ => return Ok(Err(params)),
        }))
    }

    fn dispatch_history(&self, method: &str, params: Value) -> Result<Answer, ApiError> {
        let core = &self.core;
        Ok(match method {
            api::ListConversations::NAME => {
                now::<api::ListConversations>(params, |_| core.list_conversations())?
            }
            api::History::NAME => now::<api::History>(params, |params| core.history(&params))?,
            api::Search::NAME => now::<api::Search>(params, |params| core.search(&params))?,
            api::MarkRead::NAME => now::<api::MarkRead>(params, |params| core.mark_read(params))?,
            api::SaveDraft::NAME => {
                now::<api::SaveDraft>(params, |params| core.save_draft(params))?
            }
            api::UpdateConversation::NAME => {
                now::<api::UpdateConversation>(params, |params| core.update_conversation(&params))?
            }
            api::ListContacts::NAME => now::<api::ListContacts>(params, |_| core.list_contacts())?,
            api::UpdateContact::NAME => {
                now::<api::UpdateContact>(params, |params| core.update_contact(params))?
            }
            api::RemoveContact::NAME => {
                let params = parse::<api::RemoveContact>(params)?;
                Answer::later::<api::RemoveContact, _>(core.remove_contact(params))
            }
            api::Block::NAME => now::<api::Block>(params, |params| core.block(params, true))?,
            api::Unblock::NAME => now::<api::Unblock>(params, |params| core.block(params, false))?,
            api::LookUp::NAME => {
                let params = parse::<api::LookUp>(params)?;
                Answer::later::<api::LookUp, _>(core.look_up(params))
            }
            api::TrustKey::NAME => {
                let params = parse::<api::TrustKey>(params)?;
                Answer::later::<api::TrustKey, _>(core.trust(params))
            }
            _ => return self.dispatch_groups(method, params),
        })
    }

    fn dispatch_groups(&self, method: &str, params: Value) -> Result<Answer, ApiError> {
        let core = &self.core;
        Ok(match method {
            api::ListGroups::NAME => now::<api::ListGroups>(params, |_| core.list_groups())?,
            api::UpdateGroup::NAME => {
                let params = parse::<api::UpdateGroup>(params)?;
                Answer::later::<api::UpdateGroup, _>(core.update_group(params))
            }
            api::JoinGroup::NAME => {
                now::<api::JoinGroup>(params, |params| core.join_group(params))?
            }
            api::DeclineGroup::NAME => {
                now::<api::DeclineGroup>(params, |params| core.decline_group(params))?
            }
            api::QuitGroup::NAME => {
                now::<api::QuitGroup>(params, |params| core.quit_group(params))?
            }
            api::TakeOverGroup::NAME => {
                now::<api::TakeOverGroup>(params, |params| core.take_over_group(params))?
            }
            api::ForgetGroup::NAME => {
                now::<api::ForgetGroup>(params, |params| core.forget_group(params))?
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

/// Carries out a method that need not wait.
fn now<M: Method>(
    params: Value,
    carry_out: impl FnOnce(M::Params) -> Result<M::Result, ApiError>,
) -> Result<Answer, ApiError> {
    Ok(Answer::now::<M>(carry_out(parse::<M>(params)?)))
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
