//! The table of methods: what carries out each of them.

use serde_json::Value;

use super::access::Access;
use super::answer::Answer;
use crate::api::{self, ApiError, ErrorKind, Method};

/// Begins to carry out the method with this name.
pub(super) fn begin(access: &Access, method: &str, params: Value) -> Answer {
    match TABLE.iter().find(|(name, _)| *name == method) {
        Some((_, begin)) => begin(access, params),
        None => Answer::Now(Err(no_method(method))),
    }
}

/// A method that an engine can carry out.
trait CarriedOut: Method {
    /// Begins to carry it out.
    fn begin(access: &Access, params: Self::Params) -> Answer;
}

type Begin = fn(&Access, Value) -> Answer;

macro_rules! table {
    ($($method:ident,)+) => { &[$((api::$method::NAME, parse_and_begin::<api::$method>),)+] };
}

/// Every method of the interface. One that nothing below carries out does not compile.
const TABLE: &[(&str, Begin)] = api::for_each_method!(table);

/// Says of each method what carries it out, and whether the answer is there `now` or `later`.
macro_rules! carried_out {
    ($($method:ident($access:ident, $params:pat) => $when:ident($result:expr);)+) => {$(
        impl CarriedOut for api::$method {
            fn begin($access: &Access, $params: Self::Params) -> Answer {
                Answer::$when::<Self>($result)
            }
        }
    )+};
}

carried_out! {
    Version(access, _) => now(Ok(access.version()));
    Status(access, _) => now(access.core.status());
    Connect(access, params) => later(Ok(access.core.connect(params)));

    Send(access, params) => later(access.core.send(&params));
    EditMessage(access, params) => now(access.core.edit(params));
    RemoteDelete(access, params) => now(access.core.delete(params));
    SendReaction(access, params) => now(access.core.react(params));
    ListOutbox(access, _) => now(access.core.list_outbox());
    RetryMessage(access, params) => now(access.core.retry(params));
    CancelMessage(access, params) => now(access.core.cancel(params));

    SendFile(access, params) => later(access.core.send_file(params));
    ListFiles(access, params) => now(access.core.list_files(params));
    AcceptFile(access, params) => now(access.core.accept_file(params));
    RefuseFile(access, params) => now(access.core.refuse_file(params));
    CancelFile(access, params) => now(access.core.cancel_file(params));

    SubscribeReceive(access, params) => now(access.subscribe_receive(&params));
    Acknowledge(access, params) => now(access.core.acknowledge(params));
    UnsubscribeReceive(access, params) => now(access.unsubscribe_receive(&params));
    ListConsumers(access, _) => now(access.core.list_consumers());
    RemoveConsumer(access, params) => now(access.core.remove_consumer(params));
    SubscribeChanges(access, _) => now(Ok(access.subscribe_changes()));

    ListConversations(access, _) => now(access.core.list_conversations());
    History(access, params) => now(access.core.history(&params));
    Search(access, params) => now(access.core.search(&params));
    MarkRead(access, params) => now(access.core.mark_read(params));
    SaveDraft(access, params) => now(access.core.save_draft(params));
    UpdateConversation(access, params) => now(access.core.update_conversation(&params));

    ListContacts(access, _) => now(access.core.list_contacts());
    UpdateContact(access, params) => now(access.core.update_contact(params));
    RemoveContact(access, params) => later(access.core.remove_contact(params));
    Block(access, params) => now(access.core.block(params));
    Unblock(access, params) => now(access.core.unblock(params));
    LookUp(access, params) => later(access.core.look_up(params));
    TrustKey(access, params) => later(access.core.trust(params));

    ListGroups(access, _) => now(access.core.list_groups());
    UpdateGroup(access, params) => later(access.core.update_group(params));
    JoinGroup(access, params) => now(access.core.join_group(params));
    DeclineGroup(access, params) => now(access.core.decline_group(params));
    QuitGroup(access, params) => now(access.core.quit_group(params));
    TakeOverGroup(access, params) => now(access.core.take_over_group(params));
    ForgetGroup(access, params) => now(access.core.forget_group(params));
}

fn parse_and_begin<M: CarriedOut>(access: &Access, params: Value) -> Answer {
    match parse::<M>(params) {
        Ok(params) => M::begin(access, params),
        Err(error) => Answer::Now(Err(error)),
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
